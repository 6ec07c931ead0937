//! What the rules ask of a case, worked out once.
use super::{Case, server_error};
use crate::base::{Side, Span, Timestamp};
use crate::event::{
    Evidence, Handshake, Kind, KnownClient, Mark, Owed, Party, ProcessEnd, Protocol, ReconnectOutcome,
    Source, Text, Unanswered,
};

impl<'a> Case<'a> {
    /// That end sent the FIN or RST that decided, and it was no proxy of its own accord.
    #[must_use]
    pub fn ended_by(&self, side: Side) -> bool {
        self.closed_by() == Some(side) && !self.closed_by_proxy()
    }

    /// One end fell silent, with or without the sign of a filter.
    #[must_use]
    pub fn went_silent(&self) -> bool {
        matches!(self.close.kind, Kind::Timeout | Kind::FirewallDrop)
    }

    /// The TCP connection never came about.
    #[must_use]
    pub fn attempt_failed(&self) -> bool {
        matches!(self.facts.handshake, Handshake::Refused | Handshake::Unanswered | Handshake::Incomplete)
    }

    /// The server never showed that it took the client: no PONG, no message, no traffic inside TLS.
    #[must_use]
    pub fn never_accepted(&self) -> bool {
        let nats = &self.facts.nats;
        self.attempt_failed()
            || (self.facts.handshake == Handshake::Complete
                && Side::BOTH.iter().all(|&s| self.heard_whole(s))
                && nats.accepted.is_none()
                && nats.msgs == 0
                && !self.tls_up()
                && nats.mqtt.as_ref().is_none_or(|m| m.connack != Some(0)))
    }

    /// The client used headers (HPUB) although INFO says that the server takes none.
    #[must_use]
    pub fn unsupported_headers(&self) -> bool {
        let nats = &self.facts.nats;
        nats.headers_used
            && nats.info.as_ref().is_some_and(|(_, info)| !info.headers && !info.version.is_empty())
    }

    /// All that end said from its first octet on was captured: what isn't there was not said.
    #[must_use]
    pub fn heard_whole(&self, side: Side) -> bool {
        let unseen = self.facts.nats.unseen[side];
        unseen.octets == 0
            && !unseen.lost
            && self.facts.tcp[side].packets > 0
            && self.facts.handshake != Handshake::Midstream
            && !self.facts.unread()
    }

    /// What an end said right before the goodbye was not captured, so that a reason may have stood there.
    #[must_use]
    pub fn last_words_unseen(&self) -> bool {
        let near = |m: Mark| self.ended_at() - m.at < Span::secs(1);
        matches!(self.close.kind, Kind::Fin | Kind::Rst)
            && !self.is_told()
            && Side::BOTH.iter().any(|&s| {
                let unseen = self.facts.nats.unseen[s];
                unseen.lost || unseen.last.is_some_and(near)
            })
    }

    /// TLS is up: what the ends say to each other can't be read.
    #[must_use]
    pub fn tls_up(&self) -> bool {
        self.facts.nats.tls.as_ref().is_some_and(|t| t.established)
    }

    /// A link between servers.
    #[must_use]
    pub fn is_server_link(&self) -> bool {
        matches!(self.facts.nats.protocol, Protocol::Route | Protocol::Gateway | Protocol::Leafnode)
    }

    /// The probes watch that end's process, and it went on living.
    #[must_use]
    pub fn lives_on(&self, side: Side) -> bool {
        let watched =
            self.facts.host.as_ref().is_some_and(|h| h.probes.exits && h.ends[side].process.is_some());
        watched && self.around.process_end[side].as_ref().is_none_or(|e| !e.exited && e.asked.is_none())
    }

    /// Its process ended while the socket was open: the kernel closed it.
    #[must_use]
    pub fn died_with(&self, side: Side) -> Option<&ProcessEnd> {
        self.around.process_end[side].as_ref().filter(|e| e.exited && e.before_close)
    }

    /// An attempt's socket was told an error at once and without a reset: ICMP, though no frame shows it. The errno; 0 where
    /// it can't be read.
    #[must_use]
    pub fn socket_told(&self) -> Option<i32> {
        let icmp = self.facts.frameless() && self.close.detail == Some("icmp");
        self.facts.host.as_ref()?.ends.client.error.filter(|_| icmp).map(|e| e.1)
    }

