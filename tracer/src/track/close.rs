//! How a connection ended and whose doing it was: the contract's order of precedence over the facts. Why is another floor's
//! question.
use super::testimony::{self, Maker};
use super::{joint, timers};
use crate::base::{Addr, PerSide, Side, Span};
use crate::event::{
    Around, Close, EndedBy, Evidence, Facts, Handshake, IcmpFact, IcmpKind, Kind, Mark, Owed, Party,
    ResetFacts, Unanswered, Vantage,
};

/// Payload that a path with a smaller MTU than the hosts' may not pass: 1280 is IPv6's least MTU (RFC 8200, 5), less headers.
const LARGE: u32 = 1200;

/// States the close.
#[must_use]
pub fn decide(facts: &Facts, around: &Around) -> Close {
    let mut close = goodbye(facts, around).or_else(|| icmp(facts)).unwrap_or_else(|| silence(facts, around));
    testimony::join(facts, &mut close);
    joint::join(around, &mut close);
    close
}

/// Rule 1: the first FIN or RST that was heard, or can't be shown to be lost.
fn goodbye(facts: &Facts, around: &Around) -> Option<Close> {
    if matches!(facts.ended_by, EndedBy::Silence(..)) {
        return None;
    }
    let heard_fin = |side: Side| {
        let tcp = &facts.tcp[side];
        let lost = || tcp.fin_lost() || !tcp.fin_answered && testimony::fin_filtered(facts, side);
        Some((tcp.fin.filter(|_| !lost())?, side, false))
    };
    let heard_reset = |side: Side| {
        let rst =
            facts.tcp[side].rst.filter(|rst| !rst.into_hole && !testimony::reset_unheard(facts, side))?;
        Some((rst.mark, side, true))
    };
    let [c, s] = Side::BOTH;
    let candidates = [heard_fin(c), heard_reset(c), heard_fin(s), heard_reset(s)];
    // A FIN that the other end's FIN acknowledges came before it, though one frame shows both.
    let order = |&(mark, side, rst): &(Mark, Side, bool)| {
        (mark.at, mark.frame.number(), !facts.tcp[side].fin_unseen, rst, side == Side::Server)
    };
    let (mark, side, is_reset) = candidates.into_iter().flatten().min_by_key(order)?;
    Some(match half_seen(facts, around, side, mark).filter(|_| !is_reset) {
        Some(close) => close,
        None if is_reset => reset(facts, around, side, mark),
        None => fin(facts, side, mark),
    })
}

/// A FIN where nothing of the other end was captured: who left first shows only in what the captured end acknowledges.
fn half_seen(facts: &Facts, around: &Around, side: Side, mark: Mark) -> Option<Close> {
    let (tcp, other) = (&facts.tcp[side], side.other());
    let peer = &facts.tcp[other];
    if peer.packets > 0 || peer.fin.is_some() || facts.host.is_some() {
        return None;
    }
    // Whoever leaves second leaves within this time, and whoever left first acknowledges that.
    let soon = Span::secs(1);
    let heard = tcp.last_progress.is_some_and(|p| mark.at - p.at < soon);
    let (party, confidence, why) = if facts.nats.unseen[other].left_after {
        (side.into(), 0.9, "and acknowledged the other one's after it")
    } else if tcp.rst.is_some() || !heard {
        (side.into(), 0.7, "after nothing that it would answer")
    } else if tcp.fin_repeats > 0 || around.seen_until - mark.at < soon {
        (Party::Unknown, 0.4, "and whether the other one had come before can't be told")
    } else {
        (other.into(), 0.6, "and acknowledged none after it: the other one must have come before")
    };
    let text = format!("the {side} sent FIN {why}; nothing of the {other} was captured");
    Some(Close {
        kind: Kind::Fin,
        side: party,
        detail: None,
        confidence,
        at: mark.at,
        evidence: vec![Evidence::packet(mark, text)],
    })
}

