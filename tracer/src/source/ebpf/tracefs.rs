//! tracefs, where the kernel describes its tracepoints. Where it isn't mounted it is mounted for one thread only: in a
//! mount namespace of its own, so that the host's mounts stay as they are.
use super::TRACEFS;
use super::status::ProbesError;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::path::Path;

/// Does `work` with tracefs in sight, given its folder. Without a mount, in a thread that has a private one; what
/// `work` opened there stays usable.
pub fn with<T: Send>(work: impl FnOnce(&Path) -> T + Send) -> Result<T, ProbesError> {
    if let Some(place) = TRACEFS.iter().map(Path::new).find(|p| readable(p)) {
        return Ok(work(place));
    }
    let inside = || {
        mount_privately()
            .map_err(|e| ProbesError::Tracefs(format!("it isn't readable, and mounting it: {e}")))?;
        Ok(work(Path::new(TRACEFS[0])))
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("probes".into()).spawn_scoped(scope, inside);
        let thread = thread.map_err(|e| ProbesError::Tracefs(e.to_string()))?;
        thread.join().map_err(|_| ProbesError::Tracefs("reading it failed".into()))?
    })
}

fn readable(place: &Path) -> bool {
    place.join("events/header_page").exists() || std::fs::read_dir(place.join("events")).is_ok()
}

/// For the calling thread alone; ends with it.
fn mount_privately() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("tracefs"), TRACEFS[0], Some("tracefs"), flags, none)
}
