//! The facts of a connection that has ended and waits for what follows, written down: of two thousand octets, nearly all of which
//! say that nothing happened, some two hundred are left.
//!
//! A connection at rest is written otherwise (`rest`): that is of many types of its own, which derive how, and seldom done, since it
//! was silent for seconds. Facts are written once for each of many connections that come and go: here each field costs a bit, and
//! only what differs from the usual costs more. What seldom does is written as there.
mod pack;
mod parts;
mod values;

use super::ConnId;
use crate::base::{Addr, PerSide, Timestamp};
use crate::event::{EndedBy, Facts, Mark};
use crate::nats::{Connect, Info};
use pack::{Packed as _, Packer, Unpacker};
use std::sync::Arc;

/// Facts, written down, with what is asked of them before they are read again.
#[derive(Debug)]
pub struct Written {
    /// Which connection.
    pub id: ConnId,
    /// Its client's host.
    pub client: Addr,
    /// When it ended.
    pub ended: Timestamp,
    /// By what.
    pub ended_by: EndedBy,
    /// What many connections share is kept as it is.
    iface: Option<Arc<str>>,
    info: Option<Arc<Info>>,
    connect: Option<Arc<Connect>>,
    octets: Box<[u8]>,
}

/// When the server's INFO and the client's CONNECT came.
type Hellos = PerSide<Option<Mark>>;

fn hellos(facts: &Facts) -> Hellos {
    let nats = &facts.nats;
    PerSide {
        client: nats.connect.as_ref().map(|said| said.0),
        server: nats.info.as_ref().map(|said| said.0),
    }
}

impl Written {
    /// Writes facts down; of these no more than the memory is left then. `None` where that can't be, since what the kernel said is
    /// not written: then they are as they were. `room`: memory for the writing, which is left for the next.
    pub fn of(facts: &mut Facts, room: &mut Vec<u8>) -> Option<Self> {
        if facts.host.is_some() {
            return None;
        }
        let (id, ended) = (facts.first_frame, facts.ended);
        let mut packer = Packer::new(std::mem::take(room), (ended.0, id));
        hellos(facts).pack(&mut packer);
        facts.pack(&mut packer);
        let (written, len) = packer.done();
        *room = written;
        Some(Self {
            id,
            client: facts.client.addr,
            ended,
            ended_by: facts.ended_by,
            octets: room.get(..len?)?.into(),
            iface: facts.iface.take(),
            info: facts.nats.info.take().map(|info| info.1),
            connect: facts.nats.connect.take().map(|said| said.1),
        })
    }

    /// The facts again; `None` could only be where they were never written. `place`: memory for them.
    #[must_use]
    pub fn facts(self, place: Option<Box<Facts>>) -> Option<Box<Facts>> {
        let mut from = Unpacker::new(&self.octets, (self.ended.0, self.id));
        let mut facts = place.unwrap_or_else(|| Box::new(Facts::usual()));
        let said = Hellos::unpack(&mut from);
        facts.fill(&mut from);
        facts.first_frame = self.id;
        facts.iface = self.iface;
        facts.nats.info = said.server.zip(self.info);
        facts.nats.connect = said.client.zip(self.connect);
        from.is_done().then_some(facts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Octets that nobody wrote are facts of some kind, or none.
        #[test]
        fn anything_may_be_read(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut facts = Box::new(Facts::usual());
            let written = Written::of(&mut facts, &mut Vec::new());
            let Some(written) = written.map(|w| Written { octets: octets.into(), ..w }) else {
                return Err(TestCaseError::fail("facts of which the kernel told nothing are written"));
            };
            if let Some(mut facts) = written.facts(None) {
                let told = format!("{facts:?}");
                let again = Written::of(&mut facts, &mut Vec::new()).and_then(|written| written.facts(None));
                prop_assert_eq!(again.map(|facts| format!("{facts:?}")), Some(told));
            }
        }
    }
}
