//! The lab: hosts out of network namespaces, real nats-servers and clients on them, a fault, and a recording at each host.
//!
//! `client` (10.77.1.2) and `other` (10.77.3.2) reach `server` (10.77.2.2) through `router`; no packet leaves these four.
//! Everything made carries this process's id in its name and goes away with the value that stands for it.
pub mod client;
pub mod net;
pub mod process;
pub mod raw;
pub mod run;
pub mod scenarios;
pub mod server;
pub mod stage;
pub mod tap;
pub mod tools;

pub use net::Host;
pub use stage::Stage;

/// One thing that happens to connections.
pub struct Scenario {
    /// Name, also of the files.
    pub name: &'static str,
    /// What happens, one sentence.
    pub what: &'static str,
    /// Does it, and says what is then true.
    pub play: fn(&mut Stage) -> anyhow::Result<()>,
}
