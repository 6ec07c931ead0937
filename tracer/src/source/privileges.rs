//! Capabilities (capabilities(7)): what each feature takes, what to type where one is missing, and letting go of what is
//! no longer used. Capabilities, the bounding set and `no_new_privs` belong to a thread: a new one inherits them.
pub use caps::Capability;

use caps::{CapSet, CapsHashSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A thing natstrace does on a host, as far as it takes privileges of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// A packet socket on an interface.
    Capture,
    /// eBPF programs loaded and attached to tracepoints.
    Probes,
    /// The tracepoints' format files, where tracefs is for root alone.
    Tracefs,
    /// A tracefs of natstrace's own, where none is mounted.
    OwnTracefs,
    /// nft and iptables rule sets read.
    RuleSets,
    /// `--trace-firewall`: an own nft table.
    FirewallTrace,
    /// Owners of other users' sockets: `/proc/PID/fd`.
    Owners,
    /// Names of the kernel functions that discard packets: `/proc/kallsyms`.
    Symbols,
    /// `--netns`: another network namespace.
    Namespaces,
}

impl Feature {
    /// All, the main job first.
    pub const ALL: [Self; 9] = [
        Self::Capture,
        Self::Probes,
        Self::Tracefs,
        Self::OwnTracefs,
        Self::RuleSets,
        Self::FirewallTrace,
        Self::Owners,
        Self::Symbols,
        Self::Namespaces,
    ];

    /// What it takes. `CAP_SYS_ADMIN` stands in for `CAP_BPF` and `CAP_PERFMON` (Linux 5.8 made them out of it).
    #[must_use]
    pub const fn takes(self) -> &'static [Capability] {
        match self {
            Self::Capture => &[Capability::CAP_NET_RAW],
            Self::Probes => &[Capability::CAP_BPF, Capability::CAP_PERFMON],
            Self::Tracefs => &[Capability::CAP_DAC_READ_SEARCH],
            Self::OwnTracefs | Self::Namespaces => &[Capability::CAP_SYS_ADMIN],
            Self::RuleSets | Self::FirewallTrace => &[Capability::CAP_NET_ADMIN],
            // The folder is its owner's alone, its links are a matter of ptrace(2).
            Self::Owners => &[Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH],
            Self::Symbols => &[Capability::CAP_SYSLOG],
        }
    }

    /// In the operator's words, as in "... to capture packets".
    #[must_use]
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Capture => "capture packets",
            Self::Probes => "load the kernel probes",
            Self::Tracefs => "read the tracepoints' formats where tracefs is for root alone",
            Self::OwnTracefs => "mount a tracefs of its own where none is mounted",
            Self::RuleSets => "read the firewall's rules",
            Self::FirewallTrace => "add the tracing rule of --trace-firewall",
            Self::Owners => "name the owners of other users' sockets",
            Self::Symbols => "name the kernel functions that discard packets",
            Self::Namespaces => "enter another network namespace with --netns",
        }
    }

    /// Whether it takes them again while a trace runs: an interface that comes back is opened anew, rule sets and owners
    /// are read when they are wanted. Probes and the tracing rule stay as they were opened.
    #[must_use]
    pub const fn again(self) -> bool {
        matches!(self, Self::Capture | Self::RuleSets | Self::Owners)
    }

    /// What of [`Self::takes`] is not among `held`.
    #[must_use]
    pub fn lacks(self, held: &CapsHashSet) -> Vec<Capability> {
        let stand_in = self == Self::Probes && held.contains(&Capability::CAP_SYS_ADMIN);
        self.takes().iter().copied().filter(|c| !stand_in && !held.contains(c)).collect()
    }
}

/// A capability that a run can't do without is missing. One line that says what to type.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "missing {} to {purpose}: run it with sudo, or allow the binary once with `{command}`",
    names(missing)
)]
pub struct MissingPrivilege {
    /// Which.
    pub missing: Vec<Capability>,
    /// What for.
    pub purpose: &'static str,
    /// What mends it.
    pub command: String,
}