fn fin(facts: &Facts, side: Side, mark: Mark) -> Close {
    let tcp = &facts.tcp[side];
    let peer = &facts.tcp[side.other()];
    let answered = tcp.fin_answered || peer.fin.is_some();
    let detail = if tcp.fin_behind_data && peer.zero_window.longest > Span::millis(500) {
        Some("fin_behind_queued_data")
    } else if peer.fin.is_none() && peer.rst.is_none() && tcp.fin_answered {
        Some("half_closed")
    } else {
        None
    };
    let sent = match detail {
        _ if tcp.fin_unseen => PerSide {
            client: "client sent FIN, which was not captured; here it is acknowledged",
            server: "server sent FIN, which was not captured; here it is acknowledged",
        },
        Some("fin_behind_queued_data") => PerSide {
            client: "client sent FIN behind queued data",
            server: "server sent FIN behind queued data",
        },
        _ => PerSide { client: "client sent FIN", server: "server sent FIN" },
    };
    let mut evidence = vec![Evidence::packet(mark, sent[side])];
    if let Some(reset) = *peer.rst {
        evidence.push(Evidence::packet(reset.mark, format!("{} answered with RST", side.other())));
    } else if let Some(reset) = *tcp.rst {
        evidence.push(Evidence::packet(reset.mark, format!("{side} answered later data with RST")));
    }
    Close {
        kind: Kind::Fin,
        side: side.into(),
        detail,
        confidence: if answered { 0.98 } else { 0.9 },
        at: mark.at,
        evidence,
    }
}

/// A reset: whose it claims to be, and whether that is true.
fn reset(facts: &Facts, around: &Around, side: Side, mark: Mark) -> Close {
    let tcp = &facts.tcp[side];
    let Some(rst) = *tcp.rst else { return silence(facts, around) };
    let refused = facts.handshake == Handshake::Refused;
    let mut evidence = Vec::new();
    let maker = testimony::maker(facts, side, mark);
    let forged = match maker {
        Maker::Own => None,
        Maker::Foreign => {
            evidence.push(Evidence::kernel(
                mark.at,
                format!("the TCP of the {side}'s host made no reset: what left it in its name is a filter's"),
            ));
            Some(0.97)
        }
        Maker::Unknown => forged(facts, around, side, &rst, &mut evidence),
    };
    if let Some(confidence) = forged {
        let answers_one_side = maker == Maker::Foreign
            || rst.answers.is_some()
                && (refused || !rst.has_ack)
                && facts.tcp[side.other()].rst.is_none_or(|r| r.mark.at > rst.mark.at);
        let detail = if answers_one_side { "reject" } else { "injected" };
        return Close {
            kind: Kind::Rst,
            side: Party::Network,
            detail: Some(detail),
            confidence,
            at: mark.at,
            evidence,
        };
    }
    let (detail, text, confidence) = if refused {
        (Some("refused"), format!("{side} answered the SYN with RST"), 0.97)
    } else if rst.answers.is_some() && !rst.has_ack {
        (Some("no_socket"), format!("{side} answered a segment with a bare RST"), 0.9)
    } else {
        (Some("abort"), format!("{side} sent RST"), 0.95)
    };
    evidence.insert(0, Evidence::packet(mark, text));
    Close { kind: Kind::Rst, side: side.into(), detail, confidence, at: mark.at, evidence }
}

