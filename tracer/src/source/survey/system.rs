//! The kernel and who runs natstrace.
use super::{Area, Check, Status};

/// The first kernel with everything the probes want: the ring buffer, and `CAP_BPF` beside `CAP_PERFMON`.
const WANTED: (u32, u32) = (5, 8);

/// As `uname -r` prints it.
pub(super) fn release() -> String {
    nix::sys::utsname::uname()
        .map_or_else(|_| "unknown".to_owned(), |uname| uname.release().to_string_lossy().into_owned())
}

pub(super) fn checks(release: &str, uid: u32) -> Vec<Check> {
    let kernel = Check::works(Area::Host, "kernel", release);
    let kernel = match version(release) {
        Some(version) if version < WANTED => {
            let (major, minor) = WANTED;
            let costs = format!("kernel probes take Linux {major}.{minor} or later; packets work");
            kernel.lacks(Status::Partly, costs, None)
        }
        _ => kernel,
    };
    let user =
        if uid == 0 { "root".to_owned() } else { format!("uid {uid}; capabilities count, not the name") };
    vec![kernel, Check::works(Area::Host, "user", user)]
}

/// Major and minor number of a kernel release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases() {
        assert_eq!(version("6.12.117+deb12-cloud-amd64"), Some((6, 12)));
        assert_eq!(version("5.4.0-1103-aws"), Some((5, 4)));
        assert_eq!(version("what"), None);
        assert_eq!(checks("4.18.0-553.el8", 0)[0].status, Status::Partly);
        assert_eq!(checks("6.1.0", 1000)[0].status, Status::Works);
    }
}
