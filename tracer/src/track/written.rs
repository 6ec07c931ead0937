//! The facts of a connection that has ended and waits for what follows, written down: of two thousand octets, nearly all of which
//! say that nothing happened, a few hundred are left.
use super::ConnId;
use super::rest::format;
use crate::base::{Addr, Timestamp};
use crate::event::{EndedBy, Facts, Mark, NatsFacts};
use crate::nats::{Connect, Info};
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
    shared: Shared,
    octets: Box<[u8]>,
}

/// What many connections have in common.
#[derive(Debug)]
struct Shared {
    iface: Option<Arc<str>>,
    info: Option<Arc<Info>>,
    connect: Option<Arc<Connect>>,
}

/// When INFO and CONNECT came.
type Marks = (Option<Mark>, Option<Mark>);

impl Shared {
    /// Takes it out of the facts.
    fn take(facts: &mut Facts) -> (Self, Marks) {
        let (info_at, info) = facts.nats.info.take().unzip();
        let (connect_at, connect) = facts.nats.connect.take().unzip();
        (Self { iface: facts.iface.take(), info, connect }, (info_at, connect_at))
    }

    /// Puts it back.
    fn give(self, facts: &mut Facts, (info_at, connect_at): Marks) {
        facts.iface = self.iface;
        facts.nats.info = info_at.zip(self.info);
        facts.nats.connect = connect_at.zip(self.connect);
    }
}

impl Written {
    /// Writes facts down; of these no more than the memory is left then. `None` where that can't be, since what the kernel said is
    /// not written: then they are as they were. `room`: memory for the writing, which is left for the next.
    pub fn of(facts: &mut Facts, room: &mut Vec<u8>) -> Option<Self> {
        if facts.host.is_some() {
            return None;
        }
        let (shared, marks) = Shared::take(facts);
        let (id, ended) = (facts.first_frame, facts.ended);
        room.clear();
        let nats = Some(&facts.nats).filter(|nats| **nats != NatsFacts::default());
        let Ok(octets) = format::write(&(marks, nats, &*facts), (ended.0, id), std::mem::take(room)) else {
            shared.give(facts, marks);
            return None;
        };
        *room = octets;
        let (client, ended_by) = (facts.client.addr, facts.ended_by);
        Some(Self { id, client, ended, ended_by, shared, octets: room.as_slice().into() })
    }

    /// The facts again; `None` could only be where they were never written. `place`: memory for them.
    #[must_use]
    pub fn facts(self, place: Option<Box<Facts>>) -> Option<Box<Facts>> {
        let ((marks, nats, mut facts), _): ((Marks, Option<NatsFacts>, Facts), _) =
            format::read(&self.octets, (self.ended.0, self.id)).ok()?;
        facts.nats = nats.unwrap_or_default();
        self.shared.give(&mut facts, marks);
        Some(facts.put(place))
    }
}
