//! Live capture: libpcap, and a capture opened for real.
use super::{Area, Check, Status};
use crate::source::live::{ANY, route::default_interface};
use crate::source::privileges::{self, Feature};
use pcap::Capture;
use std::fs;

/// Rings that are tried, in octets: what a run asks for, what an old or small host may still give.
const RINGS: [i32; 2] = [64 << 20, 2 << 20];

/// The interface that is captured unless told otherwise; `any` where there is no default route.
#[must_use]
fn default_name() -> String {
    default_interface().unwrap_or_else(|| ANY.to_owned())
}

pub(super) fn checks() -> Vec<Check> {
    let library = Check::works(Area::Packets, "libpcap", library());
    let name = default_name();
    let mut refused = String::new();
    for ring in RINGS {
        match open(&name, ring) {
            Ok(()) => return vec![library, opened(&name, ring)],
            Err(error) => refused = error.to_string(),
        }
    }
    let denied = !Feature::Capture.lacks(&privileges::held()).is_empty();
    let mend = if denied {
        privileges::setcap_command(&[])
    } else {
        "natstrace --iface NAME (`ip link` lists them)".to_owned()
    };
    let capture = Check::works(Area::Packets, "capture", format!("does not open on {name}: {refused}"));
    let costs = "no live tracing: only captures in files can be read";
    vec![library, capture.lacks(Status::Missing, costs, Some(mend))]
}

/// The libpcap this program runs with, by the file that is mapped: its name holds the version.
fn library() -> String {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped = maps.lines().find_map(|line| Some(line[line.find("/libpcap")? + 1..].to_owned()));
    mapped.unwrap_or_else(|| "linked into the program".to_owned())
}

fn open(name: &str, ring: i32) -> Result<(), pcap::Error> {
    let capture = Capture::from_device(name)?.promisc(false).buffer_size(ring).snaplen(262_144).timeout(100);
    capture.open().map(drop)
}

fn opened(name: &str, ring: i32) -> Check {
    let found = format!("opens on {name} with a ring of {} MiB", ring >> 20);
    let check = Check::works(Area::Packets, "capture", found);
    if ring == RINGS[0] {
        return check;
    }
    let costs =
        "a burst may overflow the smaller ring: lost packets are counted, and verdicts less sure for it";
    check.lacks(Status::Partly, costs, Some("give it more memory: 64 MiB for the ring".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_ring_has_its_price() {
        assert_eq!(opened("eth0", RINGS[0]).status, Status::Works);
        let small = opened("eth0", RINGS[1]);
        assert_eq!(
            (small.status, small.found.as_str()),
            (Status::Partly, "opens on eth0 with a ring of 2 MiB")
        );
    }

    #[test]
    fn a_refusal_is_told_with_its_remedy() {
        let found = checks();
        assert_eq!(found[0].status, Status::Works, "{found:?}");
        let capture = &found[1];
        assert_eq!(capture.costs.is_some(), capture.status != Status::Works, "{capture:?}");
        assert_eq!(capture.mend.is_some(), capture.costs.is_some(), "{capture:?}");
    }
}