    /// The kernel's reason for the reset that this end's own TCP made.
    #[must_use]
    pub fn reset_reason(&self, side: Side) -> Option<&str> {
        self.facts.host.as_ref()?.ends[side].reset_sent.as_ref()?.1.as_deref()
    }

    /// When the first goodbye was said, else the close's own time.
    #[must_use]
    pub const fn ended_at(&self) -> Timestamp {
        self.ended_at
    }

    /// From the end of the handshake (else the first packet) to the end.
    #[must_use]
    pub fn age(&self) -> Span {
        self.ended_at() - self.facts.established.unwrap_or(self.facts.start.at)
    }

    /// What is owed and who waits for it: the sender and its unanswered segment.
    #[must_use]
    pub fn debt(&self) -> Option<(Side, &Unanswered)> {
        let of = |side: Side| self.facts.tcp[side].unanswered.as_ref().map(|u| (side, u));
        match self.close.side {
            Party::Client => of(Side::Server).or_else(|| of(Side::Client)),
            Party::Server => of(Side::Client).or_else(|| of(Side::Server)),
            Party::Network | Party::Unknown => match (of(Side::Client), of(Side::Server)) {
                (Some(c), Some(s)) => Some(if s.1.first.at < c.1.first.at { s } else { c }),
                (c, s) => c.or(s),
            },
        }
    }

    /// Debt that TCP itself shows: segments without an acknowledgement, not a late PONG or a closed window.
    #[must_use]
    pub fn tcp_debt(&self) -> Option<(Side, &Unanswered)> {
        self.debt().filter(|(_, u)| {
            matches!(u.owed, Owed::Data | Owed::Fin | Owed::Keepalive | Owed::SynAck)
                && !self.attempt_failed()
        })
    }

    /// The path loses, and the end came while something was still being repeated: who gave up may have heard nothing.
    #[must_use]
    pub fn struggled(&self) -> bool {
        let repeating = |side: Side| {
            let tcp = &self.facts.tcp[side];
            tcp.unanswered.is_some_and(|u| u.repeats > 0) || tcp.rst.is_some_and(|r| r.into_hole)
        };
        Side::BOTH.iter().any(|&s| repeating(s)) && self.facts.loses().is_some()
    }

    /// The client was repeating, without an answer, when the server gave up on its PONGs: they did not get through.
    #[must_use]
    pub fn cut_off(&self) -> Option<&Unanswered> {
        let own = self.facts.tcp.client.unanswered.as_ref()?;
        let before = own.repeats >= 2 && own.first.at + Span::millis(300) < self.ended_at();
        (self.ended_by(Side::Server) && before && server_error::told(self, "stale_client").is_some())
            .then_some(own)
    }

    /// The client left with two PINGs or more unanswered, and had waited for them: PINGs of its timer, not of a flush that it did
    /// not wait for.
    #[must_use]
    pub fn left_after_pings(&self) -> bool {
        let pings = &self.facts.nats.pings.client;
        pings.unanswered >= 2
            && pings.first_unanswered.is_none_or(|m| self.ended_at() - m.at >= Span::secs(1))
    }

    /// The client's PING timer ran while nothing it wrote got through: its last PINGs, written an interval apart, came within less
    /// than that before its goodbye, behind what was lost and sent again. How many, the interval, and the first of them.
    #[must_use]
    pub fn held_up_pings(&self) -> Option<(u32, Span, Mark)> {
        let (pings, tcp) = (&self.facts.nats.pings.client, &self.facts.tcp.client);
        let interval = pings.interval.filter(|_| pings.unanswered >= 2)?;
        let first = pings.first_unanswered?;
        let late = tcp.farewell()?.at - first.at < interval;
        let was_missing = tcp.filled_holes > 0;
        (self.ended_by(Side::Client) && late && was_missing).then_some((pings.unanswered, interval, first))
    }

    /// A bare reset into a running connection, that its alleged sender did not make: whether it is just what REJECT sends (no ACK, no
    /// more than the sequence number that the offending segment acknowledged: nf_send_reset in Linux). So may a balancer that lost
    /// its table, `tcpkill`, or another host that took the address over. None: the kernel says who made it, or it is no such reset.
    #[must_use]
    pub fn bare_reset(&self) -> Option<bool> {
        let seen = self.close.evidence.iter().all(|e| e.source == Source::Packet);
        let resets = Side::BOTH.iter().filter_map(|&s| *self.facts.tcp[s].rst);
        let first = resets.min_by_key(|r| (r.mark.at, r.mark.frame.number()));
        let rst = first.filter(|r| !r.has_ack && self.facts.handshake != Handshake::Refused && seen)?;
        let fits = rst.seq_off.is_none_or(|off| (-(1 << 20)..=0).contains(&off));
        Some(fits && !rst.ip_id_jump && !rst.payload)
    }