/// How sure it is that the alleged sender did not make this reset.
fn forged(
    facts: &Facts,
    around: &Around,
    side: Side,
    rst: &ResetFacts,
    evidence: &mut Vec<Evidence>,
) -> Option<f64> {
    let refused = facts.handshake == Handshake::Refused;
    let mut sure: f64 = 0.0;
    let known_ttl = facts.tcp[side].ttl.or(around.server_ttl.filter(|_| side == Side::Server));
    if let Some(ttl) = known_ttl
        && ttl != rst.ttl
    {
        let delta = i16::from(rst.ttl) - i16::from(ttl);
        sure = sure.max(if delta.abs() > 1 || rst.sender_went_on > 0 { 0.93 } else { 0.85 });
        evidence.push(Evidence::packet(
            rst.mark,
            format!(
                "RST in the name of the {side} has TTL {}, the {side}'s own segments have {ttl}",
                rst.ttl
            ),
        ));
    }
    if rst.sender_went_on > 0 && !refused {
        sure = sure.max(if rst.sender_went_on > 1 { 0.93 } else { 0.85 });
        evidence.push(Evidence::packet(
            rst.mark,
            format!("after the RST in its name the {side} went on sending ({} segments)", rst.sender_went_on),
        ));
    }
    if refused && around.server_accepts_others.is_some() {
        sure = sure.max(0.8);
        evidence.push(Evidence::packet(
            rst.mark,
            "SYN answered with RST while the same port takes other connections",
        ));
    }
    if rst.payload {
        sure = sure.max(0.7);
        evidence.push(Evidence::packet(rst.mark, "the RST carries text, as middleboxes send it"));
    }
    if let Some(off) = rst.seq_off.filter(|off| off.unsigned_abs() > 1 << 20) {
        sure = sure.max(0.75);
        evidence.push(Evidence::packet(rst.mark, format!("the RST's sequence number is {off} octets off")));
    }
    (sure > 0.0).then_some(sure)
}

/// ICMP errors that explain the silence.
fn icmp(facts: &Facts) -> Option<Close> {
    if let Some((at, errno)) = testimony::told_by_icmp(facts) {
        let (kind, confidence) = match errno {
            111 => (Kind::FirewallDrop, 0.85),
            0 => (Kind::Timeout, 0.5),
            _ => (Kind::Timeout, 0.9),
        };
        let text = "the client's socket was told of an error at once, without a reset: an ICMP error came";
        let evidence = vec![Evidence::kernel(at, text)];
        return Some(Close { kind, side: Party::Network, detail: Some("icmp"), confidence, at, evidence });
    }
    let told = facts.icmp.iter().find(|i| {
        !matches!(i.kind, IcmpKind::FragmentationNeeded(_) | IcmpKind::TimeExceeded | IcmpKind::Other(..))
    })?;
    let attempt = facts.handshake == Handshake::Unanswered;
    if !attempt && facts.tcp[told.about].unanswered.is_none_or(|u| u.first.at > told.mark.at + Span::secs(1))
    {
        return None;
    }
    let (kind, what) = match told.kind {
        IcmpKind::HostUnreachable => (Kind::Timeout, "host unreachable"),
        IcmpKind::NetUnreachable => (Kind::Timeout, "network unreachable"),
        IcmpKind::PortUnreachable => (Kind::FirewallDrop, "port unreachable"),
        IcmpKind::ProtocolUnreachable => (Kind::FirewallDrop, "protocol unreachable"),
        _ => (Kind::FirewallDrop, "administratively prohibited"),
    };
    let side = if kind == Kind::Timeout { Party::Network } else { filter_host(facts, told) };
    let text = format!("{} answered the {}'s segment with ICMP {what}", told.from, told.about);
    let at = if attempt { told.mark.at } else { facts.ended };
    Some(Close {
        kind,
        side,
        detail: Some("icmp"),
        confidence: 0.95,
        at,
        evidence: vec![Evidence::packet(told.mark, text)],
    })
}

/// A filter that answers by ICMP sits on the host the answer comes from.
fn filter_host(facts: &Facts, told: &IcmpFact) -> Party {
    [Side::Client, Side::Server]
        .into_iter()
        .find(|&s| facts.endpoint(s).addr == told.from)
        .map_or(Party::Network, Party::from)
}

/// Who asked without an answer. Both may have.
fn asking(facts: &Facts) -> Option<(Side, Unanswered)> {
    let client = *facts.tcp.client.unanswered;
    let server = *facts.tcp.server.unanswered;
    if let EndedBy::Silence(silent, _) = facts.ended_by
        && let Some(u) = *facts.tcp[silent.other()].unanswered
    {
        return Some((silent.other(), u));
    }
    match (client, server) {
        (Some(c), Some(s))
            if c.repeats == 0 && s.repeats > 0
                || c.repeats > 0 && s.repeats > 0 && s.first.at < c.first.at =>
        {
            Some((Side::Server, s))
        }
        (Some(c), _) => Some((Side::Client, c)),
        (None, Some(s)) => Some((Side::Server, s)),
        (None, None) => None,
    }
}

