//! Runs a tool that lists rules: bounded in time and size, from the system's folders only, with the capability it needs.
use super::ReadError;
use rustix::thread::{CapabilitySet, capabilities, configure_capability_in_ambient_set, set_capabilities};
use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a tool may take.
const TIME_MAX: Duration = Duration::from_secs(2);
/// How much it may print, octets.
const SIZE_MAX: u64 = 16 << 20;
/// How much of its complaint is read, octets.
const COMPLAINT_MAX: u64 = 4096;
/// Where tools are looked for. Never PATH: what runs gets a capability that our caller may not have.
const FOLDERS: [&str; 6] =
    ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin", "/run/current-system/sw/bin"];

/// Lets the tools that this thread starts keep the right to read rules, also where natstrace has it from its file and not from
/// root: ambient capabilities (capabilities(7)) of this thread alone. iptables-legacy-save opens its socket with CAP_NET_RAW and
/// needs CAP_DAC_READ_SEARCH to see which tables there are.
pub(super) fn pass_on_capabilities() {
    let Ok(mut sets) = capabilities(None) else { return };
    let useful = CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW | CapabilitySet::DAC_READ_SEARCH;
    let wanted = sets.permitted & useful;
    sets.inheritable |= wanted;
    // Where this is refused, the tool says what it may not do.
    if set_capabilities(None, sets).is_ok() {
        for one in wanted.iter() {
            let _ = configure_capability_in_ambient_set(one, true);
        }
    }
}

/// What `program` prints.
pub(super) fn output(program: &'static str, arguments: &[&str]) -> Result<Vec<u8>, ReadError> {
    let path = find(program).ok_or(ReadError::Missing { program })?;
    let failed = |why: String| ReadError::Failed { program, why };
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(error.to_string()))?;
    let deadline = Instant::now() + TIME_MAX;
    let read = read_until(&mut child, deadline);
    let status = ended(&mut child, deadline);
    let printed = read.ok_or(ReadError::Slow { program })?;
    if printed.len() as u64 > SIZE_MAX {
        return Err(ReadError::Long { program });
    }
    match status {
        None => Err(ReadError::Slow { program }),
        Some(status) if status.success() => Ok(printed),
        Some(status) => {
            let mut complaint = String::new();
            if let Some(stderr) = child.stderr.take() {
                let _ = stderr.take(COMPLAINT_MAX).read_to_string(&mut complaint);
            }
            let line = complaint.lines().find(|line| !line.trim().is_empty());
            Err(failed(line.map_or_else(|| status.to_string(), str::to_owned)))
        }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| PathBuf::from(folder).join(program)).find(|path| path.is_file())
}

/// All it prints, one octet more than is allowed at most; none where it takes too long.
fn read_until(child: &mut Child, deadline: Instant) -> Option<Vec<u8>> {
    let stdout = child.stdout.take()?;
    let (send, receive) = mpsc::sync_channel(1);
    // Ends with the tool, which is killed where it takes too long.
    let reader = thread::Builder::new().name("rules-read".into()).spawn(move || {
        let mut printed = Vec::new();
        let _ = stdout.take(SIZE_MAX + 1).read_to_end(&mut printed);
        let _ = send.send(printed);
    });
    reader.ok()?;
    receive.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
}

/// Waits for the tool's end, or makes one.
fn ended(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(1)),
            _ => break,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
