//! Capabilities this process has, lacks, or could have.
use super::{Area, Check, Status};
use crate::source::privileges::{self, Capability, Feature};
use caps::{CapSet, CapsHashSet};

/// Those that matter, what it costs to be without, and the feature whose command brings it.
const LOOKED_AT: &[(Capability, &str, Feature)] = &[
    (Capability::CAP_NET_RAW, "no packets: only captures in files can be read", Feature::Capture),
    (Capability::CAP_BPF, NO_PROBES, Feature::Probes),
    (Capability::CAP_PERFMON, NO_PROBES, Feature::Probes),
    (
        Capability::CAP_NET_ADMIN,
        "a drop by this host's firewall is told, but not the rule that does it; no --trace-firewall",
        Feature::RuleSets,
    ),
    (
        Capability::CAP_SYS_PTRACE,
        "connections that stand already, and those of other users' processes, are told without the process's name",
        Feature::Owners,
    ),
    (
        Capability::CAP_DAC_READ_SEARCH,
        "no probes where tracefs is for root alone, and no owners of other users' sockets",
        Feature::Tracefs,
    ),
    (
        Capability::CAP_SYSLOG,
        "a drop is told with its reason, but not with the kernel function that dropped",
        Feature::Symbols,
    ),
    (
        Capability::CAP_SYS_ADMIN,
        "no tracefs of its own where none is mounted, no --netns; nothing else needs it",
        Feature::OwnTracefs,
    ),
];

/// What it costs to be without the kernel's word.
pub(super) const NO_PROBES: &str = "no kernel probes: a drop by this host's firewall is guessed from silence, not proven; \
     a killed server looks like one that closed; short connections have no process name";

/// A line for each.
pub(super) fn checks(effective: &CapsHashSet) -> Vec<Check> {
    let set = |which| caps::read(None, which).unwrap_or_default();
    let (permitted, bounding) = (set(CapSet::Permitted), set(CapSet::Bounding));
    let locked = nix::sys::prctl::get_no_new_privs().unwrap_or(false);
    let lines = LOOKED_AT.iter().map(|&(capability, costs, feature)| {
        look(
            capability,
            costs,
            feature,
            &Held { effective, permitted: &permitted, bounding: &bounding, locked },
        )
    });
    lines.collect()
}

/// What the kernel says of this thread.
struct Held<'a> {
    effective: &'a CapsHashSet,
    permitted: &'a CapsHashSet,
    bounding: &'a CapsHashSet,
    /// no_new_privs: neither sudo nor setcap has an effect.
    locked: bool,
}

fn look(capability: Capability, costs: &str, feature: Feature, held: &Held<'_>) -> Check {
    let name = capability.to_string();
    if held.effective.contains(&capability) {
        return Check::works(Area::Privileges, name, "held");
    }
    if feature == Feature::Probes && held.effective.contains(&Capability::CAP_SYS_ADMIN) {
        return Check::works(Area::Privileges, name, "CAP_SYS_ADMIN stands in for it");
    }
    let short = name.trim_start_matches("CAP_").to_owned();
    let (found, mend) = if held.permitted.contains(&capability) {
        ("permitted, but not in effect", privileges::setcap_command(&[feature]))
    } else if !held.bounding.contains(&capability) {
        (
            "withheld from this container or unit for good",
            format!(
                "start the container with --cap-add {short}, or add {name} to the unit's CapabilityBoundingSet="
            ),
        )
    } else if held.locked {
        (
            "not held, and no_new_privs keeps it so",
            "start natstrace where sudo works (not under no_new_privs)".into(),
        )
    } else {
        ("not held", privileges::setcap_command(&[feature]))
    };
    Check::works(Area::Privileges, name, found).lacks(Status::Missing, costs, Some(mend))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        effective: &[Capability],
        permitted: &[Capability],
        bounding: &[Capability],
        locked: bool,
    ) -> Check {
        let set = |list: &[Capability]| list.iter().copied().collect::<CapsHashSet>();
        let (effective, permitted, bounding) = (set(effective), set(permitted), set(bounding));
        let held = Held { effective: &effective, permitted: &permitted, bounding: &bounding, locked };
        look(Capability::CAP_BPF, NO_PROBES, Feature::Probes, &held)
    }

    #[test]
    fn each_case_has_its_own_remedy() {
        let bpf = [Capability::CAP_BPF];
        assert_eq!(of(&bpf, &bpf, &bpf, false).status, Status::Works);
        let root = [Capability::CAP_SYS_ADMIN];
        assert_eq!(of(&root, &root, &root, false).found, "CAP_SYS_ADMIN stands in for it");
        let mend = |check: Check| check.mend.unwrap_or_default();
        assert!(
            mend(of(&[], &bpf, &bpf, false)).starts_with("sudo setcap cap_net_raw,cap_bpf,cap_perfmon=ep ")
        );
        assert!(mend(of(&[], &[], &bpf, false)).starts_with("sudo setcap "));
        assert!(mend(of(&[], &[], &[], false)).contains("--cap-add BPF"));
        assert!(mend(of(&[], &[], &bpf, true)).contains("no_new_privs"));
    }

    #[test]
    fn all_are_looked_at() {
        assert_eq!(checks(&CapsHashSet::new()).len(), 8);
    }
}
