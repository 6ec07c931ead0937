//! The packet filters' rule sets: read as a trace would read them, never changed.
use super::{Area, Check, Status};
use crate::source::firewall::{self, ReadError};
use crate::source::privileges::{self, Feature};

const UNNAMED: &str = "a drop by this host's firewall is told, but not the rule that does it";

pub(super) fn checks() -> Vec<Check> {
    match firewall::readable() {
        Ok(readable) => {
            vec![check("nft", "nftables", &readable.nft), check("iptables", "iptables", &readable.iptables)]
        }
        Err(error) => {
            let check = Check::works(Area::Firewall, "rule sets", error.to_string());
            vec![check.lacks(Status::Missing, UNNAMED, None)]
        }
    }
}

/// `package`: Debian's, which brings the tool.
fn check(name: &str, package: &str, read: &Result<(), ReadError>) -> Check {
    let check = |found: String| Check::works(Area::Firewall, format!("{name} rules"), found);
    let error = match read {
        Ok(()) => return check("readable".to_owned()),
        Err(error) => error,
    };
    match error {
        // A host without the tool may have rules all the same: containers and daemons speak netlink themselves.
        ReadError::Missing { program } => check(format!("{program} is not installed")).lacks(
            Status::Partly,
            format!("if this host filters with {name}, its rules are not named"),
            Some(format!("sudo apt-get install {package}")),
        ),
        ReadError::Slow { .. } | ReadError::Long { .. } => {
            check(error.to_string()).lacks(Status::Missing, UNNAMED, None)
        }
        ReadError::Failed { .. } => {
            let allowed = Feature::RuleSets.lacks(&privileges::held()).is_empty();
            let mend = (!allowed).then(|| privileges::setcap_command(&[Feature::RuleSets]));
            check(error.to_string()).lacks(Status::Missing, UNNAMED, mend)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_is_no_missing_privilege() {
        assert_eq!(check("nft", "nftables", &Ok(())).status, Status::Works);
        let missing = check("nft", "nftables", &Err(ReadError::Missing { program: "nft" }));
        assert_eq!(missing.mend.as_deref(), Some("sudo apt-get install nftables"));
        let slow = check("iptables", "iptables", &Err(ReadError::Slow { program: "iptables-save" }));
        assert_eq!((slow.status, slow.mend), (Status::Missing, None));
    }

    #[test]
    fn both_filters_are_looked_at() {
        let names: Vec<String> = checks().into_iter().map(|check| check.name).collect();
        assert!(names == ["nft rules", "iptables rules"] || names == ["rule sets"], "{names:?}");
    }
}
