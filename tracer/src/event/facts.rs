//! Facts of one connection: what was seen, never what it means. `track` fills them, `cause` reads them.
mod nats;
mod tcp;

pub use crate::nats::{Foreign, Protocol};
pub use crate::wire::IcmpKind;
pub use nats::{
    AtRisk, ErrorText, MqttFacts, NatsFacts, PingFacts, ProxySign, TlsAlert, TlsFacts, Unseen, WsClose,
};
pub use tcp::{Closings, IcmpFact, ResetFacts, Rtt, TcpFacts, Unanswered, ZeroWindow};

use super::{FrameRef, Handshake, HostFacts, Mark, Usual};
use crate::base::{Endpoint, PerSide, Side, Span, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where the capture was taken, seen from this connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Vantage {
    /// On the client's host (or its link).
    Client,
    /// On the server's host (or its link).
    Server,
    /// Both ends on one host.
    Both,
    /// On the path.
    Between,
    /// Can't be told.
    #[default]
    Unknown,
}

/// What is owed when an end does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Owed {
    /// An answer to SYN.
    Syn,
    /// An answer to SYN-ACK.
    SynAck,
    /// An acknowledgement of data.
    Data,
    /// An acknowledgement of FIN.
    Fin,
    /// An answer to a keepalive probe.
    Keepalive,
    /// A PONG (TCP acknowledged the PING).
    Pong,
    /// Reading: the window stays closed.
    Window,
}

impl<T: Clone + PartialEq + 'static> Usual for PerSide<Option<T>> {
    const USUAL: &'static Self = &Self { client: None, server: None };
}

/// All that was seen of one connection.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Global ordinal of its first frame: unique, orders connections.
    pub first_frame: u64,
    /// Who dialled.
    pub client: Endpoint,
    /// Who listens.
    pub server: Endpoint,
    /// Who is who is certain (SYN, banner or port), not guessed.
    pub roles_certain: bool,
    /// Interface or file name.
    pub iface: Option<Arc<str>>,
    /// First frame.
    pub start: Mark,
    /// Last frame.
    pub last: Mark,
    /// How it began.
    pub handshake: Handshake,
    /// When the handshake was complete.
    pub established: Option<Timestamp>,
    /// SYN to SYN-ACK.
    pub syn_to_synack: Option<Span>,
    /// SYN-ACK to ACK.
    pub synack_to_ack: Option<Span>,
    /// Both ends' TCP.
    pub tcp: PerSide<TcpFacts>,
    /// Round trips.
    pub rtt: Option<Rtt>,
    /// ICMP errors about it, first eight kinds.
    pub icmp: Vec<IcmpFact>,
    /// Where the capture was taken.
    pub vantage: Vantage,
    /// NATS; by itself, so that it moves from the session to here without being copied.
    pub nats: Box<NatsFacts>,
    /// The capture itself lost frames while it lived.
    pub capture_loss: bool,
    /// The capture ended while it was still undecided.
    pub input_ended: bool,
    /// Longest silence of the whole connection before its last exchange, and when it began.
    pub longest_idle: Span,
    /// Longest silence without any frame, over 10 s, that an exchange followed: it was lived through.
    pub lived_through: Span,
    /// Longest time without payload that payload followed.
    pub quiet_lived_through: Span,
    /// First FIN or RST in order of sight, if any.
    pub first_goodbye: Option<(Side, FrameRef)>,
    /// When it ended, and by what.
    pub ended: Timestamp,
    /// What ended it.
    pub ended_by: EndedBy,
    /// Resets that neither end heeded.
    pub ignored_resets: u32,
    /// What this host's kernel said of it; live only, never written down.
    pub host: Option<Box<HostFacts>>,
}

/// What ended a connection, before anything is said about whose doing it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum EndedBy {
    /// A FIN or RST.
    Goodbye,
    /// An end stopped trying, or went on saying goodbye into a dead path.
    GaveUp,
    /// The idle timeout passed while something was owed.
    Silence(Side, Owed),
    /// An ICMP error ended an attempt.
    Icmp,
    /// The same ports began a new connection.
    Reused,
}

