//! How single values are packed, and what is made of them.
use super::pack::{Packed, Packer, Unpacker};
use crate::base::{Addr, Endpoint, PerSide, Side, Span, Timestamp};
use crate::event::{EndedBy, FrameRef, Handshake, Mark, Owed, Rare, Usual, Vantage};
use crate::nats::Protocol;
use crate::track::rest::format::{folded, unfolded};
use serde::Serialize;
use serde::de::DeserializeOwned;

macro_rules! numbers {
    ($($of:ty),+) => {
        $(impl Packed for $of {
            #[inline]
            fn usual() -> Self {
                0
            }

            #[inline]
            fn is_usual(&self) -> bool {
                *self == 0
            }

            #[inline]
            fn pack(&self, to: &mut Packer) {
                to.number(u64::from(*self));
            }

            #[inline]
            fn unpack(from: &mut Unpacker<'_>) -> Self {
                from.number() as Self
            }
        })+
    };
}

numbers!(u8, u16, u32, u64);

impl Packed for bool {
    const IS_BIT: bool = true;

    #[inline]
    fn usual() -> Self {
        false
    }

    #[inline]
    fn is_usual(&self) -> bool {
        !*self
    }

    #[inline]
    fn pack(&self, _: &mut Packer) {}

    #[inline]
    fn unpack(_: &mut Unpacker<'_>) -> Self {
        true
    }
}

/// What has a name of its own: its usual value, how it is packed, how it is unpacked.
macro_rules! values {
    ($($of:ty: $usual:expr, |$value:ident, $to:ident| $pack:expr, |$from:ident| $unpack:expr);+ $(;)?) => {
        $(impl Packed for $of {
            #[inline]
            fn usual() -> Self {
                $usual
            }

            #[inline]
            fn is_usual(&self) -> bool {
                *self == $usual
            }

            #[inline]
            fn pack(&self, $to: &mut Packer) {
                let $value = self;
                $pack
            }

            #[inline]
            fn unpack($from: &mut Unpacker<'_>) -> Self {
                $unpack
            }
        })+
    };
}

values! {
    Timestamp: Self(0), |time, to| to.time(time.0), |from| Self(from.time());
    Span: Self::ZERO, |span, to| to.number(folded(span.0)), |from| Self(unfolded(from.number()));
    FrameRef: Self::default(), |frame, to| to.frame(*frame), |from| from.frame();
    Mark: Self::default(), |mark, to| to.mark(*mark), |from| from.mark();
    EndedBy: Self::Goodbye, |by, to| pack_end(*by, to), |from| unpack_end(from);
}

/// Enumerations without values, the usual one first: as their place here.
macro_rules! words {
    ($($of:ident: $first:ident $(, $other:ident)*);+ $(;)?) => {
        $(impl Packed for $of {
            #[inline]
            fn usual() -> Self {
                Self::$first
            }

            #[inline]
            fn is_usual(&self) -> bool {
                *self == Self::$first
            }

            #[inline]
            fn pack(&self, to: &mut Packer) {
                // The compiler tells of one that is missing here.
                const ALL: &[$of] = &[$of::$first $(, $of::$other)*];
                let known = match self { Self::$first $(| Self::$other)* => ALL };
                to.number(known.iter().position(|one| one == self).unwrap_or(0) as u64);
            }

            #[inline]
            fn unpack(from: &mut Unpacker<'_>) -> Self {
                const ALL: &[$of] = &[$of::$first $(, $of::$other)*];
                let place = from.number() as usize;
                ALL.get(place).copied().unwrap_or_else(|| {
                    from.broke();
                    Self::$first
                })
            }
        })+
    };
}

words! {
    Side: Client, Server;
    Handshake: Complete, Refused, Unanswered, Incomplete, Midstream, Unknown;
    Vantage: Unknown, Client, Server, Both, Between;
    Protocol: Client, Route, Gateway, Leafnode, WebSocket, Mqtt, Tls, Unknown;
    Owed: Data, Syn, SynAck, Fin, Keepalive, Pong, Window;
}

fn pack_end(by: EndedBy, to: &mut Packer) {
    match by {
        EndedBy::Goodbye => to.number(0),
        EndedBy::GaveUp => to.number(1),
        EndedBy::Icmp => to.number(2),
        EndedBy::Reused => to.number(3),
        EndedBy::Silence(side, owed) => {
            to.number(4);
            side.pack(to);
            owed.pack(to);
        }
    }
}

fn unpack_end(from: &mut Unpacker<'_>) -> EndedBy {
    match from.number() {
        0 => EndedBy::Goodbye,
        1 => EndedBy::GaveUp,
        2 => EndedBy::Icmp,
        3 => EndedBy::Reused,
        4 => EndedBy::Silence(Side::unpack(from), Owed::unpack(from)),
        _ => {
            from.broke();
            EndedBy::Goodbye
        }
    }
}

