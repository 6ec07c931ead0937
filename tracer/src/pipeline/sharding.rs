//! Which shard of the table a connection is in. How many there are hangs on nothing but the settings, so that any number of
//! followers tells the same.
use super::Config;
use crate::base::{Endpoint, PortSet};
use crate::wire::{Plain, Segment};

/// Shards of a large table, a power of two.
pub(super) const SHARDS: usize = 8;
/// A smaller table has one, whose bound holds at every frame. Those of many together may be above it by what a few stretches of
/// frames begin ([`super::room`]).
const LARGE: usize = 1 << 17;

/// What is followed, and how it is divided.
#[derive(Clone)]
pub(super) struct Sharding {
    ports: PortSet,
    /// A power of two.
    shards: usize,
}

impl Sharding {
    /// As these settings want it. A live trace has one shard.
    pub fn new(config: &Config) -> Self {
        let is_large = config.offline && config.max_connections >= LARGE;
        Self { ports: config.ports.clone(), shards: if is_large { SHARDS } else { 1 } }
    }

    /// How many shards there are.
    #[inline(always)]
    pub const fn shards(&self) -> usize {
        self.shards
    }

    /// The shard of a plain frame's segment, if its port is followed.
    #[inline(always)]
    pub fn of_plain(&self, plain: &Plain<'_>) -> Option<usize> {
        let ports = plain.ports();
        self.follows(ports).then(|| shard_v4(plain.addrs(), ports, self.shards))
    }

    /// The shard of a segment, if its port is followed.
    #[inline(always)]
    pub fn of_segment(&self, seg: &Segment<'_>) -> Option<usize> {
        self.follows([seg.src.port, seg.dst.port]).then(|| self.between(seg.src, seg.dst))
    }

    /// The shard of what goes on between two ends, in either order.
    #[inline]
    pub fn between(&self, a: Endpoint, b: Endpoint) -> usize {
        shard(a, b, self.shards)
    }

    /// Whether one of these ports is followed.
    #[inline(always)]
    pub fn follows(&self, [src, dst]: [u16; 2]) -> bool {
        self.ports.contains(dst) || self.ports.contains(src)
    }
}

/// By both ends in either order.
#[inline]
fn shard(a: Endpoint, b: Endpoint, shards: usize) -> usize {
    let mixed = |end: Endpoint| {
        let whole = u128::from_be_bytes(end.addr.0);
        mix((whole as u64) ^ (whole >> 64) as u64, end.port)
    };
    place(mixed(a), mixed(b), shards)
}

/// The same of IPv4 addresses and their ports.
#[inline(always)]
fn shard_v4(addrs: [u32; 2], ports: [u16; 2], shards: usize) -> usize {
    let mixed = |n: usize| mix(0xffff_0000_0000 | u64::from(addrs[n]), ports[n]);
    place(mixed(0), mixed(1), shards)
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline(always)]
const fn mix(addr: u64, port: u16) -> u64 {
    addr.wrapping_mul(ODD) ^ port as u64
}

#[inline(always)]
const fn place(a: u64, b: u64, shards: usize) -> usize {
    (a.wrapping_add(b).wrapping_mul(ODD) >> 32) as usize & (shards - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Addr;

    #[test]
    fn both_directions_have_one_shard_and_many_connections_have_all() {
        let mut seen = [0; SHARDS];
        for port in 10_000..11_000 {
            let client = Endpoint { addr: Addr::v4([10, 0, 0, 7]), port };
            let server = Endpoint { addr: Addr::v4([10, 0, 0, 1]), port: 4222 };
            let shard = shard(client, server, SHARDS);
            assert_eq!(shard, super::shard(server, client, SHARDS));
            assert_eq!(shard, shard_v4([0x0a00_0007, 0x0a00_0001], [port, 4222], SHARDS));
            seen[shard] += 1;
        }
        assert!(seen.iter().all(|n| (80..170).contains(n)), "{seen:?}");
    }
}
