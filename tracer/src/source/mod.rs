//! F6: where input comes from. Capture files here; everything that is live beside them.
pub mod file;
pub mod filter;
pub mod hosts;
pub mod live;
pub mod merge;
pub mod netns;

mod blocks;
mod error;
mod packing;
mod pcap_format;
mod pcapng;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use error::SourceError;
pub use file::FileSource;
pub use filter::{Filter, FilterError};
pub use merge::MergedSource;