/// Rules 3 and 4: nobody said goodbye, or nobody heard it.
fn silence(facts: &Facts, around: &Around) -> Close {
    let at = facts.ended;
    if let Some(close) = filtered_here(facts) {
        return close;
    }
    if let EndedBy::Silence(silent, owed @ (Owed::Pong | Owed::Window)) = facts.ended_by {
        return unread(facts, silent, owed);
    }
    let Some((asks, owed)) = asking(facts) else {
        let text = if facts.ended_by == EndedBy::Reused {
            "the same ports began a new connection"
        } else {
            "the connection stopped"
        };
        return Close {
            kind: Kind::Timeout,
            side: Party::Unknown,
            detail: None,
            confidence: 0.3,
            at,
            evidence: vec![Evidence::packet(facts.last, text)],
        };
    };
    let silent = asks.other();
    let mut evidence = vec![Evidence::packet(owed.first, unanswered_text(asks, &owed))];
    evidence.extend(timers::evidence(facts, asks, &owed));
    if let Some((side, confidence)) = filter(facts, around, asks, &owed, &mut evidence) {
        let detail = Some(detail_of(owed.owed));
        return Close { kind: Kind::FirewallDrop, side, detail, confidence, at, evidence };
    }
    let both = facts.tcp[silent].unanswered.is_some_and(|u| u.repeats > 0) && owed.repeats > 0;
    let one_way = owed.peer_spoke > 1;
    if one_way {
        evidence.push(Evidence::packets(format!(
            "the {silent} went on sending ({} segments) without acknowledging it",
            owed.peer_spoke
        )));
    }
    let vanished = around.host_silent > 0 || around.pair_silent > 0;
    let side = if both || one_way { Party::Network } else { silent.into() };
    let confidence = if owed.repeats == 0 {
        0.5
    } else if vanished {
        0.85
    } else {
        0.75
    };
    Close { kind: Kind::Timeout, side, detail: Some(detail_of(owed.owed)), confidence, at, evidence }
}

/// A filter of this host, shown by the kernel's own records.
fn filtered_here(facts: &Facts) -> Option<Close> {
    let owed = asking(facts);
    let drop = testimony::fatal_drop(facts, owed.map(|o| o.1.first));
    let mut evidence: Vec<Evidence> = drop.map(testimony::drop_evidence).into_iter().collect();
    let (side, confidence) = match drop {
        Some(drop) => (testimony::filter_at(drop), 0.98),
        None => (testimony::fatal_rule(facts)?.1, 0.9),
    };
    evidence.extend(owed.map(|(asks, u)| Evidence::packet(u.first, unanswered_text(asks, &u))));
    Some(Close {
        kind: Kind::FirewallDrop,
        side: side.into(),
        detail: Some(owed.map_or("filtered", |o| detail_of(o.1.owed))),
        confidence,
        at: facts.ended,
        evidence,
    })
}

/// The peer's kernel answers, its process does not: PINGs without PONG, a window that stays closed.
fn unread(facts: &Facts, silent: Side, owed: Owed) -> Close {
    let (mark, text, detail) = if owed == Owed::Window {
        let zero = &facts.tcp[silent].zero_window;
        let from = zero.longest_from.unwrap_or(facts.last);
        (from, format!("the {silent}'s receive window stayed closed for {}", zero.longest), "closed_window")
    } else {
        let ping = facts.nats.pings[silent.other()];
        let from = ping.first_unanswered.unwrap_or(facts.last);
        (
            from,
            format!(
                "{} PINGs to the {silent} stayed without PONG, though its kernel acknowledged them",
                ping.unanswered
            ),
            "no_pong",
        )
    };
    Close {
        kind: Kind::Timeout,
        side: silent.into(),
        detail: Some(detail),
        confidence: 0.8,
        at: facts.ended,
        evidence: vec![Evidence::packet(mark, text)],
    }
}

