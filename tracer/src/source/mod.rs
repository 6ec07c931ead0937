//! F6: where input comes from. Capture files here; everything that is live beside them.
pub mod ebpf;
pub mod file;
pub mod filter;
#[cfg(target_os = "linux")]
pub mod firewall;
pub mod hosts;
pub mod live;
pub mod merge;
pub mod monitor;
pub mod netns;
pub mod privileges;
pub mod processes;
pub mod server_log;
pub mod sockets;
pub mod survey;

mod ahead;
mod blocks;
mod error;
mod packing;
mod pcap_format;
mod pcapng;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wall;

pub use ebpf::{ProbeOptions, ProbeState, ProbeStatus, Probes, ProbesError};
pub use error::SourceError;
pub use file::FileSource;
pub use filter::{Filter, FilterError};
pub use merge::MergedSource;
pub use wall::wall;