/// Memory of facts that nobody needs any more, for those to come.
#[allow(clippy::vec_box, reason = "it is the boxes that are kept")]
pub type Rooms = Vec<Box<Facts>>;

impl Facts {
    /// Nobody's: memory for facts to come.
    #[must_use]
    pub fn nobodys() -> Self {
        Self {
            first_frame: 0,
            client: Endpoint::default(),
            server: Endpoint::default(),
            roles_certain: false,
            iface: None,
            start: Mark::default(),
            last: Mark::default(),
            handshake: Handshake::Midstream,
            established: None,
            syn_to_synack: None,
            synack_to_ack: None,
            tcp: PerSide::default(),
            rtt: None,
            icmp: Vec::new(),
            vantage: Vantage::Unknown,
            nats: Box::default(),
            capture_loss: false,
            input_ended: false,
            longest_idle: Span::ZERO,
            lived_through: Span::ZERO,
            quiet_lived_through: Span::ZERO,
            first_goodbye: None,
            ended: Timestamp::default(),
            ended_by: EndedBy::GaveUp,
            ignored_resets: 0,
            host: None,
        }
    }

    /// The endpoint of one side.
    #[must_use]
    pub const fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// No frame shows this connection: only the kernel told of it.
    #[must_use]
    pub const fn frameless(&self) -> bool {
        self.host.is_some() && self.tcp.client.packets == 0 && self.tcp.server.packets == 0
    }

    /// What the ends said can't be told: only the kernel shows the connection, or its payload was never captured. Then the
    /// absence of INFO, CONNECT or a PONG says nothing.
    #[must_use]
    pub fn unread(&self) -> bool {
        let said = self.tcp.client.bytes + self.tcp.server.bytes > 0;
        let read = self.nats.first_byte.client.is_some() || self.nats.first_byte.server.is_some();
        self.frameless() || said && !read
    }

    /// The path loses much, but is not dead: the end that had to repeat more, the share of its segments, how many. What was
    /// repeated last and never answered isn't counted, nor what waited for a closed window.
    #[must_use]
    pub fn lossy(&self) -> Option<(Side, f64, u32)> {
        let worst = self.loses()?;
        // Where one direction died, the other end repeats what was heard: only a goodbye shows that both still worked, or holes
        // that were filled: what is missing there was lost, and what was sent again arrived.
        let worked = self.ended_by == EndedBy::Goodbye || self.tcp[worst.0].filled_holes >= 2;
        let few = worst.2 >= 5 && worst.1 >= 0.08 && worked;
        (worst.2 >= 10 && worst.1 >= 0.03 || few).then_some(worst)
    }

    /// As [`Self::lossy`], where it may be chance: enough to doubt that an end's silence is its own.
    #[must_use]
    pub fn loses(&self) -> Option<(Side, f64, u32)> {
        let tcp = &self.tcp;
        if Side::BOTH.iter().any(|&s| tcp[s].zero_window.longest > Span::secs(1)) {
            return None;
        }
        let repeated = |side: Side| {
            let last = tcp[side].unanswered.map_or(0, |u| u.repeats);
            let repeats = tcp[side].retransmits.saturating_sub(last).saturating_add(tcp[side].filled_holes);
            (side, f64::from(repeats) / (tcp[side].packets.max(1) as f64), repeats)
        };
        let (client, server) = (repeated(Side::Client), repeated(Side::Server));
        let worst = if server.1 > client.1 { server } else { client };
        (worst.2 >= 3 && worst.1 >= 0.03).then_some(worst)
    }

    /// The last `-ERR` the server sent, if any.
    #[must_use]
    pub fn last_server_error(&self) -> Option<&ErrorText> {
        self.nats.errors.iter().rev().find(|e| e.from == Side::Server)
    }
}
