//! What the probes must be told about the running kernel: the position of every field they read, found in the
//! tracepoints' format files and in BTF; and in words what is missing and what that costs.
use super::btf::Btf;
use super::format::{Field, Format};

/// A field a probe reads: the global it is told by (`tracer-ebpf`), the field's name, and what fails without it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Name of the `i32` global in the object.
    pub global: &'static str,
    /// Name in the format file.
    pub field: &'static str,
    /// What the probe can't tell without it; none: the probe is of no use then.
    pub cost: Option<&'static str>,
}

/// A tracepoint that natstrace attaches to.
#[derive(PartialEq, Eq, Debug)]
pub struct Tracepoint {
    /// Folder in tracefs' `events`.
    pub category: &'static str,
    /// Name, also the program's.
    pub name: &'static str,
    /// What can't be told without it.
    pub cost: &'static str,
    /// What is read of it.
    pub places: &'static [Place],
}

/// A position in a kernel structure, by BTF.
struct Inside {
    global: &'static str,
    of: &'static str,
    path: &'static [&'static str],
    cost: &'static str,
}

const fn need(global: &'static str, field: &'static str) -> Place {
    Place { global, field, cost: None }
}

const fn want(global: &'static str, field: &'static str, cost: &'static str) -> Place {
    Place { global, field, cost: Some(cost) }
}

const NAMESPACE: &str = "in which network namespace it happened";

/// All of them; the order is that of the ready line and `doctor`.
pub const TRACEPOINTS: [Tracepoint; 9] = [
    Tracepoint {
        category: "sock",
        name: "inet_sock_set_state",
        cost: "which process connected, listened or closed, and who closed first",
        places: &[
            need("SET_STATE_SPORT", "sport"),
            need("SET_STATE_DPORT", "dport"),
            need("SET_STATE_OLDSTATE", "oldstate"),
            need("SET_STATE_NEWSTATE", "newstate"),
            need("SET_STATE_SADDR_V6", "saddr_v6"),
            need("SET_STATE_DADDR_V6", "daddr_v6"),
            want("SET_STATE_PROTOCOL", "protocol", "TCP from other protocols"),
            want("SET_STATE_SKADDR", "skaddr", NAMESPACE),
        ],
    },
    Tracepoint {
        category: "sock",
        name: "inet_sk_error_report",
        cost: "with which error a socket died (ETIMEDOUT, ECONNRESET, EHOSTUNREACH)",
        places: &[
            need("SK_ERROR_ERROR", "error"),
            need("SK_ERROR_SPORT", "sport"),
            need("SK_ERROR_DPORT", "dport"),
            need("SK_ERROR_SADDR_V6", "saddr_v6"),
            need("SK_ERROR_DADDR_V6", "daddr_v6"),
            want("SK_ERROR_PROTOCOL", "protocol", "TCP from other protocols"),
        ],
    },
    Tracepoint {
        category: "tcp",
        name: "tcp_send_reset",
        cost: "which resets this host's TCP made, and why",
        places: &[
            need("SEND_RESET_SOURCE", "saddr"),
            need("SEND_RESET_DESTINATION", "daddr"),
            need("SEND_RESET_SPORT", "sport"),
            need("SEND_RESET_DPORT", "dport"),
            need("SEND_RESET_SADDR_V6", "saddr_v6"),
            need("SEND_RESET_DADDR_V6", "daddr_v6"),
            want("SEND_RESET_REASON", "reason", "why a reset was sent (kernels before 6.10 don't say)"),
            want("SEND_RESET_SKADDR", "skaddr", NAMESPACE),
            want("SEND_RESET_SKBADDR", "skbaddr", "which process aborted"),
            want("SEND_RESET_STATE", "state", "which process aborted"),
        ],
    },
    Tracepoint {
        category: "tcp",
        name: "tcp_receive_reset",
        cost: "which arriving resets TCP believed",
        places: &[
            need("RECEIVE_RESET_SPORT", "sport"),
            need("RECEIVE_RESET_DPORT", "dport"),
            need("RECEIVE_RESET_SADDR_V6", "saddr_v6"),
            need("RECEIVE_RESET_DADDR_V6", "daddr_v6"),
            want("RECEIVE_RESET_SKADDR", "skaddr", NAMESPACE),
        ],
    },
    Tracepoint {
        category: "tcp",
        name: "tcp_retransmit_skb",
        cost: "what this host sent again (with --capture off)",
        places: &[
            need("RETRANSMIT_SPORT", "sport"),
            need("RETRANSMIT_DPORT", "dport"),
            need("RETRANSMIT_SADDR_V6", "saddr_v6"),
            need("RETRANSMIT_DADDR_V6", "daddr_v6"),
            want("RETRANSMIT_SKADDR", "skaddr", NAMESPACE),
        ],
    },
    Tracepoint {
        category: "skb",
        name: "kfree_skb",
        cost: "which packets this host dropped, why and where",
        places: &[
            need("KFREE_SKBADDR", "skbaddr"),
            want("KFREE_LOCATION", "location", "where a packet was dropped"),
            want("KFREE_PROTOCOL", "protocol", "which packets to leave alone cheaply"),
            want("KFREE_REASON", "reason", "why a packet was dropped (kernels before 5.17 don't say)"),
        ],
    },
    Tracepoint {
        category: "signal",
        name: "signal_generate",
        cost: "who sent a signal to a process",
        places: &[
            need("SIGNAL_SIG", "sig"),
            need("SIGNAL_PID", "pid"),
            want("SIGNAL_CODE", "code", "a process's signal from the kernel's"),
            want("SIGNAL_COMM", "comm", "the name of who got it"),
            want("SIGNAL_RESULT", "result", "ignored signals from delivered ones"),
        ],
    },
    Tracepoint {
        category: "sched",
        name: "sched_process_exit",
        cost: "when a process ended, and how",
        places: &[want("EXIT_GROUP_DEAD", "group_dead", "nothing where BTF has signal_struct.live")],
    },
    Tracepoint {
        category: "oom",
        name: "mark_victim",
        cost: "which process the kernel killed for want of memory",
        places: &[need("VICTIM_PID", "pid")],
    },
];

