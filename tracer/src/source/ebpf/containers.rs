//! Which container a process runs in: the id in its cgroup's path.
use hashbrown::HashMap;
use std::io::Read;
use std::sync::Arc;

/// Remembered answers; then all are forgotten.
const MOST: usize = 4096;
/// Container ids have 64 hexadecimal digits (OCI runtimes: docker, containerd, podman, CRI-O).
const DIGITS: usize = 64;
/// A process's cgroup file is a few hundred octets long.
const LONGEST: u64 = 16 << 10;

/// Container ids by cgroup.
#[derive(Default, Debug)]
pub struct Containers {
    known: HashMap<(u32, u64), Option<Arc<str>>>,
}

impl Containers {
    /// The container of a process. Where hosts use cgroup version 1 every process has the root cgroup's number (1) in
    /// version 2; then the process is the key.
    pub fn of(&mut self, pid: u32, cgroup: u64) -> Option<Arc<str>> {
        let key = if cgroup > 1 { (0, cgroup) } else { (pid, cgroup) };
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let mut text = String::new();
        std::fs::File::open(format!("/proc/{pid}/cgroup"))
            .ok()?
            .take(LONGEST)
            .read_to_string(&mut text)
            .ok()?;
        let found = id(&text).map(Arc::from);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(key, found.clone());
        found
    }
}

/// The last run of 64 hexadecimal digits: a container in a container is the inner one.
fn id(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_hexdigit()).rfind(|word| word.len() == DIGITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        let docker = "0123456789abcdef".repeat(4);
        for text in [
            format!("0::/system.slice/docker-{docker}.scope\n"),
            format!("12:cpu:/docker/{docker}\n0::/\n"),
            format!("0::/kubepods.slice/kubepods-pod12.slice/cri-containerd-{docker}.scope"),
        ] {
            assert_eq!(id(&text), Some(docker.as_str()), "{text}");
        }
        assert_eq!(id("0::/user.slice/user-1000.slice/session-3.scope"), None);
    }
}
