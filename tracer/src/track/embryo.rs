//! Attempts of which one SYN was seen and nothing else: a flood is made of them, so each is kept in the few octets from which
//! that SYN can be made again. Whatever else happens to one makes it a connection; so does its time running out.
mod places;

use super::FlowKey;
use super::connection::{Limits, Seen};
use crate::base::{Addr, Endpoint, Seq, Span, Timestamp};
use crate::event::{FrameRef, Mark};
use crate::wire::{Flags, Options, Segment};
use places::{PLACES_MAX, Places};
use std::collections::VecDeque;
use std::hash::BuildHasher as _;

/// Attempts in one piece of memory.
const PIECE: usize = 1024;
/// Interfaces that attempts are seen on.
const IFACES_MAX: usize = 256;
/// Numbers of frames and connections, and nanoseconds since the first attempt, that fit.
const NUMBER_MAX: u64 = 1 << 48;
/// The flags of a SYN that may stand beside it: ECN's (RFC 3168).
const ECN: u8 = 0xc0;
/// A SYN that nobody repeats is given up by its client after so long.
const ONE_SYN: Span = Span::millis(3500);

/// The option that says nothing (RFC 9293 section 3.1).
const NOP: u8 = 1;
/// Octets of the options that are kept, each once.
const OPTIONS_MAX: usize = 20;

/// What [`Embryo::bits`] says.
const HAS_MSS: u8 = 1;
const HAS_SCALE: u8 = 2;
const HAS_TIMES: u8 = 4;
const HAS_SACK: u8 = 8;
const GONE: u8 = 16;

/// An address of one family, as short as it goes.
trait Octets: Copy + PartialEq {
    fn of(addr: Addr) -> Self;
    fn addr(self) -> Addr;
}

impl Octets for [u8; 4] {
    fn of(addr: Addr) -> Self {
        let [.., a, b, c, d] = addr.0;
        [a, b, c, d]
    }

    fn addr(self) -> Addr {
        Addr::v4(self)
    }
}

impl Octets for [u8; 16] {
    fn of(addr: Addr) -> Self {
        addr.0
    }

    fn addr(self) -> Addr {
        Addr::v6(self)
    }
}

/// One SYN. Times and numbers are cut into parts, so that nothing is lost to alignment.
#[derive(Clone, Copy)]
struct Embryo<A> {
    client: A,
    server: A,
    /// Nanoseconds since the epoch of the attempts.
    at: [u16; 3],
    seq: u32,
    tsval: u32,
    id: [u16; 3],
    frame: [u16; 3],
    ports: [u16; 2],
    window: u16,
    mss: u16,
    ip_id: u16,
    place: u8,
    ttl: u8,
    /// The shift of the window, and [`ECN`].
    scale: u8,
    bits: u8,
}

const fn parts(n: u64) -> [u16; 3] {
    [n as u16, (n >> 16) as u16, (n >> 32) as u16]
}

const fn whole([low, mid, high]: [u16; 3]) -> u64 {
    low as u64 | (mid as u64) << 16 | (high as u64) << 32
}

impl<A: Octets> Embryo<A> {
    fn new(seg: &Segment<'_>, options: &Options, at: u64, number: u64, place: u8, ordinal: u64) -> Self {
        let bit = |has: bool, bit: u8| if has { bit } else { 0 };
        Self {
            client: A::of(seg.src.addr),
            server: A::of(seg.dst.addr),
            at: parts(at),
            seq: seg.seq.0,
            tsval: options.timestamps.map_or(0, |t| t.0),
            id: parts(ordinal),
            frame: parts(number),
            ports: [seg.src.port, seg.dst.port],
            window: seg.window,
            mss: options.mss.unwrap_or(0),
            ip_id: seg.ip_id.unwrap_or(0),
            place,
            ttl: seg.ttl,
            scale: options.window_scale.unwrap_or(0) | seg.flags.0 & ECN,
            bits: bit(options.mss.is_some(), HAS_MSS)
                | bit(options.window_scale.is_some(), HAS_SCALE)
                | bit(options.timestamps.is_some(), HAS_TIMES)
                | bit(options.sack_permitted, HAS_SACK),
        }
    }

    fn key(&self) -> FlowKey {
        let (client, server) = self.ends();
        FlowKey::new(client, server)
    }

    fn ends(&self) -> (Endpoint, Endpoint) {
        let end = |addr: A, port| Endpoint { addr: addr.addr(), port };
        let [client, server] = self.ports;
        (end(self.client, client), end(self.server, server))
    }

