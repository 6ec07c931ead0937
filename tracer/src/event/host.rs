//! What the kernel of this host said of one connection. Facts, no meaning: `track` fills them, `cause` reads them.
use crate::base::{Addr, PerSide, Side, Span, Timestamp};
use crate::kernel::{FilterRule, Process, TcpState};
use crate::wire::Flags;
use std::sync::Arc;

/// Rules kept for a connection.
const RULES_MAX: usize = 4;

/// The host that a live trace runs on: one network namespace.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Its addresses.
    pub addresses: Vec<Addr>,
    /// Inode of its network namespace.
    pub netns: u32,
    /// What its probes tell.
    pub probes: Coverage,
}

impl Host {
    /// Whether an address is this host's.
    #[must_use]
    pub fn has(&self, addr: Addr) -> bool {
        addr.is_loopback() || self.addresses.contains(&addr)
    }
}

/// Which probes speak: the absence of a record proves something only where its probe runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// `tcp:tcp_send_reset`, on a kernel that tells of every reset (since 6.10, with its reason).
    pub every_reset: bool,
    /// `tcp:tcp_receive_reset`.
    pub resets_received: bool,
    /// `skb:kfree_skb`.
    pub drops: bool,
    /// `sched:sched_process_exit`.
    pub exits: bool,
}

/// One end, as the kernel of its host told it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostEnd {
    /// It lives on this host.
    pub here: bool,
    /// Whose socket it is.
    pub process: Option<Process>,
    /// Smoothed round trip that its TCP had measured when the trace began, microseconds.
    pub rtt_us: Option<u32>,
    /// Octets that waited for its process when the trace began.
    pub unread: u32,
    /// Last state.
    pub state: Option<TcpState>,
    /// The handshake was done.
    pub established: Option<Timestamp>,
    /// Its process closed it, or shut it down: a FIN went out, or what was there of it.
    pub closed: Option<Timestamp>,
    /// The other end's kernel acknowledged that FIN.
    pub fin_acked: bool,
    /// The other end's FIN came.
    pub peer_closed: Option<Timestamp>,
    /// Its TCP made a reset: when, and the kernel's reason.
    pub reset_sent: Option<(Timestamp, Option<Arc<str>>)>,
    /// It took a reset.
    pub reset_received: Option<Timestamp>,
    /// Error that the socket reported last: when, errno.
    pub error: Option<(Timestamp, i32)>,
    /// The last run of retransmissions.
    pub repeats: Repeats,
    /// Its socket is gone.
    pub over: Option<Timestamp>,
}

/// Retransmissions that followed each other, gaps at most about doubling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeats {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many in a row.
    pub run: u32,
    /// The last gap between two of them.
    pub gap: Span,
    /// How many since the beginning.
    pub all: u32,
}

impl Repeats {
    /// One more at that time. A gap of more than about twice the one before begins a new run.
    pub fn add(&mut self, at: Timestamp) {
        self.all = self.all.saturating_add(1);
        let gap = at - self.last;
        if self.run > 0 && gap.0 <= self.gap.0.saturating_mul(5) / 2 + Span::millis(500).0 {
            self.run = self.run.saturating_add(1);
            self.gap = gap;
        } else {
            *self = Self { first: at, run: 1, gap: Span::millis(500), ..*self };
        }
        self.last = at;
    }

    /// Whether the run goes on at that time: the next one would not be due yet.
    #[must_use]
    pub fn goes_on(&self, at: Timestamp) -> bool {
        self.run > 0 && (at - self.last).0 <= self.gap.0.saturating_mul(5) / 2 + Span::millis(500).0
    }
}

/// Packets of the connection that this host's kernel discarded, alike ones as one.
#[derive(Clone, Debug, PartialEq)]
pub struct DropFact {
    /// First of them.
    pub first: Timestamp,
    /// Last of them.
    pub last: Timestamp,
    /// Who had sent them.
    pub from: Side,
    /// They came to this host (else they were to leave it).
    pub inbound: bool,
    /// The kernel's `skb_drop_reason`.
    pub reason: Arc<str>,
    /// The kernel function that did it.
    pub place: Option<Arc<str>>,
    /// TCP flags of all of them together.
    pub flags: Flags,
    /// How many.
    pub count: u32,
}

impl DropFact {
    /// A packet filter did it.
    #[must_use]
    pub fn is_filter(&self) -> bool {
        Self::by_filter(&self.reason, self.place.as_deref())
    }

    /// Whether a drop of this reason at this place is a packet filter's: netfilter, XDP, tc, a cgroup's program, a security
    /// module.
    #[must_use]
    pub fn by_filter(reason: &str, place: Option<&str>) -> bool {
        match reason {
            "NETFILTER_DROP" | "XDP" | "TC_INGRESS" | "TC_EGRESS" | "BPF_CGROUP_EGRESS" | "SECURITY_HOOK" => {
                true
            }
            "NOT_SPECIFIED" => {
                place.is_some_and(|p| p.starts_with("nft_do_chain") || p.starts_with("nf_hook_slow"))
            }
            _ => false,
        }
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostFacts {
    /// Both ends.
    pub ends: PerSide<HostEnd>,
    /// Discarded packets, eight kinds at most.
    pub drops: Vec<DropFact>,
    /// Rules of this host's filters that concern it, four at most.
    pub rules: Vec<FilterRule>,
    /// What could have been told.
    pub probes: Coverage,
    /// The connection stood before the trace began.
    pub adopted: bool,
}

impl HostFacts {
    /// The only end that lives here; none where both or neither do.
    #[must_use]
    pub fn here(&self) -> Option<Side> {
        match (self.ends.client.here, self.ends.server.here) {
            (true, false) => Some(Side::Client),
            (false, true) => Some(Side::Server),
            _ => None,
        }
    }

    /// One more rule that concerns it, at most four.
    pub fn add_rule(&mut self, rule: FilterRule) {
        if let Some(known) = self.rules.iter_mut().find(|r| r.text == rule.text && r.src == rule.src) {
            known.certain |= rule.certain;
        } else if self.rules.len() < RULES_MAX {
            self.rules.push(rule);
        }
    }

    /// Filter drops of this host.
    pub fn filtered(&self) -> impl Iterator<Item = &DropFact> {
        self.drops.iter().filter(|d| d.is_filter())
    }
}