/// The capabilities of this thread that are in effect; none where the kernel doesn't say.
#[must_use]
pub fn held() -> CapsHashSet {
    caps::read(None, CapSet::Effective).unwrap_or_default()
}

/// Whether this thread may do what `features` take.
///
/// # Errors
/// Names what is missing for the first that lacks something, with a command that allows all of `features`.
pub fn require(features: &[Feature]) -> Result<(), MissingPrivilege> {
    check(features, &held(), &binary())
}

fn check(features: &[Feature], held: &CapsHashSet, binary: &Path) -> Result<(), MissingPrivilege> {
    for feature in features {
        let missing = feature.lacks(held);
        if !missing.is_empty() {
            let command = setcap(features, held, binary);
            return Err(MissingPrivilege { missing, purpose: feature.purpose(), command });
        }
    }
    Ok(())
}

/// The command that allows `features` to the running binary, beside the main job and what it has already: setcap(8)
/// replaces what a file had.
#[must_use]
pub fn setcap_command(features: &[Feature]) -> String {
    setcap(features, &held(), &binary())
}

fn setcap(features: &[Feature], held: &CapsHashSet, binary: &Path) -> String {
    let mut wanted: Vec<Capability> = Vec::new();
    let main = [Feature::Capture, Feature::Probes];
    let asked = main.iter().chain(features).flat_map(|feature| feature.takes());
    // A process with CAP_SYS_ADMIN has it from root, not from its file.
    let of_file = !held.contains(&Capability::CAP_SYS_ADMIN);
    let had = Feature::ALL.iter().flat_map(|feature| feature.takes()).filter(|c| of_file && held.contains(c));
    for capability in asked.chain(had) {
        if !wanted.contains(capability) {
            wanted.push(*capability);
        }
    }
    let names: Vec<String> = wanted.iter().map(|c| c.to_string().to_lowercase()).collect();
    format!("sudo setcap {}=ep {}", names.join(","), quoted(&binary.display().to_string()))
}

/// Where the running program lies; its bare name where the kernel doesn't say.
fn binary() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| "natstrace".into())
}

/// As a shell takes it for one word.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `CAP_BPF and CAP_PERFMON`.
fn names(capabilities: &[Capability]) -> String {
    let names: Vec<String> = capabilities.iter().map(ToString::to_string).collect();
    names.join(" and ")
}

/// What a run with `features` still takes once everything is open: the argument of [`drop_unused`].
#[must_use]
pub fn still_needed(features: &[Feature]) -> Vec<Capability> {
    features.iter().filter(|feature| feature.again()).flat_map(|feature| feature.takes()).copied().collect()
}

