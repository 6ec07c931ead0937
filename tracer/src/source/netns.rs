//! Network namespaces: entering the one to trace, and its number.
use super::privileges::{Feature, setcap_command};
use nix::sched::{CloneFlags, setns};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Why a network namespace can't be traced.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// None of that name, no such process.
    #[error(
        "no network namespace '{name}': neither a name of 'ip netns list' nor a process id{}",
        there(named)
    )]
    Missing {
        /// As it was typed.
        name: String,
        /// Those that have a name.
        named: Vec<String>,
    },
    /// It may not be entered.
    #[error(
        "network namespace '{name}' may not be entered: {error}; run as root, or give the program CAP_SYS_ADMIN and \
         CAP_SYS_PTRACE: {}",
        setcap_command(&[Feature::Namespaces, Feature::Owners])
    )]
    Denied {
        /// As it was typed.
        name: String,
        /// What the system says.
        error: io::Error,
    },
}

fn there(named: &[String]) -> String {
    if named.is_empty() { String::new() } else { format!("; there are: {}", named.join(", ")) }
}

/// Moves the calling thread, and what it starts later, into a network namespace: one of `ip netns`, else that of a process.
///
/// # Errors
/// Where there is none, or it may not be entered.
pub fn enter(name: &str) -> Result<(), NetnsError> {
    let denied = |error| NetnsError::Denied { name: name.into(), error };
    let path = path(name).ok_or_else(|| NetnsError::Missing { name: name.into(), named: named() })?;
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(NetnsError::Missing { name: name.into(), named: named() });
        }
        Err(error) => return Err(denied(error)),
    };
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| denied(errno.into()))
}

/// Inode of the calling thread's network namespace, as the kernel names it in its records.
///
/// # Errors
/// Without /proc.
pub fn own() -> io::Result<u32> {
    let inode = fs::metadata("/proc/thread-self/ns/net")?.ino();
    u32::try_from(inode).map_err(io::Error::other)
}

fn path(name: &str) -> Option<PathBuf> {
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return None;
    }
    let by_name = Path::new("/run/netns").join(name);
    if by_name.exists() {
        return Some(by_name);
    }
    let pid: u32 = name.parse().ok()?;
    Some(PathBuf::from(format!("/proc/{pid}/ns/net")))
}

fn named() -> Vec<String> {
    let entries = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.filter_map(|e| e.file_name().into_string().ok()).take(64).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_has_a_number() {
        assert!(own().unwrap() > 0);
    }

    #[test]
    fn what_is_no_namespace() {
        for name in ["", "..", "no/such", "no-such-namespace", "4294967295"] {
            assert!(matches!(enter(name), Err(NetnsError::Missing { .. })), "{name}");
        }
    }
}
