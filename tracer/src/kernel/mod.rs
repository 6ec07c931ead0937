//! F1: what the kernel says: records of the probes decoded, reason names, filter rules. Pure.
mod record;
pub mod ruleset;

pub use record::{FilterRule, KernelEvent, KernelRecord, Process, TcpState, Verdict};