    fn syn(&self, places: &[(u32, u32)], epoch: Timestamp) -> Syn {
        let (mut options, mut used) = ([NOP; OPTIONS_MAX], 0);
        let mut put = |bit: u8, bytes: &[u8]| {
            if self.bits & bit != 0 {
                options.iter_mut().skip(used).zip(bytes).for_each(|(to, from)| *to = *from);
                used += bytes.len();
            }
        };
        let ([a, b], [c, d, e, f]) = (self.mss.to_be_bytes(), self.tsval.to_be_bytes());
        put(HAS_MSS, &[2, 4, a, b]);
        put(HAS_SACK, &[4, 2]);
        put(HAS_TIMES, &[8, 10, c, d, e, f, 0, 0, 0, 0]);
        put(HAS_SCALE, &[3, 3, self.scale & !ECN]);
        let place = places.get(usize::from(self.place)).copied().unwrap_or_default();
        let frame = FrameRef::new(place.0, whole(self.frame));
        let (client, server) = self.ends();
        Syn {
            client,
            server,
            seen: Seen { mark: Mark { at: epoch + Span(whole(self.at) as i64), frame }, place },
            id: whole(self.id),
            ttl: self.ttl,
            ip_id: client.addr.is_v4().then_some(self.ip_id),
            seq: Seq(self.seq),
            flags: Flags::SYN.with(Flags(self.scale & ECN)),
            window: self.window,
            options,
        }
    }
}

/// A SYN as it was seen.
#[derive(Debug)]
pub struct Syn {
    /// Who dials.
    pub client: Endpoint,
    /// Who listens.
    pub server: Endpoint,
    /// When and where.
    pub seen: Seen,
    /// Ordinal of its frame.
    pub id: u64,
    ttl: u8,
    ip_id: Option<u16>,
    seq: Seq,
    flags: Flags,
    window: u16,
    options: [u8; OPTIONS_MAX],
}

impl Syn {
    /// What its sender would send next.
    #[must_use]
    pub const fn next(&self) -> Seq {
        self.seq.add(1)
    }

    /// The segment once more.
    #[must_use]
    pub fn segment(&self) -> Segment<'_> {
        Segment {
            src: self.client,
            dst: self.server,
            ttl: self.ttl,
            ip_id: self.ip_id,
            seq: self.seq,
            ack: Seq(0),
            flags: self.flags,
            window: self.window,
            options: &self.options,
            payload: &[],
            payload_len: 0,
            tunnel: false,
        }
    }
}

/// The attempts of one address family, oldest first.
struct Queue<A> {
    index: Places,
    hasher: foldhash::fast::RandomState,
    /// The oldest may have gone; each piece but the last is full.
    pieces: VecDeque<Vec<Embryo<A>>>,
    /// Place of the first piece's first; places wrap.
    first: u32,
    /// How many at the front of the first piece are gone.
    passed: usize,
}

impl<A> Default for Queue<A> {
    fn default() -> Self {
        let hasher = foldhash::fast::RandomState::default();
        Self { index: Places::default(), hasher, pieces: VecDeque::new(), first: 0, passed: 0 }
    }
}

/// The piece that `place` lies in, and which of it; the first piece begins at `first`. Places are told up to [`PLACES_MAX`].
const fn spot(place: u32, first: u32) -> (usize, usize) {
    let at = place.wrapping_sub(first) as usize % PLACES_MAX;
    (at / PIECE, at % PIECE)
}

fn at<A>(pieces: &VecDeque<Vec<Embryo<A>>>, (piece, nth): (usize, usize)) -> Option<&Embryo<A>> {
    pieces.get(piece)?.get(nth)
}

