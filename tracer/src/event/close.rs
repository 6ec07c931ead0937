//! A close and its cause, in the words of the outside contract.
use super::{Evidence, Facts, KnownClient, OtherLeg, Text};
use crate::base::{Endpoint, Side, Span, Timestamp};
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        pub enum $name { $($(#[$vmeta])* $variant),+ }

        impl $name {
            /// Every member, in the contract's order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The contract's word.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|v| v.name() == text).ok_or_else(|| {
                    let all: Vec<_> = Self::ALL.iter().map(|v| v.name()).collect();
                    format!("'{text}' is none of {}", all.join(", "))
                })
            }
        }
    };
}

words! {
    /// How a connection ended.
    Kind {
        /// Closed in order.
        Fin = "fin",
        /// Reset, refused ones included.
        Rst = "rst",
        /// One side fell silent, no sign of a filter.
        Timeout = "timeout",
        /// Packets were filtered.
        FirewallDrop = "firewall_drop",
    }
}

words! {
    /// Whose doing it was.
    Party {
        /// The end that dialled.
        Client = "client",
        /// The end that listens.
        Server = "server",
        /// Something between.
        Network = "network",
        /// Can't be told.
        Unknown = "unknown",
    }
}

words! {
    /// How the connection began.
    #[derive(Serialize, Deserialize)]
    Handshake {
        /// SYN, SYN-ACK, ACK.
        Complete = "complete",
        /// SYN answered by RST.
        Refused = "refused",
        /// SYN never answered, or only by ICMP.
        Unanswered = "unanswered",
        /// SYN-ACK seen, third step not.
        Incomplete = "incomplete",
        /// Observation began later.
        Midstream = "midstream",
        /// Probes alone could not tell.
        Unknown = "unknown",
    }
}

words! {
    /// What kind of reason.
    Family {
        /// Nothing wrong.
        Normal = "normal",
        /// The path.
        NetworkInterruption = "network_interruption",
        /// The server went away.
        ServerShutdown = "server_shutdown",
        /// The server could not keep up.
        ServerOverload = "server_overload",
        /// The client's settings.
        ClientConfig = "client_config",
        /// The client did not keep up, or sent too much at once.
        SlowConsumer = "slow_consumer",
        /// The two don't speak the same.
        VersionOrProtocol = "version_or_protocol",
        /// Credentials.
        Auth = "auth",
        /// Not known.
        Unknown = "unknown",
    }
}

words! {
    /// What became of a client that lost its connection.
    #[derive(Default)]
    ReconnectOutcome {
        /// A new connection worked.
        Reconnected = "reconnected",
        /// It stopped trying.
        GaveUp = "gave_up",
        /// Still trying when the input ended.
        Trying = "trying",
        /// Can't be told.
        #[default]
        Unknown = "unknown",
    }
}

words! {
    /// How the gaps between a client's attempts behave.
    Pace {
        /// All alike.
        Constant = "constant",
        /// Each about as long as the last one, or longer.
        Growing = "growing",
        /// Alike but for a random part.
        Jittered = "jittered",
        /// Nothing of it.
        Irregular = "irregular",
    }
}

words! {
    /// What a server that was tried did.
    Tried {
        /// It took the client.
        Accepted = "accepted",
        /// RST to the SYN.
        Refused = "refused",
        /// Nothing came back.
        Unanswered = "unanswered",
        /// It closed before it took the client.
        TurnedAway = "turned_away",
        /// The client left before it was taken.
        Left = "left",
        /// Not known (yet).
        Unknown = "unknown",
    }
}

impl From<Side> for Party {
    fn from(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
        }
    }
}

/// How a connection ended: `close` in the contract, with what it rests on.
#[derive(Clone, Debug)]
pub struct Close {
    /// How.
    pub kind: Kind,
    /// Whose doing.
    pub side: Party,
    /// Finer kind, free text (`refused`, `abort`, `injected`, …).
    pub detail: Option<&'static str>,
    /// 0 to 1.
    pub confidence: f64,
    /// When it ended.
    pub at: Timestamp,
    /// What shows it.
    pub evidence: Vec<Evidence>,
}

