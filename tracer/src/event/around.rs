//! What happened around one connection's end: the same server, the same hosts, the same client. Filled by `track`'s
//! neighbours after the merge by time, read by `cause`.
use super::{Mark, Reconnect};
use crate::base::{Endpoint, PerSide, Side, Span, Timestamp};
use ecow::EcoString;

/// Neighbourhood of one close.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Other connections of the same server endpoint that the server closed (FIN or RST) within 1 s of this one.
    pub server_closed_others: u32,
    /// From the first to the last of those closes, this one included.
    pub server_closed_spread: Span,
    /// Other connections of the same server endpoint on which the server was heard later than 1 s after this close, or
    /// on which it was heard after it and stayed open to the end of the settle window.
    pub server_serves_others: u32,
    /// First SYN to the same server endpoint after (or at most 5 s before) the close that was refused.
    pub refused: Option<Mark>,
    /// First connection the same server endpoint accepted (INFO or PONG seen) after the close.
    pub accepted: Option<Mark>,
    /// server_id of the first accepted connection after the close differs from this connection's (None: one is unknown).
    pub server_id_changed: Option<bool>,
    /// The same server endpoint answered other clients' SYNs while this attempt was unanswered or refused.
    pub server_accepts_others: Option<Mark>,
    /// The same server endpoint, or its cluster mates, announced lame duck on any connection.
    pub lame_duck: Option<Mark>,
    /// The silent host answered the same peer on another connection while it was silent on this one.
    pub pair_answers: Option<Mark>,
    /// It answers there on the same server port (a new connection that works at once, another client port).
    pub pair_answers_same_port: bool,
    /// The silent host answered any other host while it was silent here.
    pub host_answers: Option<Mark>,
    /// Other connections between the same two hosts that fell silent within 5 s of this one.
    pub pair_silent: u32,
    /// Other connections of the silent host, with other peers, that fell silent within 5 s of this one.
    pub host_silent: u32,
    /// Other connections of the same server endpoint (or client host) that ended after about the same idle gap (±10 %).
    pub same_idle_gap: u32,
    /// Connections the same client host ended (FIN or RST) within 100 ms of this one, to any server; none where they are no more
    /// than that host ends all the time.
    pub client_closed_others: u32,
    /// A connection to the same server with the same identity (MQTT client id, leaf or route server name) was accepted within
    /// 1 s before this close.
    pub replaced: Option<Mark>,
    /// Nothing that this server sent was captured, though clients acknowledge what it says: the capture holds one direction.
    pub server_unheard: bool,
    /// What became of the client.
    pub reconnect: Option<Reconnect>,
    /// Attempts (SYNs) of the same client host at this server in the 10 s before this close, and in the 1 s of all clients.
    pub attempts_client_10s: u32,
    /// Attempts of all clients at this server in the second before this close.
    pub attempts_server_1s: u32,
    /// This close is a failed attempt, and no further attempt of the client followed although the input goes on: how long it goes on.
    pub quiet_after: Option<Span>,
    /// Attempts of the same client that failed before this one, in a row.
    pub failed_attempts_before: u32,
    /// Connections at the same server, made in the 30 s before this attempt, whose handshake its kernel finished but to which the
    /// process said nothing.
    pub server_mute: u32,
    /// TTL that the server's host otherwise shows at the capture.
    pub server_ttl: Option<u8>,
    /// The same address answers with another TTL on other connections, to and fro: that TTL.
    pub other_server_ttl: Option<u8>,
    /// While the server was heard on this connection, another one (another server_id) greeted a client at the same address: several
    /// stand behind it.
    pub other_server: Option<Mark>,
    /// Where the capture stands, as other connections between the same hosts show it.
    pub vantage: Option<super::Vantage>,
    /// When the input ended, as far as known at judging.
    pub seen_until: Timestamp,
    /// The reason in the server's own words (`reason` of /connz?state=closed, or its log's "connection closed: …").
    pub server_reason: Option<ServerReason>,
    /// Who makes this attempt, where the connection it lost told and no other client of its host was waiting.
    pub client: Option<KnownClient>,
    /// The server of this attempt is known to the client from INFO alone: where that INFO came from.
    pub announced_by: Option<Endpoint>,
    /// Clients that lost their connections together and came back to this server about now.
    pub herd: Option<Herd>,
    /// How long this server's INFO took after accept, on other connections.
    pub info_latency: Option<Latency>,
    /// How long its PONGs took, on other connections.
    pub pong_latency: Option<Latency>,
    /// How the process that owned each end's socket ended, where the kernel told it and it ended about this close.
    pub process_end: PerSide<Option<ProcessEnd>>,
    /// The same connection as another flow, on the other side of a proxy or NAT.
    pub other_leg: Option<OtherLeg>,
    /// Another host was refused, or not answered, at another server while this connection had no word from its own: the
    /// dialled server, and the SYN or RST that shows it.
    pub refused_behind: Option<(Mark, Endpoint)>,
}

/// What joins the two legs of one connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Joint {
    /// It rewrites addresses; both ends talk to each other's TCP.
    Nat,
    /// It dials anew: each end talks to its TCP.
    Proxy,
}

