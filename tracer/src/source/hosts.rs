//! Interfaces and addresses of this host, which is the network namespace of the calling thread.
use crate::base::Addr;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

/// Interfaces kept at most.
const INTERFACES_MAX: usize = 1 << 16;

/// A network interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// The kernel's number of it: another one under the same name is another interface.
    pub index: u32,
    /// It is up (IFF_UP).
    pub up: bool,
    /// It is the loopback (IFF_LOOPBACK).
    pub loopback: bool,
    /// Its addresses.
    pub addresses: Vec<Addr>,
}

/// All interfaces of this host, by their number.
///
/// # Errors
/// Where the kernel does not list them.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let mut found: BTreeMap<String, Interface> = BTreeMap::new();
    for entry in getifaddrs()? {
        if found.len() >= INTERFACES_MAX && !found.contains_key(&entry.interface_name) {
            continue;
        }
        let interface = found.entry(entry.interface_name.clone()).or_default();
        interface.name = entry.interface_name;
        interface.up = entry.flags.contains(InterfaceFlags::IFF_UP);
        interface.loopback = entry.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let Some(address) = entry.address else { continue };
        if let Some(link) = address.as_link_addr() {
            interface.index = u32::try_from(link.ifindex()).unwrap_or(0);
        } else if let Some(v4) = address.as_sockaddr_in() {
            interface.addresses.push(v4.ip().into());
        } else if let Some(v6) = address.as_sockaddr_in6() {
            interface.addresses.push(IpAddr::V6(v6.ip()).into());
        }
    }
    let mut all: Vec<_> = found.into_values().collect();
    all.sort_by_key(|interface| interface.index);
    Ok(all)
}

/// Every address of this host, each once.
#[must_use]
pub fn addresses(interfaces: &[Interface]) -> Vec<Addr> {
    let mut all: Vec<Addr> = interfaces.iter().flat_map(|i| i.addresses.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let all = interfaces().unwrap();
        let lo = all.iter().find(|i| i.loopback).unwrap();
        assert_eq!(lo.name, "lo");
        assert!(lo.index > 0);
        if lo.up {
            assert!(lo.addresses.contains(&Addr::v4([127, 0, 0, 1])));
            assert!(addresses(&all).contains(&Addr::v4([127, 0, 0, 1])));
        }
    }
}
