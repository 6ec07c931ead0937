//! The kernel probes, loaded and attached for real, then taken out again.
use super::capabilities::NO_PROBES;
use super::{Area, Check, Status, tracing};
use crate::base::PortSet;
use crate::source::ebpf::{ProbeOptions, ProbeState, ProbeStatus, Probes, ProbesError};
use crate::source::privileges::{self, Feature};
use caps::CapsHashSet;

/// A line for each tracepoint; one line where there is none at all.
pub(super) fn checks(held: &CapsHashSet) -> Vec<Check> {
    match Probes::open(&PortSet::default(), &ProbeOptions::default()) {
        Ok(probes) => probes.status().iter().map(|status| check(status, held)).collect(),
        Err(error) => {
            let check = Check::works(Area::Probes, "tracepoints", error.to_string());
            vec![check.lacks(Status::Missing, NO_PROBES, mend(&error, held))]
        }
    }
}

fn mend(error: &ProbesError, held: &CapsHashSet) -> Option<String> {
    match error {
        ProbesError::NotBuilt => {
            Some("cargo install --path tracer (feature `ebpf` is on by default)".to_owned())
        }
        ProbesError::Tracefs(_) => tracing::tracefs(held).mend,
        ProbesError::Load(_) => allow(held),
    }
}

/// The command that allows probes, where something is missing for them.
fn allow(held: &CapsHashSet) -> Option<String> {
    let wanted = [Feature::Probes, Feature::Tracefs];
    let lacking = wanted.iter().any(|feature| !feature.lacks(held).is_empty());
    lacking.then(|| privileges::setcap_command(&wanted))
}

fn check(status: &ProbeStatus, held: &CapsHashSet) -> Check {
    let check = |found: String| Check::works(Area::Probes, format!("tracepoint {}", status.name), found);
    let untold = format!("not told: {}", status.cost);
    // A field whose absence costs nothing is read elsewhere.
    let missing = || status.missing.iter().filter(|(_, cost)| !cost.starts_with("nothing"));
    let found = status.found.len();
    match &status.state {
        ProbeState::Loaded if missing().next().is_none() => check(format!("loads; fields found: {found}")),
        ProbeState::Loaded => {
            let fields: Vec<&str> = missing().map(|(field, _)| field.as_str()).collect();
            let mut costs: Vec<&str> = missing().map(|(_, cost)| *cost).collect();
            costs.dedup();
            check(format!("loads; fields found: {found}, missing: {}", fields.join(", "))).lacks(
                Status::Partly,
                format!("not told: {}", costs.join("; ")),
                None,
            )
        }
        ProbeState::Absent(why) => check(why.clone()).lacks(Status::Missing, untold, None),
        ProbeState::Failed(why) => check(why.clone()).lacks(Status::Missing, untold, allow(held)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: ProbeState, missing: &[(&str, &'static str)]) -> ProbeStatus {
        ProbeStatus {
            name: "tcp:tcp_send_reset".to_owned(),
            state,
            cost: "which resets this host's TCP made",
            found: vec!["saddr", "daddr"],
            missing: missing.iter().map(|(field, cost)| ((*field).to_owned(), *cost)).collect(),
        }
    }

    #[test]
    fn each_state_has_its_words() {
        let none = CapsHashSet::new();
        let loaded = check(&status(ProbeState::Loaded, &[]), &none);
        assert_eq!((loaded.status, loaded.found.as_str()), (Status::Works, "loads; fields found: 2"));
        assert_eq!(loaded.name, "tracepoint tcp:tcp_send_reset");
        let elsewhere = status(ProbeState::Loaded, &[("group_dead", "nothing where BTF has it")]);
        assert_eq!(check(&elsewhere, &none).status, Status::Works);
        let partly = check(&status(ProbeState::Loaded, &[("reason", "why a reset was sent")]), &none);
        assert_eq!(partly.status, Status::Partly);
        assert_eq!(partly.costs.as_deref(), Some("not told: why a reset was sent"));
        let failed = check(&status(ProbeState::Failed("EPERM".to_owned()), &[]), &none);
        assert!(failed.mend.is_some_and(|mend| mend.contains("cap_dac_read_search")));
        let absent = check(&status(ProbeState::Absent("no".to_owned()), &[]), &none);
        assert_eq!((absent.status, absent.mend), (Status::Missing, None));
    }

    #[test]
    fn a_host_gives_nine_lines_or_one() {
        let lines = checks(&privileges::held());
        assert!(lines.len() == 9 || lines.len() == 1, "{lines:?}");
    }
}
