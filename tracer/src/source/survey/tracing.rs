//! What the kernel probes take: BTF, tracefs, symbols.
use super::capabilities::NO_PROBES;
use super::{Area, Check, Status};
use crate::source::ebpf::TRACEFS;
use crate::source::privileges::{self, Feature};
use caps::CapsHashSet;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

/// Octets of the symbol table that are looked at.
const SYMBOLS: u64 = 1 << 16;
/// Types of the running kernel.
const BTF: &str = "/sys/kernel/btf/vmlinux";

pub(super) fn checks(held: &CapsHashSet) -> Vec<Check> {
    vec![btf(), tracefs(held), symbols(), compiler()]
}

fn btf() -> Check {
    let check = |found: String| Check::works(Area::Probes, "BTF", found);
    match fs::File::open(BTF).and_then(|mut file| file.read_exact(&mut [0; 24])) {
        Ok(()) => check(format!("{BTF} is readable")),
        Err(error) => check(format!("{BTF}: {}", why(&error))).lacks(
            Status::Partly,
            "the network namespace and the sender of a record are not known: probes of a kernel with containers mix hosts",
            Some("a kernel built with CONFIG_DEBUG_INFO_BTF=y (Debian's, Ubuntu's, Fedora's are)".to_owned()),
        ),
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "not there".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read".to_owned(),
        _ => error.to_string(),
    }
}

/// Mounted and readable, mounted and closed, or not mounted but natstrace may mount its own.
pub(super) fn tracefs(held: &CapsHashSet) -> Check {
    let check = |found: String| Check::works(Area::Probes, "tracefs", found);
    let events = |folder: &str| fs::read_dir(Path::new(folder).join("events"));
    let mut closed = None;
    for folder in TRACEFS {
        match events(folder) {
            Ok(_) => return check(format!("readable at {folder}")),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => closed = closed.or(Some(folder)),
            Err(_) => {}
        }
    }
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.lines().any(|line| line.trim_start_matches("nodev").trim() == "tracefs") {
        let mend = "a kernel built with CONFIG_FTRACE=y and CONFIG_EVENT_TRACING=y".to_owned();
        return check("this kernel has none".to_owned()).lacks(Status::Missing, NO_PROBES, Some(mend));
    }
    if Feature::OwnTracefs.lacks(held).is_empty() {
        return check("not mounted; natstrace mounts one of its own, seen by nobody else".to_owned());
    }
    match closed {
        Some(folder) => check(format!("{folder} may not be read")).lacks(
            Status::Missing,
            NO_PROBES,
            Some(privileges::setcap_command(&[Feature::Tracefs])),
        ),
        None => check("not mounted".to_owned()).lacks(Status::Missing, NO_PROBES, Some(mount(held))),
    }
}

/// The command that mounts tracefs, and allows the program to read it where it may not.
fn mount(held: &CapsHashSet) -> String {
    let mount = format!("sudo mount -t tracefs tracefs {}", TRACEFS[0]);
    if Feature::Tracefs.lacks(held).is_empty() {
        return mount;
    }
    format!("{mount} && {}", privileges::setcap_command(&[Feature::Tracefs]))
}

/// Kernel functions by address: zeroes where the kernel hides them.
fn symbols() -> Check {
    let check = |found: String| Check::works(Area::Probes, "kernel symbols", found);
    let costs = "a drop is told with its reason, but not with the kernel function that dropped";
    let mut start = Vec::new();
    match fs::File::open("/proc/kallsyms").and_then(|file| file.take(SYMBOLS).read_to_end(&mut start)) {
        Ok(_) if addresses(&start) => check("/proc/kallsyms names addresses".to_owned()),
        Ok(_) => {
            let restrict = fs::read_to_string("/proc/sys/kernel/kptr_restrict").unwrap_or_default();
            let mend = if restrict.trim() == "2" {
                "sudo sysctl kernel.kptr_restrict=1".to_owned()
            } else {
                privileges::setcap_command(&[Feature::Symbols])
            };
            check("/proc/kallsyms hides addresses".to_owned()).lacks(Status::Partly, costs, Some(mend))
        }
        Err(error) => check(format!("/proc/kallsyms: {}", why(&error))).lacks(Status::Missing, costs, None),
    }
}

/// Whether a symbol table names addresses: the first symbols of a processor's own data may lie at 0.
fn addresses(symbols: &[u8]) -> bool {
    symbols.split(|octet| *octet == b'\n').any(|line| {
        line.iter()
            .take_while(|octet| **octet != b' ')
            .any(|octet| octet.is_ascii_hexdigit() && *octet != b'0')
    })
}

/// Without its compiler the kernel interprets the probes.
fn compiler() -> Check {
    let check = |found: &str| Check::works(Area::Probes, "BPF compiler", found);
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable") {
        Ok(text) if text.trim() == "0" => check("off").lacks(
            Status::Partly,
            "probes run interpreted: several times the CPU for each event",
            Some("sudo sysctl net.core.bpf_jit_enable=1".to_owned()),
        ),
        Ok(_) => check("on"),
        // Only root may read it; it is on wherever it isn't turned off by hand.
        Err(_) => check("not told to this user; it is on unless turned off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_addresses_are_zeroes() {
        assert!(!addresses(b"0000000000000000 A fixed_percpu_data\n0000000000000000 T nft_do_chain\n"));
        assert!(addresses(b"0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n"));
        assert!(!addresses(b""));
    }

    #[test]
    fn what_does_not_work_has_a_price() {
        for check in checks(&privileges::held()) {
            assert_eq!(check.costs.is_none(), check.status == Status::Works, "{check:?}");
        }
    }
}
