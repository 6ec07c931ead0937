//! A connection that no frame shows, as facts: what the kernel's records of one or both ends amount to.
use super::Ending;
use super::sockets::Flow;
use crate::base::{PerSide, Side, Span, Timestamp};
use crate::event::{
    DropFact, EndedBy, Facts, Handshake, HostEnd, HostFacts, Mark, NatsFacts, Owed, Protocol, ResetFacts,
    Rtt, TcpFacts, Unanswered, Vantage,
};

/// The facts, if it is over by `now`; `idle_timeout`: what is unanswered that long is dead.
pub fn facts(flow: &Flow, mut host: Box<HostFacts>, now: Timestamp, idle_timeout: Span) -> Option<Facts> {
    let handshake = handshake(flow, &host);
    disown(&mut host, handshake);
    let stood = Side::BOTH.into_iter().any(|s| host.ends[s].state.is_some());
    if !stood && handshake == Handshake::Unknown && host.filtered().next().is_none() {
        return None; // an answer to what came late for a connection that is over
    }
    let mut tcp = PerSide::<TcpFacts>::default();
    for side in Side::BOTH {
        fill(&mut tcp, side, &host.ends[side], flow, handshake);
    }
    let (ended, ended_by) = end(flow, &host, &tcp, now, idle_timeout)?;
    let first_goodbye =
        goodbyes(&tcp).into_iter().min_by_key(|g| g.0.at).map(|(mark, side)| (side, mark.frame));
    let (client, server) = (flow.client, flow.server);
    let established = host.ends.client.established.or(host.ends.server.established);
    Some(Facts {
        first_frame: flow.id,
        client,
        server,
        roles_certain: true,
        iface: None,
        start: Mark::kernel(flow.first),
        last: Mark::kernel(flow.last),
        handshake,
        established,
        syn_to_synack: established.filter(|_| host.ends.client.here).map(|at| at - flow.first),
        synack_to_ack: None,
        tcp,
        rtt: rtt(&host),
        icmp: Vec::new(),
        vantage: vantage(&host),
        nats: Box::new(NatsFacts { protocol: Protocol::Unknown, ..NatsFacts::default() }),
        capture_loss: false,
        input_ended: false,
        longest_idle: Span::ZERO,
        lived_through: Span::ZERO,
        quiet_lived_through: Span::ZERO,
        first_goodbye,
        ended,
        ended_by,
        ignored_resets: 0,
        host: Some(host),
    })
}

/// A SYN that was refused met nobody's socket: whoever listened there before has no part in it.
pub fn disown(host: &mut HostFacts, handshake: Handshake) {
    let no_socket = host.ends.server.reset_sent.as_ref().is_some_and(|r| r.1.as_deref() == Some("NO_SOCKET"));
    if handshake == Handshake::Refused || no_socket && host.ends.server.state.is_none() {
        host.ends.server.process = None;
    }
}

/// The round trip that this host's TCP had measured before the trace began.
pub fn rtt(host: &HostFacts) -> Option<Rtt> {
    let us = u64::from(host.ends.client.rtt_us.or(host.ends.server.rtt_us).filter(|us| *us > 0)?);
    Some(Rtt { min_us: us, median_us: us, max_us: us })
}

/// The host that traces sees which end it is.
pub fn vantage(host: &HostFacts) -> Vantage {
    match (host.ends.client.here, host.ends.server.here) {
        (true, true) => Vantage::Both,
        (true, false) => Vantage::Client,
        (false, true) => Vantage::Server,
        (false, false) => Vantage::Between,
    }
}

fn handshake(flow: &Flow, host: &HostFacts) -> Handshake {
    let ends = &host.ends;
    if host.adopted {
        return Handshake::Midstream;
    }
    if ends.client.established.or(ends.server.established).is_some() {
        return Handshake::Complete;
    }
    if ends.client.state.is_some() {
        // ECONNREFUSED without a reset is ICMP port unreachable, where the probe would have told of a reset.
        let told = ends.client.error.is_some_and(|e| e.1 == 111) && !host.probes.resets_received;
        let refused = ends.client.reset_received.is_some() || told;
        return if refused { Handshake::Refused } else { Handshake::Unanswered };
    }
    let syn_dropped = |reason: &str| flow.facts.drops.iter().any(|d| &*d.reason == reason && d.flags.syn());
    if ends.server.reset_sent.is_some() && syn_dropped("NO_SOCKET") {
        return Handshake::Refused;
    }
    if host.filtered().any(|d| d.flags.syn()) || syn_dropped("TCP_LISTEN_OVERFLOW") {
        return Handshake::Unanswered;
    }
    Handshake::Unknown
}