impl Close {
    /// Who said the goodbye that decided, where one did and an end said it.
    #[must_use]
    pub const fn closed_by(&self) -> Option<Side> {
        match (self.kind, self.side) {
            (Kind::Fin | Kind::Rst, Party::Client) => Some(Side::Client),
            (Kind::Fin | Kind::Rst, Party::Server) => Some(Side::Server),
            _ => None,
        }
    }
}

/// Why: `cause` in the contract.
#[derive(Clone, Debug)]
pub struct Cause {
    /// The contract's code.
    pub code: &'static str,
    /// Its family.
    pub family: Family,
    /// One sentence with the real names and figures.
    pub summary: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Strongest first; never empty in a report.
    pub evidence: Vec<Evidence>,
    /// What to do, one step an entry, with the real addresses.
    pub fix: Vec<String>,
    /// Other causes that would fit, with their confidence.
    pub also: Vec<(&'static str, f64)>,
    /// Answers to the next question.
    pub why_not: Vec<Text>,
}

/// What became of the client afterwards.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reconnect {
    /// SYNs of the same client after the loss, the successful one included.
    pub attempts: u32,
    /// Median gap between attempts.
    pub interval: Option<Span>,
    /// How the gaps between attempts at one server behave, where there are three at least.
    pub pace: Option<Pace>,
    /// Shortest and longest of those gaps.
    pub gaps: Option<(Span, Span)>,
    /// What became of it.
    pub outcome: ReconnectOutcome,
    /// From the end to the SYN of the connection that worked.
    pub downtime: Option<Span>,
    /// From the last sign of the server (its goodbye, else when it was last heard) to the client's own reaction.
    pub detect: Option<Span>,
    /// The first attempt.
    pub first_attempt: Option<Timestamp>,
    /// Another server_id answered.
    pub server_changed: Option<bool>,
    /// Servers it tried, in the order of their first attempt; bounded.
    pub servers: Vec<TriedServer>,
    /// Subscriptions it held before and holds on the new connection.
    pub subscriptions: Option<(u64, u64)>,
    /// The new connection.
    pub flow: Option<u64>,
}

/// One server that a client tried.
#[derive(Clone, Debug, PartialEq)]
pub struct TriedServer {
    /// Where.
    pub server: Endpoint,
    /// SYNs.
    pub attempts: u32,
    /// What became of the last attempt.
    pub outcome: Tried,
    /// INFO of the lost connection named it in connect_urls.
    pub announced: bool,
}

/// One `close` line: everything known of a connection that ended.
#[derive(Clone, Debug)]
pub struct CloseReport {
    /// Connection number by first frame, from 1.
    pub flow: u64,
    /// What was seen.
    pub facts: Box<Facts>,
    /// How it ended.
    pub close: Close,
    /// Why.
    pub cause: Cause,
    /// What became of the client.
    pub reconnect: Option<Reconnect>,
    /// The same connection as another flow.
    pub other_leg: Option<OtherLeg>,
    /// Who dialled, where only a connection that was lost before tells.
    pub known: Option<KnownClient>,
}

/// The last line: counts over the run.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Time of the last input.
    pub at: Timestamp,
    /// Frames read.
    pub packets: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Connections seen.
    pub seen: u64,
    /// Of them closed.
    pub closed: u64,
    /// Of them still open.
    pub open: u64,
    /// Of them forgotten for want of room.
    pub evicted: u64,
    /// Closes by kind.
    pub kinds: std::collections::BTreeMap<&'static str, u64>,
    /// Closes by side.
    pub sides: std::collections::BTreeMap<&'static str, u64>,
    /// Closes by cause.
    pub causes: std::collections::BTreeMap<&'static str, u64>,
    /// Busiest clients by closes: address with the name behind it, closes. Most first.
    pub clients: Vec<(String, u64)>,
    /// Frames the capture lost.
    pub capture_lost_packets: u64,
    /// Records of the kernel's probes.
    pub kernel_records: u64,
    /// Wall time of the run in milliseconds; set at the edge.
    pub elapsed_ms: u64,
}