/// What kept privileges from being dropped.
#[derive(Debug, thiserror::Error)]
pub enum DropError {
    /// capset(2) or prctl(2) failed.
    #[error("can't drop capabilities: {0}")]
    Capabilities(#[from] caps::errors::CapsError),
    /// prctl(2) failed.
    #[error("can't set no_new_privs: {0}")]
    NoNewPrivileges(#[from] nix::errno::Errno),
}

/// Gives up every capability but those in `keep` that this thread holds: effective, permitted, inheritable and ambient
/// sets, and the bounding set where that is allowed (it takes `CAP_SETPCAP`; without it `no_new_privs` closes the same
/// door). Then sets `no_new_privs`. The user stays who it is. What is open stays open.
///
/// Programs started later get no capability unless one of `keep` is handed to them (inheritable and ambient sets, which a
/// thread may raise from what it kept); as uid 0 they get what was kept.
///
/// Returns how many other threads the process has already: those keep what they had, so call it before starting any.
///
/// # Errors
/// When the kernel refuses; some capabilities may be gone then.
pub fn drop_unused(keep: &[Capability]) -> Result<usize, DropError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    let kept: CapsHashSet = keep.iter().copied().filter(|c| permitted.contains(c)).collect();
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::read(None, CapSet::Bounding)?.difference(&kept) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    // Kernels before 4.3 have no ambient set to clear.
    let ambient = caps::clear(None, CapSet::Ambient);
    caps::set(None, CapSet::Effective, &kept)?;
    caps::clear(None, CapSet::Inheritable)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    if caps::read(None, CapSet::Ambient).is_ok_and(|left| !left.is_empty()) {
        ambient?;
    }
    nix::sys::prctl::set_no_new_privs()?;
    Ok(other_threads())
}

/// Threads of this process beside the calling one.
fn other_threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(0, |tasks| tasks.count().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(held: &[Capability]) -> CapsHashSet {
        held.iter().copied().collect()
    }

    #[test]
    fn the_line_says_what_to_type() {
        let binary = Path::new("/usr/bin/natstrace");
        let error = check(&[Feature::Capture], &some(&[Capability::CAP_BPF]), binary).unwrap_err();
        assert_eq!(
            error.to_string(),
            "missing CAP_NET_RAW to capture packets: run it with sudo, or allow the binary once with \
             `sudo setcap cap_net_raw,cap_bpf,cap_perfmon=ep /usr/bin/natstrace`"
        );
        let held = some(&[Capability::CAP_NET_RAW]);
        let error = check(&[Feature::Capture, Feature::Probes, Feature::FirewallTrace], &held, binary);
        let error = error.unwrap_err();
        assert_eq!(error.missing, [Capability::CAP_BPF, Capability::CAP_PERFMON]);
        assert!(error.command.contains("cap_perfmon,cap_net_admin=ep"), "{}", error.command);
        assert!(!error.to_string().contains('\n'));
        let held = some(&[Capability::CAP_NET_RAW, Capability::CAP_SYSLOG]);
        let error = check(&[Feature::RuleSets], &held, binary).unwrap_err();
        assert!(error.command.contains("cap_net_admin,cap_syslog=ep"), "{}", error.command);
    }

    #[test]
    fn sys_admin_stands_in_for_the_probes() {
        let held = some(&[Capability::CAP_NET_RAW, Capability::CAP_SYS_ADMIN]);
        assert_eq!(check(&[Feature::Capture, Feature::Probes], &held, Path::new("n")), Ok(()));
        assert!(check(&[Feature::RuleSets], &held, Path::new("n")).is_err());
        assert_eq!(check(&[], &some(&[]), Path::new("n")), Ok(()));
    }

    #[test]
    fn what_was_opened_needs_no_more() {
        let all = still_needed(&Feature::ALL);
        let (kept, gone) = (Capability::CAP_NET_RAW, Capability::CAP_SYS_ADMIN);
        assert!(all.contains(&kept) && !all.contains(&gone) && !all.contains(&Capability::CAP_BPF));
        assert_eq!(still_needed(&[Feature::Capture, Feature::Probes]), [kept]);
    }

    #[test]
    fn paths_are_one_word_to_a_shell() {
        assert_eq!(quoted("/opt/my tools/it's"), r"'/opt/my tools/it'\''s'");
        assert_eq!(quoted("/usr/bin/natstrace"), "/usr/bin/natstrace");
    }

    /// Capabilities belong to a thread, so a test's own thread may lose them.
    #[test]
    fn what_is_not_kept_is_gone() {
        let before = caps::read(None, CapSet::Permitted).unwrap();
        let keep = [Capability::CAP_NET_RAW, Capability::CAP_NET_ADMIN];
        let left: CapsHashSet = keep.iter().copied().filter(|c| before.contains(c)).collect();
        let seen = std::thread::spawn(move || {
            let threads = drop_unused(&keep).unwrap();
            let sets = [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable, CapSet::Ambient];
            (threads, sets.map(|set| caps::read(None, set).unwrap()), nix::sys::prctl::get_no_new_privs())
        });
        let (threads, [effective, permitted, inheritable, ambient], locked) = seen.join().unwrap();
        assert!(threads > 0, "the test's main thread was not counted");
        assert_eq!((&effective, &permitted), (&left, &left));
        assert!(inheritable.is_empty() && ambient.is_empty());
        assert_eq!(locked, Ok(true));
        assert_eq!(caps::read(None, CapSet::Permitted).unwrap(), before, "another thread lost something");
    }
}