impl Joint {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nat => "NAT",
            Self::Proxy => "proxy",
        }
    }
}

/// The other leg of a connection that was captured on both sides of a proxy or NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherLeg {
    /// Its number in the output.
    pub flow: u64,
    /// Who dials on it.
    pub client: Endpoint,
    /// Who is dialled.
    pub server: Endpoint,
    /// What lies between.
    pub joint: Joint,
    /// Whose leg it is: that of the client, or that of the server.
    pub at: Side,
    /// The frame of it that shows that it is the same connection.
    pub shown: Mark,
    /// Who said goodbye on it first, and when.
    pub goodbye: Option<(Side, Mark)>,
    /// Who fell silent on it.
    pub silent: Option<Side>,
    /// It has ended, one way or the other.
    pub ended: bool,
}

/// Which hop closed first, where a connection has two legs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Maker {
    /// The end of this leg.
    ThisEnd,
    /// The end of the other leg.
    FarEnd,
    /// What lies between.
    Joint,
    /// Can't be told.
    Unknown,
}

impl OtherLeg {
    /// Which hop closed first, where `by` said the first goodbye on this leg. Order on each leg is enough: the clocks of two
    /// captures need not agree.
    #[must_use]
    pub fn maker(&self, by: Side) -> Maker {
        // On this leg the joint stands where the other leg's end would be.
        if by != self.at {
            return Maker::ThisEnd;
        }
        match self.goodbye {
            Some((side, _)) if side == self.at => Maker::FarEnd,
            Some(_) => Maker::Joint,
            None if !self.ended => Maker::Joint,
            None => Maker::Unknown,
        }
    }
}

/// A client known by an earlier connection of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownClient {
    /// Name of its CONNECT.
    pub name: EcoString,
    /// Library language.
    pub lang: EcoString,
    /// Library version.
    pub version: EcoString,
    /// User of its CONNECT.
    pub user: EcoString,
}

/// Many clients that lost their connections within a few seconds, and their first attempts at one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Herd {
    /// How many.
    pub clients: u32,
    /// From the loss to the first attempt: the twentieth that was quickest, the median, the twentieth that was slowest.
    pub delay: (Span, Span, Span),
    /// Half of the first attempts came within this time.
    pub half_within: Span,
}

impl Herd {
    /// Half of the first attempts this close together have waited equally long: what jitter there is, is the libraries' 0.1 s
    /// at most, which spreads nobody.
    #[must_use]
    pub fn has_no_jitter(&self) -> bool {
        self.half_within < Span::millis(100)
    }

    /// One clause.
    #[must_use]
    pub fn in_words(&self) -> String {
        let jitter = if self.has_no_jitter() { ": no jitter worth the name" } else { "" };
        format!(
            "{} clients that lost their connections together tried again after {} to {} (median {}), half of them within {}{jitter}",
            self.clients, self.delay.0, self.delay.2, self.delay.1, self.half_within
        )
    }
}

/// How long a server took to answer, on its connections together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Median of the answers in the half minute before.
    pub recent: Span,
    /// How many those are.
    pub count: u32,
    /// Median of those before, where there are enough.
    pub earlier: Option<Span>,
    /// The slowest of the recent ones.
    pub slowest: Span,
}

/// The server's own reason for a close.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerReason {
    /// When it was written, where known.
    pub at: Option<Timestamp>,
    /// The words, without secrets.
    pub text: String,
    /// Where they stand, as evidence says it; empty: its record of this connection.
    pub stands: String,
}

/// How a process ended, or what it was told to do, as the kernel tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessEnd {
    /// When it ended; where it lives on, when it was sent the signal.
    pub at: Timestamp,
    /// Process id.
    pub pid: u32,
    /// The kernel's comm.
    pub name: String,
    /// The signal that ended it, by number (None: it exited by itself, or lives on).
    pub signal: Option<u8>,
    /// The last signal it was sent before, whether it ended it or was taken as a request.
    pub asked: Option<u8>,
    /// Who sent that signal: comm and pid.
    pub sender: Option<(String, u32)>,
    /// Its exit status, where it exited by itself.
    pub status: Option<u8>,
    /// The OOM killer chose it.
    pub oom: bool,
    /// It ended (else it was only sent a signal).
    pub exited: bool,
    /// It ended before its socket was closed: the kernel closed it, not the process.
    pub before_close: bool,
}

impl ProcessEnd {
    /// `SIGTERM from systemd (pid 1)`: the last signal it was sent and by whom.
    #[must_use]
    pub fn request(&self) -> Option<String> {
        let name = signal_name(self.asked?);
        Some(match &self.sender {
            Some((by, pid)) => format!("{name} from {by} (pid {pid})"),
            None => name,
        })
    }

    /// `SIGKILL` and its like, where a signal ended it.
    #[must_use]
    pub fn signal_name(&self) -> Option<String> {
        self.signal.map(signal_name)
    }
}

/// POSIX name; the number where the name isn't at hand.
fn signal_name(number: u8) -> String {
    match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        other => return format!("signal {other}"),
    }
    .to_owned()
}
