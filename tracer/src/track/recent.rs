//! Whose segment a plain frame holds, by the octets of its addresses and ports as they stand in it: the short way to a connection
//! that an ordinary segment is to be expected of. Each place holds the last direction that fell on it, which nearly always is the
//! one that comes next. What is not found here the [`Index`](super::index::Index) finds.
use super::ConnId;
use crate::base::Side;
use crate::wire::Plain;

/// Places, a power of two; a connection takes two.
const PLACES: usize = 1 << 12;

/// One direction of a connection. Aligned, so that none lies in two lines of a cache.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Place {
    addrs: u64,
    ports: u32,
    found: Found,
}

/// Where a direction's connection was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its tracker, for who follows several.
    pub shard: u8,
    /// Who sends, where the ports tell the sides apart.
    pub from: Side,
    /// Its slot there.
    pub slot: u32,
    /// Its first frame's ordinal, by which whoever asks knows that the slot is still its own.
    pub id: ConnId,
}

impl Place {
    /// Of nobody.
    const FREE: Self =
        Self { addrs: 0, ports: 0, found: Found { shard: 0, from: Side::Client, slot: 0, id: 0 } };
}

/// The table, in constant memory.
pub struct Recent {
    places: Box<[Place; PLACES]>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { places: Box::new([Place::FREE; PLACES]) }
    }
}

impl Recent {
    /// Where this direction's connection was. It may have left the slot.
    #[inline(always)]
    pub fn find(&self, plain: &Plain<'_>) -> Option<Found> {
        let ends = plain.ends();
        let place = &self.places[place(ends)];
        ((place.addrs, place.ports) == ends).then_some(place.found)
    }

    /// This direction's connection is there, and so is the other's, which is the same one.
    pub fn note(&mut self, plain: &Plain<'_>, found: Found) {
        let (addrs, ports) = plain.ends();
        let back = Found { from: found.from.other(), ..found };
        let both = [(addrs, ports, found), (addrs.rotate_left(32), ports.rotate_left(16), back)];
        for (addrs, ports, found) in both {
            self.places[place((addrs, ports))] = Place { addrs, ports, found };
        }
    }
}

#[inline(always)]
const fn place((addrs, ports): (u64, u32)) -> usize {
    let mixed = (addrs ^ (ports as u64) << 20).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (64 - PLACES.trailing_zeros())) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Glance, LinkType};

    fn frame(client: u8, port: u16, reply: bool) -> Vec<u8> {
        let mut frame = vec![0; 54];
        frame[12..15].copy_from_slice(&[8, 0, 0x45]);
        frame[23] = 6;
        let ends = [([10, 0, 0, client], port), ([10, 0, 0, 1], 4222)];
        let (src, dst) = if reply { (ends[1], ends[0]) } else { (ends[0], ends[1]) };
        frame[26..30].copy_from_slice(&src.0);
        frame[30..34].copy_from_slice(&dst.0);
        frame[34..36].copy_from_slice(&src.1.to_be_bytes());
        frame[36..38].copy_from_slice(&dst.1.to_be_bytes());
        frame
    }

    #[test]
    fn each_direction_is_found_until_another_takes_its_place() {
        let mut recent = Recent::default();
        let mut found = 0;
        let place = |client: u8, port: u16, reply: bool| {
            let (slot, id) = (u32::from(client), u64::from(port));
            let from = if reply { Side::Server } else { Side::Client };
            Found { shard: client % 8, from, slot, id }
        };
        for client in 0..20 {
            for port in 40_000..40_005 {
                for reply in [false, true] {
                    let frame = frame(client, port, reply);
                    let Glance::Plain(plain) = Glance::at(LinkType::ETHERNET, &frame) else { continue };
                    let known = reply.then(|| place(client, port, reply));
                    assert_eq!(recent.find(&plain), known, "noted with the other direction");
                    recent.note(&plain, place(client, port, reply));
                    assert_eq!(recent.find(&plain), Some(place(client, port, reply)));
                }
            }
        }
        for client in 0..20 {
            for port in 40_000..40_005 {
                let frame = frame(client, port, false);
                let Glance::Plain(plain) = Glance::at(LinkType::ETHERNET, &frame) else { continue };
                found += usize::from(recent.find(&plain) == Some(place(client, port, false)));
            }
        }
        assert!(found > 90, "{found} of 100");
    }
}
