//! Which connection of one capture is which of the other: by five-tuple, and where addresses or ports are rewritten
//! between the two by what a translator leaves alone: SYNs and octets at their place in the stream.
use super::recording::{Connection, Recording, Stream, Syn, ordered};
use crate::base::{Endpoint, PerSide, Seq, Side};
use hashbrown::HashMap;
use std::hash::Hash;

/// Content that is shorter may come twice (PING, PONG).
const TELLING: u32 = 24;
/// A server's greeting is longer, and bears a number that is its connection's alone.
const GREETING: u32 = 100;
/// Pieces of content that two connections share at the same distance, at least, where nothing else joins them.
const VOTES_LEAST: usize = 3;

/// One connection in both captures.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Its place in the recording at the client's side.
    pub a: usize,
    /// Its place in the recording at the server's side.
    pub b: usize,
    /// By sender: what to add to a sequence number at the client's side to get that at the server's side.
    pub shift: PerSide<u32>,
}

/// Pairs connections; roles that only one capture is sure of are taken over by the other.
pub(super) fn pair(a: &mut Recording, b: &mut Recording) -> Vec<Pair> {
    let mut pairing = Pairing {
        a_taken: vec![false; a.connections.len()],
        b_taken: vec![false; b.connections.len()],
        pairs: vec![],
    };
    pairing.by_five_tuple(a, b);
    for side in Side::BOTH {
        pairing.by_key(a, b, |c| {
            let syn = c.streams[side].syn?;
            // A repeated SYN bears another timestamp, and the first may be the one that was lost.
            Some((syn.seq.0, syn.options.window_scale))
        });
    }
    // A translator that also rewrites sequence numbers leaves the sender's clock and window.
    pairing.by_key(a, b, |c| {
        let syn = c.streams.client.syn?;
        Some((syn.options.timestamps?.0, syn.window, syn.options.window_scale))
    });
    pairing.by_content(a, b, true);
    // A proxy passes the server's greeting on as it is.
    pairing.by_key(a, b, |c| c.streams.server.segs.iter().find(|s| s.len >= GREETING)?.hash);
    pairing.by_content(a, b, false);
    let Pairing { mut pairs, .. } = pairing;
    for pair in &mut pairs {
        if let Some((a, b)) = a.connections.get(pair.a).zip(b.connections.get(pair.b)) {
            pair.shift = PerSide::from_fn(|side| shift(&a.streams[side], &b.streams[side]));
        }
    }
    pairs.sort_unstable_by_key(|pair| pair.a);
    pairs
}

struct Pairing {
    a_taken: Vec<bool>,
    b_taken: Vec<bool>,
    pairs: Vec<Pair>,
}

impl Pairing {
    fn join(&mut self, a: usize, b: usize) {
        if let Some((x, y)) = self.a_taken.get_mut(a).zip(self.b_taken.get_mut(b))
            && !*x
            && !*y
        {
            (*x, *y) = (true, true);
            self.pairs.push(Pair { a, b, shift: PerSide::default() });
        }
    }

    fn free<'a>(taken: &'a [bool], from: &'a Recording) -> impl Iterator<Item = (usize, &'a Connection)> {
        from.connections.iter().enumerate().filter(|(i, _)| !taken.get(*i).copied().unwrap_or(true))
    }

    fn by_five_tuple(&mut self, a: &mut Recording, b: &mut Recording) {
        let tuple = |c: &Connection| ordered(c.ends.client, c.ends.server);
        let mut there: HashMap<(Endpoint, Endpoint), Vec<usize>> = HashMap::new();
        for (i, c) in b.connections.iter().enumerate() {
            there.entry(tuple(c)).or_default().push(i);
        }
        let mut here: HashMap<(Endpoint, Endpoint), Vec<usize>> = HashMap::new();
        for (i, c) in a.connections.iter().enumerate() {
            here.entry(tuple(c)).or_default().push(i);
        }
        let mut tuples: Vec<_> = here.into_iter().collect();
        tuples.sort_unstable_by_key(|(_, list)| list.first().copied());
        for (tuple, ours) in tuples {
            let Some(theirs) = there.get(&tuple) else { continue };
            for &i in &ours {
                for &j in theirs {
                    let Some((x, y)) = a.connections.get_mut(i).zip(b.connections.get_mut(j)) else {
                        continue;
                    };
                    one_role(x, y);
                    if same(x, y) {
                        self.join(i, j);
                    }
                }
            }
            // One each is left: only two SYNs that nothing joins speak against it.
            let left = |list: &[usize], taken: &[bool]| -> Vec<usize> {
                list.iter().copied().filter(|&i| !taken.get(i).copied().unwrap_or(true)).collect()
            };
            if let ([i], [j]) = (&left(&ours, &self.a_taken)[..], &left(theirs, &self.b_taken)[..])
                && let Some((x, y)) = a.connections.get(*i).zip(b.connections.get(*j))
                && !strangers(x, y)
            {
                self.join(*i, *j);
            }
        }
    }

    /// Joins those whose key is one connection's alone in each capture.
    fn by_key<K: Hash + Eq>(&mut self, a: &Recording, b: &Recording, key: impl Fn(&Connection) -> Option<K>) {
        let unique = |taken: &[bool], from: &Recording| {
            let mut map: HashMap<K, Option<usize>> = HashMap::new();
            for (i, c) in Self::free(taken, from) {
                if let Some(key) = key(c) {
                    map.entry(key).and_modify(|slot| *slot = None).or_insert(Some(i));
                }
            }
            map
        };
        let ours = unique(&self.a_taken, a);
        let theirs = unique(&self.b_taken, b);
        let mut found: Vec<(usize, usize)> =
            ours.into_iter().filter_map(|(key, i)| Some((i?, (*theirs.get(&key)?)?))).collect();
        found.sort_unstable();
        found.into_iter().for_each(|(i, j)| self.join(i, j));
    }

    /// Joins those that carry the same content; `placed`: at the same sequence numbers.
    fn by_content(&mut self, a: &Recording, b: &Recording, placed: bool) {
        let mut there: HashMap<(u64, u32, Side), Option<(usize, Seq)>> = HashMap::new();
        let key = |s: &super::recording::Seg, side| (s.prefix, if placed { s.seq.0 } else { 0 }, side);
        let telling = |s: &&super::recording::Seg| if placed { s.len > 0 } else { s.len >= TELLING };
        for (j, c) in Self::free(&self.b_taken, b) {
            for side in Side::BOTH {
                for s in c.streams[side].segs.iter().filter(telling) {
                    there
                        .entry(key(s, side))
                        .and_modify(|slot| {
                            if slot.is_some_and(|(other, _)| other != j) {
                                *slot = None;
                            }
                        })
                        .or_insert(Some((j, s.seq)));
                }
            }
        }
        if there.is_empty() {
            return;
        }
        let mut found: Vec<(usize, usize, usize)> = Vec::new();
        for (i, c) in Self::free(&self.a_taken, a) {
            let mut votes: HashMap<(usize, Side, u32), usize> = HashMap::new();
            for side in Side::BOTH {
                for s in c.streams[side].segs.iter().filter(telling) {
                    if let Some(Some((j, seq))) = there.get(&key(s, side)) {
                        *votes.entry((*j, side, seq.0.wrapping_sub(s.seq.0))).or_default() += 1;
                    }
                }
            }
            let best = votes.into_iter().max_by_key(|((j, ..), n)| (*n, std::cmp::Reverse(*j)));
            if let Some(((j, ..), n)) = best
                && n >= if placed { 1 } else { VOTES_LEAST }
            {
                found.push((n, i, j));
            }
        }
        found.sort_unstable_by_key(|&(n, i, j)| (std::cmp::Reverse(n), i, j));
        found.into_iter().for_each(|(_, i, j)| self.join(i, j));
    }
}

