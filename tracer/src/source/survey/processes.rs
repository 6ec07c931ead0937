//! Sockets, their owners, containers and network namespaces.
use super::{Area, Check, Status};
use crate::base::PortSet;
use crate::source::privileges::{self, Feature};
use crate::source::sockets;
use std::fs;
use std::path::Path;

const OWNERS: &str =
    "connections of other users' processes that stand already are told without the process's name";

pub(super) fn checks() -> Vec<Check> {
    vec![standing(), descriptors(), containers(), namespaces()]
}

/// Sockets that stand already, from sock_diag(7).
fn standing() -> Check {
    let check = |found: String| Check::works(Area::Processes, "socket list", found);
    match sockets::standing(&PortSet::default()) {
        Ok(found) => check(format!("sock_diag works; {} sockets on port 4222 stand now", found.len())),
        Err(error) => check(format!("sock_diag: {error}")).lacks(
            Status::Missing,
            "connections that stand already are known once a packet of theirs is seen, and listeners have no owner",
            Some("sudo modprobe -a inet_diag tcp_diag".to_owned()),
        ),
    }
}

/// `/proc/PID/fd` of this process and of others.
fn descriptors() -> Check {
    let check = |found: String| Check::works(Area::Processes, "owners of sockets", found);
    if fs::read_dir("/proc/self/fd").is_err() {
        return check("/proc is not readable".to_owned()).lacks(
            Status::Missing,
            "no process names but those the probes see",
            Some("sudo mount -t proc proc /proc".to_owned()),
        );
    }
    let (mut seen, mut closed) = (0u32, 0u32);
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit())) {
            match readable(&entry.path()) {
                Some(true) => seen += 1,
                Some(false) => closed += 1,
                None => {}
            }
        }
    }
    if closed == 0 {
        return check(format!("descriptors of all {seen} processes are readable"));
    }
    // Some sandboxes close a process's descriptors even to root.
    let allowed = Feature::Owners.lacks(&privileges::held()).is_empty();
    let mend = (!allowed).then(|| privileges::setcap_command(&[Feature::Owners]));
    let found = format!("descriptors are readable of {seen} processes, not of {closed}");
    check(found).lacks(Status::Partly, OWNERS, mend)
}

/// Whether a process's descriptors may be looked at; none: it has ended, or is a thread of the kernel that has none.
fn readable(process: &Path) -> Option<bool> {
    match fs::read_dir(process.join("fd")) {
        Ok(mut entries) => match fs::read_link(entries.next()?.ok()?.path()) {
            Ok(_) => Some(true),
            Err(error) => denied(&error),
        },
        Err(error) => denied(&error),
    }
}

/// Refused; anything else means that it is gone.
fn denied(error: &std::io::Error) -> Option<bool> {
    (error.kind() == std::io::ErrorKind::PermissionDenied).then_some(false)
}

/// Container ids come from `/proc/PID/cgroup`.
fn containers() -> Check {
    let check = |found: &str| Check::works(Area::Processes, "container ids", found);
    match fs::read_to_string("/proc/self/cgroup") {
        Ok(text) if text.lines().any(|line| line.starts_with("0::")) && text.lines().count() == 1 => {
            check("from cgroup v2")
        }
        Ok(text) if !text.is_empty() => check("from cgroup v1"),
        _ => check("/proc/PID/cgroup says nothing").lacks(
            Status::Missing,
            "processes are told without the container they run in",
            Some("sudo mount -t cgroup2 cgroup2 /sys/fs/cgroup".to_owned()),
        ),
    }
}

/// Other namespaces are entered with `--netns`.
fn namespaces() -> Check {
    let check = |found: String| Check::works(Area::Processes, "network namespaces", found);
    let own = match fs::read_link("/proc/thread-self/ns/net") {
        Ok(own) => own.display().to_string(),
        Err(error) => {
            return check(format!("can't be told apart: {error}")).lacks(
                Status::Missing,
                "kernel records of other containers can't be told from those of this host",
                None,
            );
        }
    };
    if Feature::Namespaces.lacks(&privileges::held()).is_empty() {
        return check(format!("this one is {own}; others may be entered"));
    }
    let mend = "sudo natstrace --netns NAME".to_owned();
    check(format!("this one is {own}; others may not be entered")).lacks(
        Status::Partly,
        "no --netns: only the namespace natstrace is started in",
        Some(mend),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_readable() {
        assert_eq!(readable(Path::new("/proc/self")), Some(true));
        assert_eq!(readable(Path::new("/proc/4294967295")), None);
        for check in checks() {
            assert_eq!(check.costs.is_none(), check.status == Status::Works, "{check:?}");
        }
    }
}