    /// The same client's next attempt at the same server worked at once: what stopped this connection let that one through.
    #[must_use]
    pub fn came_back_at_once(&self) -> bool {
        self.around.reconnect.as_ref().is_some_and(|r| {
            r.outcome == ReconnectOutcome::Reconnected && r.attempts <= 1 && r.server_changed == Some(false)
        })
    }

    /// PINGs to that end have no PONG although its TCP acknowledged them: the process hangs. How many.
    #[must_use]
    pub fn hung_pings(&self, side: Side) -> u32 {
        let asker = side.other();
        let tcp_dead = self.facts.tcp[asker].unanswered.is_some_and(|u| {
            matches!(u.owed, Owed::Data | Owed::Keepalive) || u.owed == Owed::Fin && u.repeats > 0
        });
        if tcp_dead { 0 } else { self.facts.nats.pings[asker].unanswered }
    }

    /// A long silence that ended in a segment without an answer, or in one answered by RST: how long, who spoke, where.
    #[must_use]
    pub fn idle_gap(&self) -> Option<(Side, Span, Mark)> {
        const LONG: Span = Span::secs(55);
        if self.close.kind == Kind::Rst {
            for side in Side::BOTH {
                if let Some(rst) = *self.facts.tcp[side].rst
                    && rst.idle_before >= LONG
                    && rst.answers.is_some()
                    && !rst.after_fin
                {
                    return Some((side.other(), rst.idle_before, rst.mark));
                }
            }
            return None;
        }
        let (sender, unanswered) = self.tcp_debt().filter(|_| self.went_silent())?;
        if unanswered.peer_spoke > 0 {
            return None;
        }
        let before = Side::BOTH
            .iter()
            .filter_map(|&s| self.facts.tcp[s].last_progress.or(self.facts.tcp[s].last))
            .map(|m| m.at)
            .filter(|&at| at < unanswered.first.at)
            .max()?;
        let gap = unanswered.first.at - before;
        (gap >= LONG).then_some((sender, gap, unanswered.first))
    }

    /// The reason is known in the server's own words.
    #[must_use]
    pub fn is_told(&self) -> bool {
        server_error::is_told(self)
    }

    /// The library of the client, `go` or empty: by its CONNECT, else by that of the connection which this attempt replaces.
    #[must_use]
    pub fn lang(&self) -> &str {
        match &self.facts.nats.connect {
            Some((_, connect)) => &connect.lang,
            None => self.known().map_or("", |known| &known.lang),
        }
    }

    /// The version of that library.
    #[must_use]
    pub fn library_version(&self) -> Option<&str> {
        let known = || self.known().map(|known| known.version.as_str());
        let version = self.facts.nats.connect.as_ref().map(|(_, c)| c.version.as_str()).or_else(known);
        version.filter(|v| !v.is_empty())
    }

