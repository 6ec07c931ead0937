//! The kernel's own word, live: eBPF programs at nine tracepoints, their records decoded by [`crate::kernel`].
//!
//! The object is built by `cargo xtask ebpf` and embedded; positions of fields come from the running kernel. What a
//! kernel lacks is told by [`Probes::status`], the rest works on. Built without feature `ebpf`, [`Probes::open`] says so.
mod status;

#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod clock;
#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod containers;
#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod load;
#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod probes;
#[cfg(test)]
#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod tests;
#[cfg(all(feature = "ebpf", target_os = "linux"))]
mod tracefs;
#[cfg(not(all(feature = "ebpf", target_os = "linux")))]
mod without;

#[cfg(all(feature = "ebpf", target_os = "linux"))]
pub use probes::Probes;
pub use status::{ProbeOptions, ProbeState, ProbeStatus, ProbesError};
#[cfg(not(all(feature = "ebpf", target_os = "linux")))]
pub use without::Probes;

/// Where tracefs is mounted by convention; the loading library looks in the same places.
pub(super) const TRACEFS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
