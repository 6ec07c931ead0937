//! IP addresses and endpoints in one fixed size, so that flow keys compare and hash without a branch.
use super::{Octets, Short, pair};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address. IPv4 is kept IPv4-mapped (`::ffff:a.b.c.d`), hence `::ffff:1.2.3.4` seen in IPv6 equals 1.2.3.4.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Addr(pub [u8; 16]);

impl Hash for Addr {
    /// In one word, not octet by octet.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from_ne_bytes(self.0));
    }
}

impl Ord for Addr {
    /// As the octets compare, but in a register: each frame asks.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Addr {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Each octet in decimal with the point that stands behind it in an address, and how long that is.
static POINTED: [([u8; 4], u8); 256] = {
    let mut all = [([b'.'; 4], 0); 256];
    let mut n = 0;
    while n < all.len() {
        let ([tens, ones], hundreds) = (pair(n as u32 % 100), b'0' + (n / 100) as u8);
        all[n] = match n {
            0..10 => ([ones, b'.', b'.', b'.'], 2),
            10..100 => ([tens, ones, b'.', b'.'], 3),
            _ => ([hundreds, tens, ones, b'.'], 4),
        };
        n += 1;
    }
    all
};

impl Addr {
    /// From four octets.
    #[must_use]
    pub const fn v4(octets: [u8; 4]) -> Self {
        // As one number: put together octet by octet in memory it could be read as a whole only once every store is done.
        Self((0xffff_0000_0000 | u32::from_be_bytes(octets) as u128).to_be_bytes())
    }

    /// From sixteen octets.
    #[must_use]
    pub const fn v6(octets: [u8; 16]) -> Self {
        Self(octets)
    }

    /// As the standard library's type; mapped addresses become IPv4.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        let v6 = Ipv6Addr::from(self.0);
        v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
    }

    /// Appends its text, where it is IPv4: most are, and there are many to write. Else nothing.
    #[inline]
    pub fn put_v4(self, text: &mut impl Octets) -> bool {
        self.put_v4_and(text, None)
    }

    /// The same with an octet behind it.
    fn put_v4_and(self, text: &mut impl Octets, behind: Option<u8>) -> bool {
        let Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]) = self else { return false };
        // Together, since one text of sixteen octets costs less to append than four short ones.
        let mut written = [0; 16];
        let mut len = 0;
        for octet in [a, b, c, d] {
            let (pointed, its_len) = &POINTED[usize::from(octet)];
            if let Some(place) = written.get_mut(len..len + 4) {
                place.copy_from_slice(pointed);
            }
            len += usize::from(*its_len);
        }
        match (behind, written.get_mut(len - 1)) {
            (Some(behind), Some(last)) => *last = behind,
            _ => len -= 1,
        }
        text.put(written.get(..len).unwrap_or_default());
        true
    }

    /// Whether this is IPv4 (mapped).
    #[must_use]
    pub fn is_v4(self) -> bool {
        matches!(self.ip(), IpAddr::V4(_))
    }

    /// 0.0.0.0 or `::`: any address, of a listener.
    #[must_use]
    pub fn is_unspecified(self) -> bool {
        self.ip().is_unspecified()
    }

    /// 127.0.0.0/8 or ::1.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.ip().is_loopback()
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => Self::v6(v6.octets()),
        }
    }
}

impl From<Ipv4Addr> for Addr {
    fn from(ip: Ipv4Addr) -> Self {
        Self::v4(ip.octets())
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Short::default();
        if self.put_v4(&mut text) { f.pad(text.as_str()) } else { Ipv6Addr::from(self.0).fmt(f) }
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

/// Address and port of one end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Endpoint {
    /// IP address.
    pub addr: Addr,
    /// TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Appends its text, where it is IPv4. Else nothing.
    #[inline]
    pub fn put_v4(self, text: &mut impl Octets) -> bool {
        let is_v4 = self.addr.put_v4_and(text, Some(b':'));
        if is_v4 {
            text.put_number(self.port.into());
        }
        is_v4
    }
}

impl fmt::Display for Endpoint {
    /// `10.0.0.7:4222`, `[2001:db8::1]:4222`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Short::default();
        if self.put_v4(&mut text) {
            return f.write_str(text.as_str());
        }
        write!(f, "[{}]:{}", self.addr, self.port)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_standard_library_writes_them() {
        for octets in [[0, 0, 0, 0], [255, 255, 255, 255], [10, 0, 109, 9], [1, 20, 100, 99]] {
            let ip = Ipv4Addr::from(octets);
            for port in [0, 9, 10, 99, 100, 4222, 9_999, 10_000, 65_535] {
                let end = Endpoint { addr: ip.into(), port };
                assert_eq!(end.to_string(), format!("{ip}:{port}"));
            }
            assert_eq!(
                format!("{:<18}|{:>20}", Addr::from(ip), Addr::from(ip)),
                format!("{ip:<18}|{ip:>20}")
            );
        }
    }

    #[test]
    fn mapped_is_ipv4() {
        let mapped: Addr = "::ffff:10.0.0.7".parse::<IpAddr>().unwrap().into();
        assert_eq!(mapped, Addr::v4([10, 0, 0, 7]));
        assert_eq!(Endpoint { addr: mapped, port: 4222 }.to_string(), "10.0.0.7:4222");
        let v6: Addr = "2001:db8::1".parse::<IpAddr>().unwrap().into();
        assert_eq!(Endpoint { addr: v6, port: 1 }.to_string(), "[2001:db8::1]:1");
    }
}
