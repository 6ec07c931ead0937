//! What this host allows, for `natstrace doctor`: looked at by trying, nothing is changed. Each look gives a [`Check`].
mod capabilities;
mod capture;
mod probes;
mod processes;
mod rules;
mod system;
mod tracing;

use super::privileges::{self, Feature};
use caps::CapsHashSet;
use serde::Serialize;

/// How well something works here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Works,
    /// Some of it works, or it works less well.
    Partly,
    /// It does not.
    Missing,
}

/// What a check is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// Kernel and user.
    Host,
    /// Capabilities.
    Privileges,
    /// Live capture.
    Packets,
    /// eBPF.
    Probes,
    /// nft and iptables.
    Firewall,
    /// Sockets, their owners, containers, namespaces.
    Processes,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Check {
    /// What it is about.
    pub area: Area,
    /// What was looked at: `libpcap`, `tracepoint skb:kfree_skb`.
    pub name: String,
    /// How well it works.
    pub status: Status,
    /// What was found, in words.
    pub found: String,
    /// What is lost for it, in the operator's words; none where it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub costs: Option<String>,
    /// What to type to mend it; none where it works or nothing can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
}

impl Check {
    fn works(area: Area, name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { area, name: name.into(), status: Status::Works, found: found.into(), costs: None, mend: None }
    }

    fn lacks(self, status: Status, costs: impl Into<String>, mend: Option<String>) -> Self {
        Self { status, costs: Some(costs.into()), mend, ..self }
    }
}

/// A feature, and whether this process has the capabilities it takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Allowed {
    /// What it is for: `capture packets`.
    pub feature: String,
    /// What it takes, as setcap(8) writes it: `cap_net_raw`.
    pub takes: Vec<String>,
    /// Those of them that are missing.
    pub lacks: Vec<String>,
    /// It belongs to the main job; the others bring more.
    pub main: bool,
}

/// What this host allows.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Survey {
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Effective user id.
    pub uid: u32,
    /// Live capture can run: a capture was opened.
    pub main_job: bool,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
    /// What each feature takes.
    pub features: Vec<Allowed>,
    /// The command that allows the program everything but what only root should have.
    pub setcap: String,
}

impl Survey {
    /// Looks at this host. Takes a second or two; opens and closes a capture and the probes.
    #[must_use]
    pub fn examine() -> Self {
        let held = privileges::held();
        let kernel = system::release();
        let uid = nix::unistd::geteuid().as_raw();
        let mut checks = system::checks(&kernel, uid);
        checks.extend(capabilities::checks(&held));
        let packets = capture::checks();
        let main_job = packets.iter().all(|check| check.status != Status::Missing);
        checks.extend(packets);
        checks.extend(tracing::checks(&held));
        checks.extend(probes::checks(&held));
        checks.extend(rules::checks());
        checks.extend(processes::checks());
        Self {
            kernel,
            uid,
            main_job,
            checks,
            features: features(&held),
            setcap: privileges::setcap_command(EXTRAS),
        }
    }
}

/// What is worth having beside the main job. `CAP_SYS_ADMIN` is not: it is nearly root.
const EXTRAS: &[Feature] = &[Feature::Tracefs, Feature::RuleSets, Feature::Owners, Feature::Symbols];

fn features(held: &CapsHashSet) -> Vec<Allowed> {
    let names = |list: &[caps::Capability]| list.iter().map(|c| c.to_string().to_lowercase()).collect();
    Feature::ALL
        .iter()
        .map(|feature| Allowed {
            feature: feature.purpose().to_owned(),
            takes: names(feature.takes()),
            lacks: names(&feature.lacks(held)),
            main: matches!(feature, Feature::Capture | Feature::Probes),
        })
        .collect()
}
