//! What the kernel says about sockets, packets and processes of this host: the form in which it reaches the core.
use crate::base::{Endpoint, Timestamp};
use std::sync::Arc;

/// RFC 9293 section 3.3.2 states, with the numbers of Linux' `include/net/tcp_states.h`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum TcpState {
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
    /// A SYN was taken; Linux keeps a small request socket (`TCP_NEW_SYN_RECV`).
    NewSynReceived = 12,
}

impl TcpState {
    /// By Linux' number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Established,
            2 => Self::SynSent,
            3 => Self::SynReceived,
            4 => Self::FinWait1,
            5 => Self::FinWait2,
            6 => Self::TimeWait,
            7 => Self::Close,
            8 => Self::CloseWait,
            9 => Self::LastAck,
            10 => Self::Listen,
            11 => Self::Closing,
            12 => Self::NewSynReceived,
            _ => return None,
        })
    }

    /// RFC 9293's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived | Self::NewSynReceived => "SYN-RECEIVED",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "CLOSED",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
        }
    }
}

/// A process of this host.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Process {
    /// Process id in natstrace's own pid namespace.
    pub pid: u32,
    /// The kernel's comm of the process (not of the thread).
    pub name: Arc<str>,
    /// Container id, where its cgroup names one.
    pub container: Option<Arc<str>>,
}

/// One thing the kernel said.
#[derive(Clone, PartialEq, Debug)]
pub struct KernelRecord {
    /// When, on the clock of the capture.
    pub at: Timestamp,
    /// Inode of the network namespace; none: the kernel could not say.
    pub netns: Option<u32>,
    /// The process in whose context it happened. Only where that is the one that did it (connect, listen, close, abort, the
    /// sender of a signal, the one that exits): what happens in softirq context bears no process.
    pub process: Option<Process>,
    /// What.
    pub event: KernelEvent,
}

/// What the kernel can say.
#[derive(Clone, PartialEq, Debug)]
pub enum KernelEvent {
    /// `sock:inet_sock_set_state`.
    State {
        /// This host's end.
        local: Endpoint,
        /// The other end; port 0 for a listener.
        remote: Endpoint,
        /// State before.
        from: TcpState,
        /// State after.
        to: TcpState,
        /// When connect() was called, out of SYN-SENT: until then the socket had no port.
        since: Option<Timestamp>,
    },
    /// `tcp:tcp_send_reset`: this host's TCP made a reset.
    ResetSent {
        /// This host's end.
        local: Endpoint,
        /// Who gets it.
        remote: Endpoint,
        /// The kernel's `sk_rst_reason`, where this kernel has one: `TCP_ABORT_ON_LINGER`.
        reason: Option<Arc<str>>,
    },
    /// `tcp:tcp_receive_reset`: a socket of this host took a reset.
    ResetReceived {
        /// This host's end.
        local: Endpoint,
        /// In whose name it came.
        remote: Endpoint,
    },
    /// `sock:inet_sk_error_report`.
    SocketError {
        /// This host's end.
        local: Endpoint,
        /// The other end.
        remote: Endpoint,
        /// errno: 110 ETIMEDOUT, 104 ECONNRESET …
        errno: i32,
    },
    /// `tcp:tcp_retransmit_skb`.
    Retransmit {
        /// This host's end.
        local: Endpoint,
        /// The other end.
        remote: Endpoint,
    },
    /// `skb:kfree_skb`: a TCP packet was discarded.
    Dropped {
        /// Who sent it, from the packet.
        src: Endpoint,
        /// To whom, from the packet.
        dst: Endpoint,
        /// TCP flags as on the wire (FIN 1, SYN 2, RST 4, PSH 8, ACK 16).
        flags: u8,
        /// TCP sequence number.
        seq: u32,
        /// The kernel's `skb_drop_reason`: `NETFILTER_DROP`.
        reason: Arc<str>,
        /// Kernel symbol that discarded it: `nft_do_chain`.
        place: Option<Arc<str>>,
    },
    /// `signal:signal_generate`: `process` (the record's) sent a signal to one that owns traced sockets.
    Signal {
        /// To whom: process id.
        target: u32,
        /// Its comm.
        target_name: Arc<str>,
        /// Which.
        signal: u8,
        /// The kernel made it, no process (`SI_KERNEL`).
        by_kernel: bool,
    },
    /// `sched:sched_process_exit` of the last thread of a process that owned traced sockets: the record's `process` ended.
    Exit {
        /// The signal that ended it.
        signal: Option<u8>,
        /// Its exit status, where it ended by itself and the kernel could say.
        status: Option<u8>,
    },
    /// `oom:mark_victim`.
    OomVictim {
        /// Process id.
        pid: u32,
    },
    /// A socket that stands already (sock_diag), with its owner as the record's `process`.
    Socket {
        /// This host's end.
        local: Endpoint,
        /// The other end; none: a listener.
        remote: Option<Endpoint>,
        /// Its state.
        state: TcpState,
        /// Smoothed round trip, microseconds.
        rtt_us: Option<u32>,
        /// Octets received and not read by the process (listener: connections not accepted).
        receive_queue: u32,
        /// Octets sent and not acknowledged (listener: how many may wait).
        send_queue: u32,
    },
}

/// Which rule of this host's filters would a packet have met?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterQuestion {
    /// Who sent it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// Its TCP flags as on the wire.
    pub flags: u8,
    /// When.
    pub at: Timestamp,
    /// It came to this host (else it was to leave it).
    pub inbound: bool,
    /// It was answered with a reset or an ICMP error.
    pub rejected: bool,
}

/// A filter rule of this host that concerns a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilterRule {
    /// Who sent the packet.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// When the packet met it.
    pub at: Timestamp,
    /// `nft` or `iptables`.
    pub by: &'static str,
    /// The rule quoted with table, chain, handle and comment.
    pub text: String,
    /// What it did: `drop` or `reject`.
    pub verdict: Verdict,
    /// The packet filter's own trace says so; else the rules were read and this one matches.
    pub certain: bool,
}

/// What a rule does to a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Discards it.
    Drop,
    /// Answers with a reset or an ICMP error.
    Reject,
}
