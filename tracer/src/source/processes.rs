//! Processes of this host: who holds a socket, what it is called, in which container it lives. From /proc, hence with the
//! process ids of natstrace's own pid namespace. The descriptors of others take CAP_SYS_PTRACE.
use crate::kernel::Process;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// A search ends after this time, with what it has found.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Length of a container id in hexadecimal digits (Docker, containerd, CRI-O, Podman).
const CONTAINER_ID: usize = 64;

/// The process that holds each of these sockets, by the sockets' inodes. Where several do, the one that was started first;
/// but not process 1, which holds them only for others.
#[must_use]
pub fn owners(inodes: &HashSet<u32>) -> HashMap<u32, Process> {
    let began = Instant::now();
    let mut found: HashMap<u32, Process> = HashMap::new();
    if inodes.is_empty() {
        return found;
    }
    let mut first = None;
    for pid in pids() {
        if found.len() == inodes.len() || began.elapsed() > PATIENCE {
            break;
        }
        let held: Vec<u32> =
            sockets_of(pid).filter(|inode| inodes.contains(inode) && !found.contains_key(inode)).collect();
        if held.is_empty() {
            continue;
        }
        if pid == 1 {
            first = Some(held);
        } else if let Some(process) = describe(pid) {
            found.extend(held.into_iter().map(|inode| (inode, process.clone())));
        }
    }
    if let Some((held, process)) = first.zip(describe(1)) {
        for inode in held {
            found.entry(inode).or_insert_with(|| process.clone());
        }
    }
    found
}

/// Name and container of a process that lives.
#[must_use]
pub fn describe(pid: u32) -> Option<Process> {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    let cgroup = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let name = comm.strip_suffix('\n').unwrap_or(&comm);
    Some(Process { pid, name: name.into(), container: container(&cgroup).map(Into::into) })
}

/// The container's id in the text of /proc/PID/cgroup: the innermost one that its paths name.
#[must_use]
pub fn container(cgroup: &str) -> Option<&str> {
    let paths = cgroup.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.flat_map(|path| path.rsplit('/')).find_map(id_in)
}

/// `ID`, `docker-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`, `libpod-ID.scope`, `pod…:cri-containerd:ID`.
/// `libpod-conmon-ID` and `crio-conmon-ID` are the containers' minders, not they themselves.
fn id_in(part: &str) -> Option<&str> {
    if part.contains("conmon-") {
        return None;
    }
    part.split(|c: char| !c.is_ascii_hexdigit()).find(|run| run.len() == CONTAINER_ID)
}

/// All process ids, the oldest first as far as their order tells.
fn pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).collect();
    pids.sort_unstable();
    pids
}

/// Inodes of the sockets that a process holds.
fn sockets_of(pid: u32) -> impl Iterator<Item = u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| socket_inode(&fs::read_link(entry.path()).ok()?))
}

/// `socket:[INODE]`.
fn socket_inode(link: &Path) -> Option<u32> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::fd::AsRawFd as _;

    const ID: &str = "4c01db0b339c4b7f3b4b7f6ed1c2a0b9d8e7f6a5b4c3d2e1f00112233445566a";

    #[test]
    fn container_ids() {
        for (text, want) in [
            (format!("0::/system.slice/docker-{ID}.scope\n"), Some(ID)),
            (format!("12:pids:/docker/{ID}\n11:cpu:/docker/{ID}\n"), Some(ID)),
            (format!("0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope"), Some(ID)),
            (format!("0::/kubepods/burstable/pod0a-1b/{ID}"), Some(ID)),
            (
                format!("0::/system.slice/containerd.service/kubepods-pod2.slice:cri-containerd:{ID}"),
                Some(ID),
            ),
            (format!("0::/kubepods.slice/crio-{ID}.scope/container"), Some(ID)),
            (format!("0::/machine.slice/libpod-{ID}.scope/container"), Some(ID)),
            (format!("0::/machine.slice/libpod-conmon-{ID}.scope"), None),
            (format!("0::/docker/{}/kubelet/cri-containerd-{ID}.scope", "a".repeat(64)), Some(ID)),
            (format!("0::/x/{ID}00"), None),
            ("0::/user.slice/session-3.scope".to_owned(), None),
            ("0::/".to_owned(), None),
            (String::new(), None),
            ("garbage".to_owned(), None),
        ] {
            assert_eq!(container(&text), want, "{text}");
        }
    }

    #[test]
    fn an_own_socket_is_found() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", listener.as_raw_fd())).unwrap();
        let inode = socket_inode(&link).unwrap();
        let found = owners(&HashSet::from([inode, u32::MAX]));
        assert_eq!(found.get(&inode).map(|p| p.pid), Some(std::process::id()));
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn only_sockets_have_inodes_here() {
        assert_eq!(socket_inode(Path::new("socket:[77]")), Some(77));
        for other in ["pipe:[77]", "/dev/null", "socket:[x]", "socket:[77"] {
            assert_eq!(socket_inode(Path::new(other)), None, "{other}");
        }
    }
}
