//! Live runs: natstrace watches the lab's hosts while a fault happens, on the server's host and on the client's, in three
//! modes at once, and each run is held against what that observer can know.
//!
//! What is wanted follows from what was done and from the contract, never from what natstrace says.
pub mod faults;
pub mod judge;
pub mod measure;
pub mod observer;
pub mod replay;
pub mod run;
pub mod scene;
pub mod table;
pub mod want;
pub mod watcher;

pub use scene::Scene;

use crate::lab::Host;

/// What natstrace may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mode {
    /// Packets and the kernel's word.
    Both,
    /// Packets alone.
    Packets,
    /// Probes alone.
    Probes,
    /// As `Both`, started outside the host's namespace and sent into it.
    Netns,
}

impl Mode {
    /// The three that every fault is watched in.
    pub const ALL: [Self; 3] = [Self::Both, Self::Packets, Self::Probes];

    /// Short name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Packets => "packets",
            Self::Probes => "probes",
            Self::Netns => "netns",
        }
    }

    /// Its options.
    #[must_use]
    pub const fn options(self) -> &'static [&'static str] {
        match self {
            Self::Both | Self::Netns => &["--ebpf", "on"],
            Self::Packets => &["--ebpf", "off"],
            Self::Probes => &["--ebpf", "on", "--capture", "off"],
        }
    }

    /// Whether it hears the kernel.
    #[must_use]
    pub const fn kernel(self) -> bool {
        !matches!(self, Self::Packets)
    }
}

/// Who watches: where, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Observer {
    /// On the server's host, else on the client's.
    pub at_server: bool,
    /// With what.
    pub mode: Mode,
}

impl Observer {
    /// The host it sits on.
    #[must_use]
    pub const fn host(self) -> Host {
        if self.at_server { Host::Server } else { Host::Client }
    }

    /// `server both`.
    #[must_use]
    pub fn name(self) -> String {
        format!("{} {}", self.host().name(), self.mode.name())
    }
}

/// One thing that happens while natstrace watches.
pub struct Fault {
    /// Name.
    pub name: &'static str,
    /// What happens, one sentence.
    pub what: &'static str,
    /// Does it and says what is then true.
    pub play: fn(&mut Scene) -> anyhow::Result<()>,
}
