//! A set of TCP ports, as `--port` names them.

/// The ports a server may listen on: `4222`, `4222,6222`, `1-65535`, `all`.
#[derive(Clone, PartialEq, Eq)]
pub struct PortSet {
    bits: Box<[u64; 1024]>,
    text: String,
}

/// Text that is no list of ports.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no port list; write 4222, 4222,6222, 1-65535 or all")]
pub struct BadPorts(String);

impl PortSet {
    /// Whether `port` is a member.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.bits[usize::from(port >> 6)] & (1 << (port & 63)) != 0
    }

    /// Whether every port from 1 is a member.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.bits[1..].iter().all(|&w| w == u64::MAX) && self.bits[0] | 1 == u64::MAX
    }

    /// The members as inclusive ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> Vec<(u16, u16)> {
        let mut out: Vec<(u16, u16)> = Vec::new();
        for port in 0..=u16::MAX {
            if !self.contains(port) {
                continue;
            }
            match out.last_mut() {
                Some(last) if last.1.checked_add(1) == Some(port) => last.1 = port,
                _ => out.push((port, port)),
            }
        }
        out
    }
}

impl Default for PortSet {
    fn default() -> Self {
        let mut bits = Box::new([0u64; 1024]);
        bits[4222 >> 6] |= 1 << (4222 & 63);
        Self { bits, text: "4222".into() }
    }
}

impl std::str::FromStr for PortSet {
    type Err = BadPorts;

    fn from_str(text: &str) -> Result<Self, BadPorts> {
        let bad = || BadPorts(text.to_owned());
        let mut bits = Box::new([0u64; 1024]);
        for part in text.split(',').map(str::trim) {
            let (low, high) = if part.eq_ignore_ascii_case("all") {
                (1, u16::MAX)
            } else if let Some((low, high)) = part.split_once('-') {
                (low.trim().parse().map_err(|_| bad())?, high.trim().parse().map_err(|_| bad())?)
            } else {
                let port: u16 = part.parse().map_err(|_| bad())?;
                (port, port)
            };
            if low == 0 || low > high {
                return Err(bad());
            }
            for port in low..=high {
                bits[usize::from(port >> 6)] |= 1 << (port & 63);
            }
        }
        Ok(Self { bits, text: text.to_owned() })
    }
}

impl std::fmt::Display for PortSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::fmt::Debug for PortSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PortSet({})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_ranges_and_all() {
        let set: PortSet = "4222, 6222,7000-7002".parse().unwrap();
        assert_eq!(set.ranges(), vec![(4222, 4222), (6222, 6222), (7000, 7002)]);
        assert!(!set.contains(4223) && set.contains(7001));
        let all: PortSet = "all".parse().unwrap();
        assert!(all.is_all() && "1-65535".parse::<PortSet>().unwrap().is_all());
        assert!(PortSet::default().contains(4222));
        for bad in ["", "0", "x", "9-3", "70000", "1,,2"] {
            assert!(bad.parse::<PortSet>().is_err(), "{bad}");
        }
    }
}
