//! F7: the command line. [`Args`] is what was typed; [`Args::resolve`] says once what it means, as a [`Plan`] or a
//! [`Usage`] error. Nothing here opens a file or a socket.
mod args;
mod doctor;
mod explain;
mod near;
mod plan;
mod shell;
mod values;

pub use args::{Args, Command, TraceArgs};
pub use doctor::{doctor, doctor_json};
pub use explain::explain;
pub use plan::{Capture, Ebpf, Input, Plan, Settle, Surroundings};
pub use shell::{completions, man};
pub use values::{Assumption, ColorChoice, Format, Monitor};

/// Bad usage: exit status 2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);
