//! What became of each probe, and why there are none at all.

/// How probes are opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeOptions {
    /// Octets of the ring buffer; a power of two of at least a page. A record takes 136.
    pub ring: u32,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self { ring: tracer_ebpf::RING_SIZE }
    }
}

/// What became of a probe.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeState {
    /// It runs.
    Loaded,
    /// This kernel has no such tracepoint, or not what must be read of it.
    Absent(String),
    /// The kernel has it, yet it couldn't be loaded or attached.
    Failed(String),
}

/// One probe on this host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeStatus {
    /// The tracepoint: `sock:inet_sock_set_state`.
    pub name: String,
    /// Whether it runs.
    pub state: ProbeState,
    /// What can't be told where it doesn't.
    pub cost: &'static str,
    /// Its fields that this kernel has.
    pub found: Vec<&'static str>,
    /// Those it lacks, and what can't be told without them.
    pub missing: Vec<(String, &'static str)>,
}

/// Why there is no probe at all.
#[derive(Debug, thiserror::Error)]
pub enum ProbesError {
    /// Built so.
    #[error("this natstrace was built without probes (feature `ebpf`)")]
    NotBuilt,
    /// The list of tracepoints can't be read.
    #[error(
        "the kernel's tracepoints can't be read: {0}; run with sudo, or with tracefs mounted at /sys/kernel/tracing and CAP_DAC_READ_SEARCH"
    )]
    Tracefs(String),
    /// The kernel takes no program or map of ours.
    #[error(
        "the kernel takes no eBPF programs: {0}; run with sudo, or give natstrace CAP_BPF and CAP_PERFMON"
    )]
    Load(String),
}