    /// Who makes this attempt, known from the connection it lost.
    #[must_use]
    pub fn known(&self) -> Option<&'a KnownClient> {
        self.around.client.as_ref()
    }

    /// The reason why the network is out of it, where the packets show that.
    #[must_use]
    pub fn network_fine(&self) -> Option<Text> {
        let tcp = &self.facts.tcp;
        if tcp.client.packets == 0 || tcp.server.packets == 0 || self.facts.icmp.iter().any(|i| i.count > 0) {
            return None;
        }
        let repeats = tcp.client.retransmits + tcp.server.retransmits;
        let packets = tcp.client.packets + tcp.server.packets;
        if u64::from(repeats) * 50 > packets {
            return None;
        }
        let rtt = self.facts.rtt?;
        Some(
            say!(
                self,
                [
                    "not the network: ",
                    repeats,
                    " of ",
                    packets,
                    " segments repeated, round trip ",
                    Span::micros(i64::try_from(rtt.median_us).unwrap_or(i64::MAX)),
                    " (median) up to the end"
                ]
            )
            .into(),
        )
    }

    /// Why a filter is out of it: the end that closed said so itself.
    #[must_use]
    pub fn no_filter(&self, side: Side) -> Option<Text> {
        let tcp = &self.facts.tcp[side];
        match (self.close.kind, tcp.fin, *tcp.rst) {
            (Kind::Fin, Some(fin), _) if fin.is_kernel() => {
                Some(say!(self, "not a firewall: {} itself closed its socket", self.end(side)).into())
            }
            (Kind::Fin, Some(fin), _) => Some(
                say!(
                    self,
                    "not a firewall: {} itself sent FIN in sequence (packet {})",
                    self.end(side),
                    fin.frame.number()
                )
                .into(),
            ),
            (Kind::Rst, _, Some(rst)) if rst.ttl_known && rst.ttl_delta == 0 && rst.sender_went_on == 0 => {
                Some(say!(self, "not a forged reset: same TTL as all segments of {}", self.end(side)).into())
            }
            _ => None,
        }
    }

    /// Why this host's filter is out of it: its kernel tells of what it discards, and told of nothing.
    #[must_use]
    pub fn no_local_filter(&self) -> Option<Text> {
        let host = self.facts.host.as_ref().filter(|h| self.went_silent() && h.probes.drops)?;
        let side = host.here().filter(|_| host.filtered().next().is_none() && host.rules.is_empty())?;
        let addr = self.facts.endpoint(side).addr;
        Some(say!(
            self,
            "not a filter on {addr}: its kernel tells of discarded packets, and told of none of this connection"
        ).into())
    }

    /// Evidence for a FIN or RST of that end.
    #[must_use]
    pub fn goodbye_evidence(&self, side: Side) -> Option<Evidence> {
        let tcp = &self.facts.tcp[side];
        let mark = tcp.farewell()?;
        let word = match tcp.fin.is_some_and(|f| f == mark) {
            true if tcp.fin_unseen => "acknowledgement of a FIN, that was not captured,",
            true => "FIN",
            false => "RST",
        };
        Some(Evidence::packet(
            mark,
            say!(self, [word, " from the ", side, ", ", self.age(), " after the connection began"]),
        ))
    }

    /// Evidence for an unanswered segment.
    #[must_use]
    pub fn debt_evidence(&self) -> Option<Evidence> {
        let (sender, u) = self.debt()?;
        let what = match u.owed {
            Owed::Syn => "SYN",
            Owed::SynAck => "SYN-ACK",
            Owed::Data => "data",
            Owed::Fin => "FIN",
            Owed::Keepalive => "keepalive",
            Owed::Pong => "PING (acknowledged by TCP, no PONG)",
            Owed::Window => "data held up by a closed window",
        };
        let backoff = if u.backoff { " at doubling gaps" } else { "" };
        Some(Evidence::packet(
            u.first,
            say!(
                self,
                "{what} from the {sender} never answered: {} repeats{backoff} over {}",
                u.repeats,
                u.last.at - u.first.at
            ),
        ))
    }
}

/// `how it ended`, for a verdict that has nothing better.
#[must_use]
pub fn summary(case: &Case<'_>) -> String {
    let (client, server) = (case.client(), case.server());
    match (case.close.kind, case.close.side) {
        (Kind::Fin, Party::Client) => say!(case, "{client} closed the connection to {server}"),
        (Kind::Fin, Party::Server) => say!(case, "{server} closed the connection of {client} without a word"),
        (Kind::Fin, _) => say!(case, "the connection of {client} and {server} was closed"),
        (Kind::Rst, side) => say!(case, "the connection of {client} and {server} was reset ({side})"),
        (Kind::Timeout, side) => say!(case, "the connection of {client} and {server} fell silent ({side})"),
        (Kind::FirewallDrop, _) => say!(case, "packets between {client} and {server} were discarded"),
    }
}

/// What was seen, where nothing stronger is known.
#[must_use]
pub fn generic(case: &Case<'_>) -> Vec<Evidence> {
    let facts = case.facts;
    if facts.frameless() {
        let text =
            say!(case, "last record of the connection, {} after its first", facts.last.at - facts.start.at);
        return vec![Evidence::kernel(facts.last.at, text)];
    }
    vec![
        Evidence::packet(
            facts.last,
            say!(case, "last frame of the connection, {} after its first", facts.last.at - facts.start.at),
        ),
        Evidence::packets(say!(
            case,
            "{} packets from the client, {} from the server; handshake {}",
            facts.tcp.client.packets,
            facts.tcp.server.packets,
            facts.handshake
        )),
    ]
}

/// A time that is that long, give or take.
#[must_use]
pub fn about(time: Span, target: Span, slack: Span) -> bool {
    time.0.abs_diff(target.0) <= slack.0.unsigned_abs()
}
