//! What shows of a case at a glance. Most closes have few symptoms, and a rule that never fires without one that is missing need
//! not be asked.
use super::{Case, NEEDS, RULES, Rule, idle_timeout_middlebox, server_error, slow_consumer};
use crate::base::{PerSide, Side};
use crate::event::{Kind, TcpFacts};

macro_rules! symptoms {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        /// One thing that shows at a glance.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Symptom { $($(#[$meta])* $name),+ }
    };
}

symptoms! {
    /// Something was said that may be the reason: an -ERR, a WebSocket close, the server's own record.
    Told,
    /// The client's FIN or RST decided.
    ClientLeft,
    /// The server's FIN or RST decided.
    ServerLeft,
    /// A reset decided, whoever made it.
    Reset,
    /// An end fell silent.
    FellSilent,
    /// The TCP connection never came about.
    AttemptFailed,
    /// The server never showed that it took the client.
    NotTaken,
    /// The client said no CONNECT that could be read.
    NoConnect,
    /// The server said nothing that was captured.
    ServerMute,
    /// An ICMP error is about it.
    Icmp,
    /// This host's kernel tells of it.
    KernelTells,
    /// The process of an end ended, or was sent a signal.
    ProcessEnd,
    /// It ended after no end had said anything for four seconds.
    Quiet,
    /// An end waits for an answer.
    Owed,
    /// Segments were repeated, or came so late that they must have been.
    Repeats,
    /// It was captured on both sides of a proxy or NAT.
    OtherLeg,
    /// The server announced that it leaves.
    Leaving,
    /// A PING has no PONG.
    OpenPings,
    /// A PONG took far longer than any acknowledgement.
    LatePong,
    /// It is a link between servers.
    ServerLink,
    /// The client's receive window was closed for as long as the server waits.
    WindowShut,
    /// An end said something that is no NATS.
    Garbled,
    /// TLS was begun.
    Tls,
    /// It speaks MQTT.
    Mqtt,
    /// A proxy names another client.
    Proxied,
    /// The server's settings are known.
    SettingsTold,
}

/// Some of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symptoms(u32);

macro_rules! shown {
    ($($name:ident: $shows:expr),+ $(,)?) => { Symptoms(0 $(| (($shows) as u32) << Symptom::$name as u32)+) };
}

impl Symptoms {
    /// Those of a list.
    #[must_use]
    pub const fn all(list: &[Symptom]) -> Self {
        let (mut bits, mut rest) = (0, list);
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u32;
            rest = others;
        }
        Self(bits)
    }

    /// Those of a case.
    #[must_use]
    pub fn of(case: &Case<'_>) -> Self {
        let (facts, around) = (case.facts, case.around);
        let (nats, client, server) = (&facts.nats, &facts.tcp.client, &facts.tcp.server);
        let (by, pings) = (case.closed_by(), &nats.pings);
        let said_last = client.last_data.map(|m| m.at).max(server.last_data.map(|m| m.at));
        let repeats = |tcp: &TcpFacts| tcp.retransmits | tcp.filled_holes > 0;
        let slowest =
            pings.client.slowest_pong.zip(facts.rtt).map(|(pong, rtt)| pong.as_micros() / 4 >= rtt.max_us);
        shown! {
            Told: server_error::may_be_told(case),
            ClientLeft: by == Some(Side::Client),
            ServerLeft: by == Some(Side::Server),
            Reset: case.close.kind == Kind::Rst,
            FellSilent: case.went_silent(),
            AttemptFailed: case.attempt_failed(),
            NotTaken: nats.accepted.is_none(),
            NoConnect: nats.connect.is_none(),
            ServerMute: nats.first_byte.server.is_none(),
            Icmp: !facts.icmp.is_empty(),
            KernelTells: facts.host.is_some(),
            ProcessEnd: around.process_end.client.is_some() | around.process_end.server.is_some(),
            Quiet: said_last.is_some_and(|at| case.ended_at() - at >= idle_timeout_middlebox::LEAST),
            Owed: client.unanswered.is_some() | server.unanswered.is_some(),
            Repeats: repeats(client) | repeats(server),
            OtherLeg: around.other_leg.is_some(),
            Leaving: nats.lame_duck.or(around.lame_duck).or(nats.server_shutdown_status).is_some(),
            OpenPings: pings.client.unanswered | pings.server.unanswered > 0,
            LatePong: slowest == Some(true),
            ServerLink: case.is_server_link(),
            WindowShut: slow_consumer::held_long(case),
            Garbled: any(&nats.malformed) | any(&nats.foreign),
            Tls: nats.tls.is_some(),
            Mqtt: nats.mqtt.is_some(),
            Proxied: nats.forwarded_for.is_some(),
            SettingsTold: case.settings.told,
        }
    }

    /// The rules that one of them may make fire, in the order of their list.
    pub fn call(self) -> impl Iterator<Item = &'static Rule> {
        let (mut left, mut called) = (self.0, 0u64);
        while left != 0 {
            called |= CALLED.get(left.trailing_zeros() as usize).copied().unwrap_or_default();
            left &= left - 1;
        }
        std::iter::from_fn(move || {
            let place = called.trailing_zeros();
            called &= called.wrapping_sub(1);
            RULES.get(place as usize).copied()
        })
    }

    /// Whether some of the others are among these.
    #[must_use]
    pub const fn meet(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }
}

/// By symptom, the rules that it may make fire, a bit each by their place in the list.
static CALLED: [u64; 32] = {
    let mut called = [0; 32];
    let mut bit = 0;
    while bit < called.len() {
        let mut place = 0;
        while place < NEEDS.len() {
            called[bit] |= ((NEEDS[place].0 >> bit & 1) as u64) << place;
            place += 1;
        }
        bit += 1;
    }
    called
};

fn any<T>(of: &PerSide<Option<T>>) -> bool {
    of.client.is_some() | of.server.is_some()
}