impl<A: Octets> Queue<A> {
    fn push(&mut self, embryo: Embryo<A>) {
        if self.pieces.back().is_none_or(|piece| piece.len() >= PIECE) {
            self.pieces.push_back(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        let Some(piece) = self.pieces.back_mut() else { return };
        let place = self.first.wrapping_add((before + piece.len()) as u32);
        piece.push(embryo);
        if self.index.is_full() {
            self.grow();
        } else {
            self.index.insert(self.hasher.hash_one(embryo.key()), place);
        }
    }

    /// No more of them can be told apart.
    fn is_full(&self) -> bool {
        (self.pieces.len() + 1) * PIECE > PLACES_MAX
    }

    /// More room in the index, for all that are here.
    #[cold]
    fn grow(&mut self) {
        let Self { index, hasher, pieces, first, .. } = self;
        index.grow();
        let all = pieces.iter().flatten().zip(0u32..).filter(|(embryo, _)| embryo.bits & GONE == 0);
        all.for_each(|(embryo, nth)| index.insert(hasher.hash_one(embryo.key()), first.wrapping_add(nth)));
    }

    fn take(&mut self, key: FlowKey) -> Option<Embryo<A>> {
        if self.index.len() == 0 {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let (pieces, first) = (&self.pieces, self.first);
        let same = |place: u32| at(pieces, spot(place, first)).is_some_and(|e| e.key() == key);
        let place = self.index.take(hash, same)?;
        self.leave(place)
    }

    /// The attempt at this place, which the index has no more, is gone.
    fn leave(&mut self, place: u32) -> Option<Embryo<A>> {
        let (piece, nth) = spot(place, self.first);
        let embryo = self.pieces.get_mut(piece)?.get_mut(nth)?;
        let taken = *embryo;
        embryo.bits |= GONE;
        self.pass();
        Some(taken)
    }

    /// Steps over what is gone at the front.
    fn pass(&mut self) {
        while let Some(front) = self.pieces.front() {
            let gone = |e: &Embryo<A>| e.bits & GONE != 0;
            self.passed +=
                front.get(self.passed..).unwrap_or_default().iter().take_while(|e| gone(e)).count();
            if self.passed < PIECE {
                return;
            }
            self.pieces.pop_front();
            self.first = self.first.wrapping_add(PIECE as u32);
            self.passed = 0;
        }
    }

    fn oldest(&self) -> Option<&Embryo<A>> {
        self.pieces.front()?.get(self.passed)
    }

    /// Takes the oldest out.
    fn pop(&mut self) -> Option<Embryo<A>> {
        let hash = self.hasher.hash_one(self.oldest()?.key());
        let place = self.first.wrapping_add(self.passed as u32);
        self.index.take(hash, |known| known as usize == place as usize % PLACES_MAX);
        self.leave(place)
    }
}

/// All attempts that are one SYN.
#[derive(Default)]
pub struct Embryos {
    v4: Queue<[u8; 4]>,
    v6: Queue<[u8; 16]>,
    places: Vec<(u32, u32)>,
    /// The first of those that are kept, and the last.
    epoch: Timestamp,
    latest: Timestamp,
    /// Before this time the oldest is not over.
    look_at: i64,
}

impl Embryos {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.index.len() + self.v6.index.len()
    }

    /// Keeps a SYN that begins an attempt. `false`: there is more to it than fits.
    pub fn keep(&mut self, seg: &Segment<'_>, seen: Seen, ordinal: u64) -> bool {
        let mark = seen.mark;
        let plain = seg.flags.0 & !ECN == Flags::SYN.0
            && seg.payload_len == 0
            && seg.ack == Seq(0)
            && seg.src != seg.dst
            && seen.place.0 == mark.frame.capture()
            && !self.v4.is_full()
            && !self.v6.is_full()
            && mark.frame.number() < NUMBER_MAX
            && ordinal < NUMBER_MAX;
        if self.len() == 0 {
            (self.epoch, self.latest) = (mark.at, mark.at);
        }
        let at = (mark.at - self.epoch).0.unsigned_abs();
        // The oldest is the first whose time runs out: what is earlier than the one before it finds no place.
        if !plain || mark.at < self.latest || at >= NUMBER_MAX {
            return false;
        }
        let options = Options::decode(seg.options);
        let times = options.timestamps.is_none_or(|t| t.1 == 0);
        let Some(place) = self.place(seen.place).filter(|_| times && options.sack_count == 0) else {
            return false;
        };
        match (seg.src.addr.is_v4() && seg.dst.addr.is_v4(), seg.ip_id) {
            (true, Some(_)) => {
                self.v4.push(Embryo::new(seg, &options, at, mark.frame.number(), place, ordinal))
            }
            (false, None) => {
                self.v6.push(Embryo::new(seg, &options, at, mark.frame.number(), place, ordinal))
            }
            _ => return false,
        }
        self.latest = mark.at;
        true
    }

    fn place(&mut self, place: (u32, u32)) -> Option<u8> {
        if let Some(known) = self.places.iter().position(|&p| p == place) {
            return u8::try_from(known).ok();
        }
        if self.places.len() >= IFACES_MAX {
            return None;
        }
        self.places.push(place);
        u8::try_from(self.places.len() - 1).ok()
    }

    /// Takes out the attempt between these ends.
    pub fn take(&mut self, key: FlowKey) -> Option<Syn> {
        let syn = self.v4.take(key).map(|e| e.syn(&self.places, self.epoch));
        syn.or_else(|| self.v6.take(key).map(|e| e.syn(&self.places, self.epoch)))
    }

    /// Whether the oldest attempt's time may have run out at `now`.
    #[must_use]
    #[inline]
    pub fn may_be_due(&self, now: Timestamp) -> bool {
        now.0 >= self.look_at && self.len() > 0
    }

    /// Takes out the oldest attempt, if its time has run out at `now`.
    pub fn take_due(&mut self, now: Timestamp, limits: &Limits) -> Option<Syn> {
        if !self.may_be_due(now) {
            return None;
        }
        let patience = ONE_SYN.min(limits.idle_timeout);
        let (_, at) = self.oldest()?;
        self.look_at = super::tick(self.epoch + Span(whole(at) as i64) + patience);
        if self.look_at <= now.0 { self.take_first() } else { None }
    }

    /// Takes out the oldest attempt: its time has run out, or room is needed.
    pub fn take_first(&mut self) -> Option<Syn> {
        match self.oldest()? {
            (true, _) => self.v4.pop().map(|e| e.syn(&self.places, self.epoch)),
            (false, _) => self.v6.pop().map(|e| e.syn(&self.places, self.epoch)),
        }
    }

    /// Whether the oldest is of IPv4, and when it came.
    fn oldest(&self) -> Option<(bool, [u16; 3])> {
        match (self.v4.oldest(), self.v6.oldest()) {
            (Some(v4), Some(v6)) if whole(v6.id) < whole(v4.id) => Some((false, v6.at)),
            (Some(v4), _) => Some((true, v4.at)),
            (None, v6) => v6.map(|v6| (false, v6.at)),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn end(addr: Addr, port: u16) -> Endpoint {
        Endpoint { addr, port }
    }

    /// A SYN as Linux sends it.
    pub fn syn(client: Endpoint, server: Endpoint, seq: u32, options: &[u8]) -> Segment<'_> {
        Segment {
            src: client,
            dst: server,
            ttl: 63,
            ip_id: client.addr.is_v4().then_some(77),
            seq: Seq(seq),
            ack: Seq(0),
            flags: Flags(0xc2),
            window: 64_240,
            options,
            payload: &[],
            payload_len: 0,
            tunnel: false,
        }
    }

    fn seen(n: u64) -> Seen {
        let mark = Mark {
            at: Timestamp(1_795_348_994_000_000_001 + n as i64 * 1_000_000),
            frame: FrameRef::new(1, n + (1 << 40)),
        };
        Seen { mark, place: (1, 7) }
    }

    const OPTIONS: [u8; 19] = [2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 3, 3, 7];
    const LIMITS: Limits = Limits {
        idle_timeout: Span::secs(120),
        window_closed: Span::secs(2),
        linger_done: Span::secs(1),
        linger: Span::secs(3),
        linger_doubtful: Span::secs(30),
    };

    #[test]
    fn a_syn_comes_back_as_it_was() {
        assert_eq!(size_of::<Embryo<[u8; 4]>>(), 48);
        let server = end(Addr::v4([10, 0, 0, 5]), 4222);
        let server6 = end(Addr::v6([0xfd; 16]), 4222);
        for (client, server) in
            [(end(Addr::v4([10, 0, 0, 7]), 50_000), server), (end(Addr::v6([0xfe; 16]), 50_001), server6)]
        {
            let mut embryos = Embryos::default();
            let segment = syn(client, server, 99, &OPTIONS);
            assert!(embryos.keep(&segment, seen(3), 1 << 41));
            let back = embryos.take(FlowKey::new(server, client)).unwrap();
            let again = back.segment();
            assert_eq!(Options::decode(again.options), Options::decode(&OPTIONS));
            assert_eq!(Segment { options: &OPTIONS, ..again }, segment);
            assert_eq!((back.id, back.seen.mark, back.seen.place), (1 << 41, seen(3).mark, (1, 7)));
            assert!(embryos.len() == 0 && embryos.take(FlowKey::new(server, client)).is_none());
        }
    }

    #[test]
    fn the_oldest_goes_first_and_memory_with_it() {
        let (mut embryos, server) = (Embryos::default(), end(Addr::v4([10, 0, 0, 5]), 4222));
        let client = |n: u64| end(Addr::v4([10, 1, (n >> 8) as u8, n as u8]), 40_000);
        for n in 0..5_000 {
            assert!(embryos.keep(&syn(client(n), server, n as u32, &[]), seen(n), n + 1));
        }
        assert!(!embryos.keep(&syn(client(9_999), server, 1, &[]), seen(3), 9_999), "out of order");
        assert!(embryos.take_due(seen(3_000).mark.at, &LIMITS).is_none());
        for n in (1..5_000).step_by(2) {
            assert_eq!(embryos.take(FlowKey::new(client(n), server)).unwrap().id, n + 1);
        }
        assert_eq!(embryos.len(), 2_500);
        let late = seen(6_000).mark.at;
        let mut told = 0;
        while let Some(syn) = embryos.take_due(late, &LIMITS) {
            assert_eq!(syn.id, told * 2 + 1);
            told += 1;
        }
        assert!((1_100..1_260).contains(&told), "{told}");
        assert!(embryos.v4.pieces.len() <= 3);
        while embryos.take_first().is_some() {}
        assert_eq!(embryos.len(), 0);
        assert!(embryos.keep(&syn(client(1), server, 1, &[]), seen(9_000), 9_000));
        assert!(embryos.take(FlowKey::new(client(1), server)).is_some());
    }
}