const INSIDE: &[Inside] = &[
    Inside { global: "SOCK_NET", of: "sock_common", path: &["skc_net", "net"], cost: NAMESPACE },
    Inside { global: "NET_INUM", of: "net", path: &["ns", "inum"], cost: NAMESPACE },
    Inside { global: "SKB_HEAD", of: "sk_buff", path: &["head"], cost: DROPS },
    Inside { global: "SKB_NETWORK_HEADER", of: "sk_buff", path: &["network_header"], cost: DROPS },
    Inside { global: "SKB_SK", of: "sk_buff", path: &["sk"], cost: NAMESPACE },
    Inside { global: "SKB_DEV", of: "sk_buff", path: &["dev"], cost: NAMESPACE },
    Inside { global: "DEV_NET", of: "net_device", path: &["nd_net", "net"], cost: NAMESPACE },
    Inside { global: "TASK_LEADER", of: "task_struct", path: &["group_leader"], cost: COMM },
    Inside { global: "TASK_COMM", of: "task_struct", path: &["comm"], cost: COMM },
    Inside {
        global: "TASK_FLAGS",
        of: "task_struct",
        path: &["flags"],
        cost: "kernel threads from processes",
    },
    Inside { global: "TASK_SIGNAL", of: "task_struct", path: &["signal"], cost: STATUS },
    Inside { global: "TASK_EXIT_CODE", of: "task_struct", path: &["exit_code"], cost: STATUS },
    Inside { global: "SIGNAL_LIVE", of: "signal_struct", path: &["live", "counter"], cost: STATUS },
    Inside {
        global: "SIGNAL_GROUP_EXIT_CODE",
        of: "signal_struct",
        path: &["group_exit_code"],
        cost: STATUS,
    },
    Inside { global: "TASK_THREAD_PID", of: "task_struct", path: &["thread_pid"], cost: PIDS },
    Inside { global: "PID_LEVEL", of: "pid", path: &["level"], cost: PIDS },
    Inside { global: "PID_NUMBERS", of: "pid", path: &["numbers"], cost: PIDS },
    Inside { global: "UPID_NR", of: "upid", path: &["nr"], cost: PIDS },
    Inside { global: "UPID_NS", of: "upid", path: &["ns"], cost: PIDS },
    Inside { global: "PIDNS_INUM", of: "pid_namespace", path: &["ns", "inum"], cost: PIDS },
];
const UPID_SIZE: &str = "UPID_SIZE";

const DROPS: &str = "which packets this host dropped (kfree_skb)";
const COMM: &str = "a process's name where its thread has one of its own";
const STATUS: &str = "with which status or signal a process ended";
const PIDS: &str = "process ids of other pid namespaces, where natstrace runs in one itself";

/// What became of a tracepoint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Presence {
    /// The kernel has it and what must be read of it.
    Usable,
    /// The kernel has no such tracepoint (or its format can't be read).
    Absent,
    /// It lacks what must be read, named here.
    Unusable(&'static str),
}