/// What one end's kernel knows of itself, and through it of the other end.
fn fill(tcp: &mut PerSide<TcpFacts>, side: Side, end: &HostEnd, flow: &Flow, handshake: Handshake) {
    let peer = side.other();
    if let Some(at) = end.closed {
        let own = &mut tcp[side];
        own.fin = Some(Mark::kernel(at));
        own.fin_answered = end.fin_acked
            || end.peer_closed.is_some_and(|p| p > at)
            || end.reset_received.is_some_and(|r| r > at);
        own.fin_into_hole = hole(end, at) && !own.fin_answered;
        own.fin_repeats = u32::from(end.repeats.last > at) * end.repeats.run;
    }
    if let Some(at) = end.peer_closed {
        // Where a filter keeps this end's answers in, the other end says its goodbye into a hole.
        let kept_in =
            |d: &&DropFact| !d.inbound && d.from == side && d.first < at && at - d.last < Span::secs(5);
        let hole = flow.facts.filtered().any(|d| kept_in(&d));
        tcp[peer].fin.get_or_insert(Mark::kernel(at));
        tcp[peer].fin_answered = !hole;
        tcp[peer].fin_into_hole = hole;
    }
    // A reset that only answers what came after the end says nothing of the end.
    if let Some((at, _)) = end.reset_sent.as_ref().filter(|r| end.closed.is_none_or(|c| r.0 <= c)) {
        *tcp[side].rst = Some(reset(*at, hole(end, *at)));
    }
    if let Some(at) = end.reset_received {
        tcp[peer].rst.get_or_insert(reset(at, false));
    }
    let own = &mut tcp[side];
    own.retransmits = end.repeats.all;
    own.syns = u32::from(side == Side::Client && end.state.is_some());
    let attempt = handshake == Handshake::Unanswered;
    let open = !own.fin_answered && end.reset_received.is_none();
    if end.repeats.run > 0 && open && end.over.is_none_or(|over| end.repeats.goes_on(over)) {
        let owed = match (attempt, end.closed) {
            (true, _) => Owed::Syn,
            (false, Some(at)) if end.repeats.first >= at => Owed::Fin,
            _ => Owed::Data,
        };
        let first = if attempt { flow.first } else { end.repeats.first };
        *own.unanswered = Some(unanswered(owed, first, end.repeats.last, end.repeats.run));
    } else if attempt && end.state.is_some() {
        *own.unanswered = Some(unanswered(Owed::Syn, flow.first, flow.first, 0));
    }
    // Dropped on the way in: the other end's segments stay unanswered.
    for drop in flow.facts.filtered() {
        let sender = &mut tcp[drop.from];
        let owed = if drop.flags.syn() { Owed::Syn } else { Owed::Data };
        if sender.unanswered.is_none() {
            *sender.unanswered = Some(unanswered(owed, drop.first, drop.last, drop.count.saturating_sub(1)));
        }
    }
}

/// Its segments were being repeated without an answer at that time; one or two repeats happen to the healthy.
fn hole(end: &HostEnd, at: Timestamp) -> bool {
    end.repeats.run > 2 && end.repeats.goes_on(at) && at - end.repeats.first > Span::secs(1)
}

const fn unanswered(owed: Owed, first: Timestamp, last: Timestamp, repeats: u32) -> Unanswered {
    Unanswered {
        owed,
        first: Mark::kernel(first),
        last: Mark::kernel(last),
        repeats,
        backoff: repeats > 1,
        segment_len: 0,
        peer_spoke: 0,
        peer_last: None,
        smaller_pass: false,
    }
}

