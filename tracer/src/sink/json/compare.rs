//! A comparison as NDJSON: a `comparison` for each connection, a `comparison_summary` last.
use super::write::Writer;
use crate::base::{Endpoint, PerSide, Side, Timestamp};
use crate::pipeline::compare::{Comparison, Direction, Path};
use crate::wire::Flags;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Writes a comparison.
///
/// # Errors
/// When it can't be written.
pub fn compare_json(out: &mut impl Write, found: &Comparison) -> io::Result<()> {
    let mut w = Writer::default();
    for (id, path) in (1u64..).zip(&found.paths) {
        w.line();
        one(&mut w, id, path);
        w.end_line();
        out.write_all(&w.buf)?;
        w.buf.clear();
    }
    w.line();
    summary(&mut w, found);
    w.end_line();
    out.write_all(&w.buf)?;
    out.flush()
}

fn one(w: &mut Writer, id: u64, path: &Path) {
    w.str("type", "comparison");
    w.time("ts", path.start);
    w.object("path");
    w.num("id", id);
    w.end();
    ends(w, "client_side", path.at_client_side);
    ends(w, "server_side", path.at_server_side);
    w.object("verdict");
    w.str("code", path.verdict.name());
    w.confidence(path.confidence);
    w.str("summary", &path.summary);
    w.str("advice", &path.advice);
    if !path.doubts.is_empty() {
        w.array("why_not");
        path.doubts.iter().for_each(|why| w.item(&format!("less sure than it could be: {why}")));
        w.end_array();
    }
    w.end();
    direction(w, "client_to_server", &path.directions[Side::Client]);
    direction(w, "server_to_client", &path.directions[Side::Server]);
    if !path.rewritten.is_empty() {
        w.array("rewritten");
        for field in &path.rewritten {
            w.element();
            w.str("field", field.field);
            if let Some(side) = field.from {
                w.str("of", side.name());
            }
            w.str("client_side", &field.client_side);
            w.str("server_side", &field.server_side);
            w.end();
        }
        w.end_array();
    }
    if !path.icmp.is_empty() {
        w.array("icmp");
        for icmp in &path.icmp {
            w.element();
            w.time("ts", icmp.at);
            w.str("from", &icmp.from.to_string());
            w.str("says", &icmp.says);
            if let Some(number) = icmp.client_side {
                w.num("client_side_packet", number);
            }
            if let Some(number) = icmp.server_side {
                w.num("server_side_packet", number);
            }
            w.end();
        }
        w.end_array();
    }
}

fn ends(w: &mut Writer, key: &str, ends: Option<PerSide<Endpoint>>) {
    let Some(ends) = ends else { return };
    w.object(key);
    for side in Side::BOTH {
        w.object(side.name());
        w.endpoint(ends[side]);
        w.end();
    }
    w.end();
}

fn direction(w: &mut Writer, key: &str, d: &Direction) {
    w.object(key);
    w.num("sent", d.sent);
    w.num("received", d.received);
    w.num("arrived", d.arrived);
    w.num("lost", d.lost);
    w.num("lost_bytes", d.lost_bytes);
    w.num("lost_acks", d.lost_acks);
    w.num("not_captured", d.not_captured + d.not_captured_near);
    w.num("undecided", d.undecided);
    w.num("born", d.born);
    w.num("duplicated", d.duplicated);
    w.num("reordered", d.reordered);
    w.num("payload_changed", d.changed);
    if let Some(delay) = d.delay {
        w.object("delay_ms");
        w.millis("min", delay.min);
        w.millis("median", delay.median);
        w.millis("max", delay.max);
        w.end();
    }
    if let Some(hops) = d.hops {
        w.decimal("hops", hops.into());
    }
    if let Some(died) = d.died {
        w.object("died");
        w.time("ts", died.at);
        w.num("packet", died.number);
        if let Some((near, far)) = died.last {
            w.num("last_packet_sent", near);
            w.num("last_packet_received", far);
        }
        w.num("sent_after", died.sent_after);
        w.num("other_direction_after", died.other_went_on);
        w.end();
    }
    if let Some((passes, lost)) = d.size_limit {
        w.object("size_limit");
        w.num("passes_bytes", passes.into());
        w.num("lost_bytes", lost.into());
        w.end();
    }
    listed(w, d);
    w.end();
}

/// The segments themselves.
fn listed(w: &mut Writer, d: &Direction) {
    if !d.losses.is_empty() {
        w.array("losses");
        for loss in &d.losses {
            w.element();
            segment(w, (loss.at, loss.number), (loss.seq, loss.len), loss.flags);
            if let Some(number) = loss.after {
                w.num("due_after_packet", number);
            }
            w.end();
        }
        w.end_array();
    }
    if !d.births.is_empty() {
        w.array("births");
        for born in &d.births {
            w.element();
            segment(w, (born.at, born.number), (born.seq, born.len), born.flags);
            w.num("ttl", born.ttl.0.into());
            if let Some(ttl) = born.ttl.1 {
                w.num("usual_ttl", ttl.into());
            }
            if let Some(number) = born.after {
                w.num("after_packet", number);
            }
            w.end();
        }
        w.end_array();
    }
}

/// When it was seen as which frame, where it stands in its stream and how long it is.
fn segment(w: &mut Writer, (at, number): (Timestamp, u64), (seq, len): (u32, u32), flags: Flags) {
    w.time("ts", at);
    w.num("packet", number);
    w.num("seq", seq.into());
    w.num("bytes", len.into());
    w.str("flags", &flags.to_string());
}

fn summary(w: &mut Writer, found: &Comparison) {
    w.str("type", "comparison_summary");
    let first = found.paths.iter().map(|path| path.start).min().unwrap_or_default();
    w.time("ts", found.clock.map_or(first, |clock| clock.since));
    w.num("schema", 1);
    w.object("packets");
    for (side, n) in ["client_side", "server_side"].into_iter().zip(found.frames) {
        w.num(side, n);
    }
    w.end();
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    for path in &found.paths {
        *verdicts.entry(path.verdict.name()).or_default() += 1;
    }
    w.num("connections", found.paths.len() as u64);
    w.object("verdicts");
    verdicts.into_iter().for_each(|(code, n)| w.num(code, n));
    w.end();
    w.object("lost");
    for (key, side) in [("client_to_server", Side::Client), ("server_to_client", Side::Server)] {
        w.num(key, found.paths.iter().map(|path| path.directions[side].lost).sum());
    }
    w.end();
    if let Some(clock) = found.clock {
        w.object("clock");
        w.millis("offset_ms", clock.offset);
        if let Some(uncertainty) = clock.uncertainty {
            w.millis("uncertainty_ms", uncertainty);
        }
        if let Some(trip) = clock.round_trip {
            w.millis("round_trip_ms", trip);
        }
        w.decimal("drift_ppm", clock.drift_ppm);
        w.num("samples", clock.samples);
        w.end();
    }
    w.bool("swapped", found.swapped);
    if !found.warnings.is_empty() {
        w.array("warnings");
        found.warnings.iter().for_each(|text| w.item(text));
        w.end_array();
    }
}
