//! F1: what the kernel says: records of the probes decoded, reason names, filter rules. Pure.
mod btf;
mod decode;
mod format;
mod layout;
mod reasons;
mod record;
pub mod ruleset;
mod symbols;
#[cfg(test)]
mod tests;

pub use btf::{Btf, BtfError};
pub use decode::{Decoder, RECORDING, Surroundings, recorded};
pub use format::{Field, Format};
pub use layout::{Found, Layout, Place, Presence, TRACEPOINTS, Tracepoint};
pub use reasons::Reasons;
pub use record::{FilterQuestion, FilterRule, KernelEvent, KernelRecord, Process, TcpState, Verdict};
pub use symbols::Symbols;