const fn reset(at: Timestamp, into_hole: bool) -> ResetFacts {
    ResetFacts {
        mark: Mark::kernel(at),
        has_ack: true,
        ttl: 0,
        ttl_delta: 0,
        ttl_known: false,
        ip_id_jump: false,
        seq_off: None,
        answers: None,
        after_fin: false,
        count: 1,
        sender_went_on: 0,
        into_hole,
        payload: false,
        idle_before: Span::ZERO,
    }
}

fn goodbyes(tcp: &PerSide<TcpFacts>) -> Vec<(Mark, Side)> {
    let mut found = Vec::new();
    for side in Side::BOTH {
        let own = &tcp[side];
        found.extend(own.fin.filter(|_| !own.fin_lost()).map(|mark| (mark, side)));
        found.extend(own.rst.filter(|r| !r.into_hole).map(|r| (r.mark, side)));
    }
    found
}

/// When it ended and by what; none where it may live on.
fn end(
    flow: &Flow,
    host: &HostFacts,
    tcp: &PerSide<TcpFacts>,
    now: Timestamp,
    idle_timeout: Span,
) -> Option<(Timestamp, EndedBy)> {
    let here = || Side::BOTH.into_iter().map(|s| &host.ends[s]).filter(|e| e.here && e.state.is_some());
    let over = here().next().is_some() && here().all(|e| e.over.is_some());
    let over_at = here().filter_map(|e| e.over).max().unwrap_or(flow.last);
    let refused = here().next().is_none() && host.ends.server.reset_sent.is_some();
    let goodbye = goodbyes(tcp).into_iter().map(|g| g.0.at).min();
    if let Some(at) = goodbye
        && (over || refused || now - at >= idle_timeout)
    {
        return Some((at, EndedBy::Goodbye));
    }
    if over {
        return Some((over_at, EndedBy::GaveUp));
    }
    // SYNs that a filter here discarded, and no more of them when the next was due.
    let syns = host.filtered().filter(|d| d.flags.syn() && d.inbound).max_by_key(|d| d.last);
    if let Some(syn) = syns.filter(|_| here().next().is_none()) {
        let due = Span((syn.last - syn.first).max(Span::millis(2500)).0.saturating_add(1_000_000_000));
        if now - syn.last >= due.min(idle_timeout) {
            return Some((syn.last, EndedBy::GaveUp));
        }
    }
    // Dropped for long enough, or a goodbye that nobody answered.
    Side::BOTH.into_iter().find_map(|s| {
        let owed = tcp[s].unanswered.filter(|u| now - u.first.at >= idle_timeout)?;
        let shown = host.filtered().next().is_some() || host.ends[s].closed.is_some();
        let goes_on = owed.last.at - owed.first.at > Span(idle_timeout.0 / 4);
        (shown && goes_on).then_some((owed.first.at + idle_timeout, EndedBy::Silence(s.other(), owed.owed)))
    })
}

/// A first word on its end, for the neighbours.
pub fn ending(facts: &Facts) -> Ending {
    let goodbye = (facts.ended_by == EndedBy::Goodbye).then(|| facts.first_goodbye.map(|g| g.0)).flatten();
    let silent = match facts.ended_by {
        EndedBy::Silence(side, _) => facts.tcp[side.other()].unanswered.map(|u| (side, u.first.at)),
        _ => None,
    };
    Ending {
        id: facts.first_frame,
        mark: Mark::kernel(facts.ended),
        by: facts.ended_by,
        goodbye,
        refused: facts.handshake == Handshake::Refused,
        client: facts.client,
        server: facts.server,
        lost_at: facts.ended,
        silent,
        accepted: false,
        syn: !matches!(facts.handshake, Handshake::Midstream | Handshake::Unknown),
        process: facts.host.as_ref().and_then(|h| h.ends.client.process.as_ref()).map(|p| p.pid),
        connect: None,
        info: None,
        connect_urls: None,
    }
}

/// A socket that is gone for good.
pub fn is_over(host: &HostFacts) -> Option<Timestamp> {
    let here = Side::BOTH.into_iter().map(|s| &host.ends[s]).filter(|e| e.here);
    let over: Option<Vec<Timestamp>> = here.map(|e| e.over).collect();
    over?.into_iter().max()
}