/// Before an IPv4 address.
const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Packed for Endpoint {
    fn usual() -> Self {
        Self::default()
    }

    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The port, and an IPv4 address behind it in one number; an IPv6 address in two more.
    fn pack(&self, to: &mut Packer) {
        let Self { addr: Addr(octets), port } = self;
        let [high, low] = halves(*octets);
        let port = u64::from(*port) << 1;
        if octets.starts_with(&MAPPED) {
            to.number(low << 32 >> 15 | port);
        } else {
            to.number(port | 1);
            to.number(high);
            to.number(low);
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let first = from.number();
        let (high, low) = match first & 1 {
            0 => (0, 0xffff << 32 | first >> 17 & 0xffff_ffff),
            _ => (from.number(), from.number()),
        };
        let addr = Addr((u128::from(high) << 64 | u128::from(low)).to_be_bytes());
        Self { addr, port: (first >> 1) as u16 }
    }
}

fn halves(octets: [u8; 16]) -> [u64; 2] {
    let all = u128::from_be_bytes(octets);
    [(all >> 64) as u64, all as u64]
}

impl Packed for String {
    fn usual() -> Self {
        Self::new()
    }

    fn is_usual(&self) -> bool {
        self.is_empty()
    }

    fn pack(&self, to: &mut Packer) {
        to.octets(self.as_bytes());
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let text = std::str::from_utf8(from.octets());
        text.map_or_else(
            |_| {
                from.broke();
                Self::new()
            },
            str::to_owned,
        )
    }
}

/// As what is in it, in whose memory it stays.
impl<T: Packed> Packed for Box<T> {
    fn usual() -> Self {
        Self::new(T::usual())
    }

    #[inline]
    fn is_usual(&self) -> bool {
        T::is_usual(self)
    }

    fn pack(&self, to: &mut Packer) {
        T::pack(self, to);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Self::new(T::unpack(from))
    }

    fn fill(&mut self, from: &mut Unpacker<'_>) {
        T::fill(self, from);
    }
}

impl<T: Packed> Packed for Option<T> {
    #[inline]
    fn usual() -> Self {
        None
    }

    #[inline]
    fn is_usual(&self) -> bool {
        self.is_none()
    }

    #[inline]
    fn pack(&self, to: &mut Packer) {
        const { assert!(!T::IS_BIT) };
        if let Some(value) = self {
            value.pack(to);
        }
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        Some(T::unpack(from))
    }
}

impl<T: Packed> Packed for Vec<T> {
    #[inline]
    fn usual() -> Self {
        Self::new()
    }

    #[inline]
    fn is_usual(&self) -> bool {
        self.is_empty()
    }

    fn pack(&self, to: &mut Packer) {
        const { assert!(!T::IS_BIT) };
        to.number(self.len() as u64);
        self.iter().for_each(|one| one.pack(to));
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let len = from.number().min(from.left() as u64);
        (0..len).map(|_| T::unpack(from)).collect()
    }
}

impl<A: Packed, B: Packed> Packed for (A, B) {
    #[inline]
    fn usual() -> Self {
        (A::usual(), B::usual())
    }

    #[inline]
    fn is_usual(&self) -> bool {
        self.0.is_usual() && self.1.is_usual()
    }

    #[inline]
    fn pack(&self, to: &mut Packer) {
        const { assert!(!A::IS_BIT && !B::IS_BIT) };
        self.0.pack(to);
        self.1.pack(to);
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        (A::unpack(from), B::unpack(from))
    }
}

impl<T: Packed> Packed for PerSide<T> {
    #[inline]
    fn usual() -> Self {
        Self { client: T::usual(), server: T::usual() }
    }

    #[inline]
    fn is_usual(&self) -> bool {
        self.client.is_usual() && self.server.is_usual()
    }

    /// As a structure of two.
    #[inline]
    fn pack(&self, to: &mut Packer) {
        let Self { client, server } = self;
        to.number(u64::from(!client.is_usual()) | u64::from(!server.is_usual()) << 1);
        if !client.is_usual() {
            client.pack(to);
        }
        if !server.is_usual() {
            server.pack(to);
        }
    }

    #[inline]
    fn unpack(from: &mut Unpacker<'_>) -> Self {
        let mut both = Self::usual();
        both.fill(from);
        both
    }

    #[inline]
    fn fill(&mut self, from: &mut Unpacker<'_>) {
        let Self { client, server } = self;
        let told = from.number();
        fill(client, told & 1 != 0, from);
        fill(server, told & 2 != 0, from);
    }
}

/// What was packed, or the usual where nothing was.
#[inline]
pub(super) fn fill<T: Packed>(place: &mut T, is_told: bool, from: &mut Unpacker<'_>) {
    if is_told {
        place.fill(from);
    } else {
        *place = T::usual();
    }
}

impl<T: Usual + Serialize + DeserializeOwned> Packed for Rare<T> {
    #[inline]
    fn usual() -> Self {
        Self::usual()
    }

    #[inline]
    fn is_usual(&self) -> bool {
        self.told().is_none()
    }

    fn pack(&self, to: &mut Packer) {
        to.seldom(self);
    }

    fn unpack(from: &mut Unpacker<'_>) -> Self {
        from.seldom().unwrap_or_default()
    }
}