/// Each side has a handshake of its own, between other hosts: what joins them dials anew.
pub(super) fn proxied(a: &Connection, b: &Connection) -> bool {
    let handshakes = a.streams.client.syn.zip(b.streams.client.syn);
    // A firewall that draws sequence numbers anew leaves the clock of the end.
    let anew = |(x, y): (Syn, Syn)| {
        let clocks = x.options.timestamps.zip(y.options.timestamps);
        x.seq != y.seq && clocks.is_some_and(|(x, y)| x.0 != y.0)
    };
    a.ends.client.addr != b.ends.client.addr
        && a.ends.server.addr != b.ends.server.addr
        && handshakes.is_some_and(anew)
}

/// Where only one of the two saw who dialled, the other takes it over.
fn one_role(a: &mut Connection, b: &mut Connection) {
    if a.ends.client == b.ends.client {
        return;
    }
    if !a.roles_are_certain() {
        a.flip();
    } else if !b.roles_are_certain() {
        b.flip();
    }
}

/// The same connection beyond doubt: one of its SYNs, or something else at the same place.
fn same(a: &Connection, b: &Connection) -> bool {
    if a.ends != b.ends {
        return false;
    }
    let syns = |side: Side| a.streams[side].syn.zip(b.streams[side].syn);
    if let Some((x, y)) = syns(Side::Client).or_else(|| syns(Side::Server)) {
        return x.seq == y.seq;
    }
    Side::BOTH.iter().any(|&side| shared_at(&a.streams[side], &b.streams[side], 0) > 0)
}

/// Both have a SYN of the same end, and the two have nothing in common.
fn strangers(a: &Connection, b: &Connection) -> bool {
    a.ends != b.ends
        || Side::BOTH.iter().any(|&side| {
            a.streams[side].syn.zip(b.streams[side].syn).is_some_and(|(x, y)| {
                x.seq != y.seq && (x.options.timestamps, x.window) != (y.options.timestamps, y.window)
            })
        })
}

/// Segments of the two that are the same with that shift, looking at some thousands at most.
fn shared_at(a: &Stream, b: &Stream, shift: u32) -> usize {
    let ours: hashbrown::HashSet<_> =
        a.segs.iter().rev().take(16384).map(|s| (s.seq.add(shift), s.len, s.prefix)).collect();
    b.segs.iter().rev().take(16384).filter(|s| ours.contains(&(s.seq, s.len, s.prefix))).count()
}

/// How far sequence numbers of a direction are moved between the two captures.
fn shift(a: &Stream, b: &Stream) -> u32 {
    if let Some((x, y)) = a.syn.zip(b.syn) {
        return y.seq.0.wrapping_sub(x.seq.0);
    }
    if shared_at(a, b, 0) > 0 {
        return 0;
    }
    let ours: HashMap<_, _> =
        a.segs.iter().filter(|s| s.len >= 8).map(|s| ((s.prefix, s.len), s.seq)).collect();
    let mut votes: HashMap<u32, usize> = HashMap::new();
    for s in b.segs.iter().filter(|s| s.len >= 8) {
        if let Some(seq) = ours.get(&(s.prefix, s.len)) {
            *votes.entry(s.seq.0.wrapping_sub(seq.0)).or_default() += 1;
        }
    }
    let best = votes.into_iter().max_by_key(|&(shift, n)| (n, std::cmp::Reverse(shift)));
    best.filter(|&(_, n)| n >= 2).map_or(0, |(shift, _)| shift)
}