/// Signs of a filter, strongest first, and on whose host it sits.
fn filter(
    facts: &Facts,
    around: &Around,
    asks: Side,
    owed: &Unanswered,
    evidence: &mut Vec<Evidence>,
) -> Option<(Party, f64)> {
    let silent = asks.other();
    let vantage = match facts.vantage {
        Vantage::Unknown => around.vantage.unwrap_or_default(),
        known => known,
    };
    let here = matches!((vantage, silent), (Vantage::Client, Side::Client) | (Vantage::Server, Side::Server));
    // It repeats its SYN though the SYN-ACK came by: the host is alive, its TCP never got the answer.
    let client = &facts.tcp.client;
    let asks_again = owed.owed == Owed::SynAck
        && client.packets == u64::from(client.syns)
        && client.last.is_some_and(|m| m.at - owed.first.at > Span::millis(500));
    let host_talks = asks_again
        || owed.peer_spoke > 0
        || around.pair_answers.is_some()
        || around.host_answers.is_some()
        || around.server_accepts_others.is_some() && silent == Side::Server;
    if here && host_talks && owed.repeats > 0 && !testimony::no_filter_at(facts, silent) {
        evidence.push(Evidence::packets(format!(
            "the capture on the {silent}'s host saw these segments arrive, its TCP never answered them, while the host went on talking"
        )));
        return Some((silent.into(), 0.92));
    }
    if let Some(mark) = around.pair_answers {
        evidence.push(Evidence::packet(
            mark,
            format!("meanwhile {} answered {} on another connection", host(facts, silent), host(facts, asks)),
        ));
        // What is answered there may be small, and only large packets die.
        let large = matches!(owed.owed, Owed::Data) && owed.segment_len >= LARGE;
        return Some((Party::Network, if large { 0.75 } else { 0.85 }));
    }
    if let Some(mark) =
        around.server_accepts_others.filter(|_| silent == Side::Server && matches!(owed.owed, Owed::Syn))
    {
        evidence.push(Evidence::packet(mark, "meanwhile the same port answered another client's SYN"));
        return Some((Party::Network, 0.75));
    }
    if let Some(mark) = around.host_answers.filter(|_| around.host_silent == 0 && owed.repeats > 1) {
        evidence
            .push(Evidence::packet(mark, format!("meanwhile {} answered other hosts", host(facts, silent))));
        return Some((Party::Network, 0.6));
    }
    // One direction silent while the same host talks: more often a rule for one direction than a broken route.
    // Where the path loses at random, a few repeats in a row may all have been lost.
    let chance = facts.lossy().is_some() && owed.repeats < 6;
    let one_way = owed.peer_spoke > 1
        && owed.repeats > 0
        && !chance
        && !owed.smaller_pass
        && facts.tcp[silent].unanswered.is_none_or(|u| u.repeats == 0);
    one_way.then(|| {
        evidence.push(Evidence::packets(format!(
            "the {silent} went on sending ({} segments) without acknowledging it",
            owed.peer_spoke
        )));
        (Party::Network, 0.55)
    })
}

fn host(facts: &Facts, side: Side) -> Addr {
    facts.endpoint(side).addr
}

fn detail_of(owed: Owed) -> &'static str {
    match owed {
        Owed::Syn => "unanswered",
        Owed::SynAck => "handshake",
        Owed::Keepalive => "keepalive",
        Owed::Fin => "half_closed",
        Owed::Data => "data_unanswered",
        Owed::Pong => "no_pong",
        Owed::Window => "closed_window",
    }
}

fn unanswered_text(asks: Side, owed: &Unanswered) -> String {
    let what = match owed.owed {
        Owed::Syn => "SYN".to_owned(),
        Owed::SynAck => "SYN-ACK".to_owned(),
        Owed::Fin => "FIN".to_owned(),
        Owed::Keepalive => "keepalive probe".to_owned(),
        _ if owed.segment_len == 0 => "segment".to_owned(),
        _ => format!("segment of {} bytes", owed.segment_len),
    };
    if owed.repeats == 0 {
        return format!("{asks}'s {what} was never answered");
    }
    let grow = if owed.backoff { ", gaps doubling" } else { "" };
    format!(
        "{asks}'s {what} was sent {} times over {}{grow} and never answered",
        owed.repeats + 1,
        owed.last.at - owed.first.at
    )
}
