//! The records that the kernel probes write and user space reads: `no_std`, integers only, no dependency.
#![no_std]
#![forbid(unsafe_code)]

/// What a record is about: which tracepoint wrote it. The discriminants are what [`Record::kind`] holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Kind {
    /// `sock:inet_sock_set_state`. `first`: state before, `second`: state after; out of SYN-SENT `place`: when connect()
    /// was called, as `at`.
    SetState = 1,
    /// `sock:inet_sk_error_report`. `first`: errno.
    ErrorReport = 2,
    /// `tcp:tcp_send_reset`. `first`: number in `sk_rst_reason`, or [`NO_REASON`].
    SendReset = 3,
    /// `tcp:tcp_receive_reset`.
    ReceiveReset = 4,
    /// `tcp:tcp_retransmit_skb`.
    Retransmit = 5,
    /// `skb:kfree_skb`. `local` sent the packet, `remote` was to get it; `first`: number in `skb_drop_reason`, or
    /// [`NO_REASON`]; `seq`, `tcp_flags` and `place` besides.
    Drop = 6,
    /// `signal:signal_generate`. `first`: the signal, `second`: its `si_code`; `target` and `target_comm` get it.
    Signal = 7,
    /// `sched:sched_process_exit` of a whole process. `first`: the exit code as `wait4` gives it, or [`NO_REASON`].
    Exit = 8,
    /// `oom:mark_victim`. `target`: the victim.
    OomVictim = 9,
}

impl Kind {
    /// By number.
    #[must_use]
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::SetState,
            2 => Self::ErrorReport,
            3 => Self::SendReset,
            4 => Self::ReceiveReset,
            5 => Self::Retransmit,
            6 => Self::Drop,
            7 => Self::Signal,
            8 => Self::Exit,
            9 => Self::OomVictim,
            _ => return None,
        })
    }
}

/// In [`Record::first`]: this kernel has no such field.
pub const NO_REASON: i32 = -1;

/// One record, as it lies in the ring buffer: native byte order, no padding. What a kind doesn't use is 0.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Record {
    /// When: nanoseconds of `CLOCK_MONOTONIC` (`bpf_ktime_get_ns`).
    pub at: u64,
    /// Cgroup (version 2) of the process; 0 without one.
    pub cgroup: u64,
    /// Address of the kernel code that dropped the packet.
    pub place: u64,
    /// [`Kind`].
    pub kind: u32,
    /// Inode of the network namespace; 0: unknown.
    pub netns: u32,
    /// Process in whose context it happened, in the reader's pid namespace; 0: none, or not seen from there.
    pub pid: u32,
    /// By kind.
    pub first: i32,
    /// By kind.
    pub second: i32,
    /// TCP sequence number.
    pub seq: u32,
    /// Process concerned, in the reader's pid namespace.
    pub target: u32,
    /// Port of `local`, host order.
    pub local_port: u16,
    /// Port of `remote`, host order.
    pub remote_port: u16,
    /// TCP flags as on the wire.
    pub tcp_flags: u32,
    /// Always 0.
    pub reserved: u32,
    /// This host's address (IPv4 mapped into IPv6); [`Kind::Drop`]: the sender's.
    pub local: [u8; 16],
    /// The other address.
    pub remote: [u8; 16],
    /// Name of the process, NUL padded.
    pub comm: [u8; 16],
    /// Name of the process concerned, NUL padded.
    pub target_comm: [u8; 16],
}

/// Octets of a record.
pub const RECORD_SIZE: usize = size_of::<Record>();
const _: () = assert!(RECORD_SIZE == 128);

/// Index in the map `COUNTS` (per CPU): records written.
pub const WRITTEN: u32 = 0;
/// Index in the map `COUNTS` (per CPU): records lost because the ring was full.
pub const LOST: u32 = 1;
/// Length of the map `COUNTS`.
pub const COUNTERS: u32 = 2;
/// Octets of the ring where the loader doesn't say otherwise; a power of two.
pub const RING_SIZE: u32 = 1 << 20;
/// Words of the map `PORTS`, a bit a port.
pub const PORT_WORDS: u32 = 1024;
/// Drop reasons that the map `QUIET` can silence, a byte each; larger numbers are never silenced.
pub const QUIET_REASONS: u32 = 512;
/// In a key of the map `OWNERS`: the pid is one of the reader's pid namespace, not of the first one.
pub const OWN_NAMESPACE: u64 = 1 << 32;
/// Processes that `OWNERS` holds; the least recently used go first.
pub const OWNERS_MOST: u32 = 16_384;