/// A tracepoint on this kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Which.
    pub tracepoint: &'static Tracepoint,
    /// Whether it serves.
    pub presence: Presence,
    /// Fields found, by the format file's names.
    pub fields: Vec<&'static str>,
    /// Fields missing, and what that costs.
    pub missing: Vec<(&'static str, &'static str)>,
}

/// All that the programs are told about this kernel.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Layout {
    /// Global and position; -1: this kernel has no such thing.
    pub globals: Vec<(&'static str, i32)>,
    /// One for each of [`TRACEPOINTS`], in its order.
    pub tracepoints: Vec<Found>,
    /// Members that BTF doesn't know (`task_struct.comm`), and what that costs.
    pub missing: Vec<(String, &'static str)>,
}

impl Layout {
    /// From what the kernel says about itself: a format for each of [`TRACEPOINTS`] that it has, in that order, and
    /// its types.
    #[must_use]
    pub fn new(formats: &[Option<Format>], btf: Option<&Btf<'_>>) -> Self {
        let mut layout = Self::default();
        for inside in INSIDE {
            let place = btf.and_then(|btf| btf.offset(inside.of, inside.path));
            if place.is_none() {
                layout.missing.push((format!("{}.{}", inside.of, inside.path.join(".")), inside.cost));
            }
            layout.globals.push((inside.global, position(place)));
        }
        layout.globals.push((UPID_SIZE, position(btf.and_then(|btf| btf.size("upid")))));
        for (n, tracepoint) in TRACEPOINTS.iter().enumerate() {
            let found = layout.tracepoint(tracepoint, formats.get(n).and_then(Option::as_ref));
            layout.tracepoints.push(found);
        }
        layout
    }

    fn tracepoint(&mut self, tracepoint: &'static Tracepoint, format: Option<&Format>) -> Found {
        let mut found =
            Found { tracepoint, presence: Presence::Usable, fields: Vec::new(), missing: Vec::new() };
        for place in tracepoint.places {
            let field = format.and_then(|f| f.field(place.field)).filter(|f| fits(place, f));
            self.globals.push((place.global, position(field.map(|f| f.offset))));
            match (field, place.cost) {
                (Some(_), _) => found.fields.push(place.field),
                (None, _) if other_layout(format, place) => {}
                (None, Some(cost)) => found.missing.push((place.field, cost)),
                (None, None) => found.presence = Presence::Unusable(place.field),
            }
        }
        if tracepoint.name == "kfree_skb"
            && (self.place("SKB_HEAD") < 0 || self.place("SKB_NETWORK_HEADER") < 0)
        {
            found.presence = Presence::Unusable("BTF: sk_buff");
        }
        if tracepoint.name == "sched_process_exit"
            && self.place("EXIT_GROUP_DEAD") < 0
            && (self.place("SIGNAL_LIVE") < 0 || self.place("TASK_SIGNAL") < 0)
        {
            found.presence = Presence::Unusable("group_dead");
        }
        if format.is_none() {
            found.presence = Presence::Absent;
            found.missing.clear();
        }
        found
    }

    /// Position of a global; -1 where there is none.
    #[must_use]
    pub fn place(&self, global: &str) -> i32 {
        self.globals.iter().find(|(name, _)| *name == global).map_or(-1, |(_, place)| *place)
    }
}

fn position(found: Option<u32>) -> i32 {
    found.and_then(|at| i32::try_from(at).ok()).unwrap_or(-1)
}

/// `sockaddr_in6` takes 28 octets; `saddr` of four octets is another thing.
const SOCKADDR: u32 = 28;

/// Whether a field found by its name has the size the program reads.
fn fits(place: &Place, field: &Field) -> bool {
    match (place.global, place.field) {
        ("SEND_RESET_SOURCE" | "SEND_RESET_DESTINATION", _) => field.size == SOCKADDR,
        (_, "sport" | "dport" | "protocol") => field.size == 2,
        (_, "saddr_v6" | "daddr_v6" | "comm") => field.size == 16,
        (_, "skaddr" | "skbaddr" | "location") => field.size == 8,
        (_, "group_dead") => field.size == 1,
        _ => field.size == 4,
    }
}

/// `tcp_send_reset` has its ends in one of two layouts; what belongs to the other one isn't missing.
fn other_layout(format: Option<&Format>, place: &Place) -> bool {
    let Some(format) = format else { return false };
    let new = format.field("saddr").is_some_and(|f| f.size == SOCKADDR);
    match place.global {
        "SEND_RESET_SOURCE" | "SEND_RESET_DESTINATION" => !new && format.field("saddr_v6").is_some(),
        "SEND_RESET_SPORT" | "SEND_RESET_DPORT" | "SEND_RESET_SADDR_V6" | "SEND_RESET_DADDR_V6" => new,
        _ => false,
    }
}
