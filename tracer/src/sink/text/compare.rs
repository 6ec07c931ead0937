//! A comparison for people: a block for each connection, those that are clean in one line, a summary with the clocks.
use super::words::{count, grouped, moment, sure};
use super::wrap::Page;
use super::{BOLD, DIM, Look, Style, plain};
use crate::base::{Endpoint, PerSide, Side, Span};
use crate::pipeline::compare::{Comparison, Direction, Loss, Path, Verdict};
use anstyle::AnsiColor;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Where the text of a row begins.
const HANG: usize = 10;
/// Lost segments that are listed of a direction.
const LISTED: usize = 5;

/// Writes a comparison.
///
/// # Errors
/// When it can't be written.
pub fn compare_text(out: &mut impl Write, found: &Comparison, look: Look) -> io::Result<()> {
    for path in &found.paths {
        let mut page = Page::new(look.width.max(40), look.color);
        one(&mut page, path);
        page.out.push('\n');
        out.write_all(page.out.as_bytes())?;
    }
    let mut page = Page::new(look.width.max(40), look.color);
    summary(&mut page, found);
    out.write_all(page.out.as_bytes())?;
    out.flush()
}

fn style(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Clean | Verdict::Proxied => AnsiColor::Green,
        Verdict::Loss | Verdict::OnlyClientSide | Verdict::OnlyServerSide => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

fn ends(ends: PerSide<Endpoint>) -> String {
    format!("{} → {}", ends.client, ends.server)
}

fn one(page: &mut Page, path: &Path) {
    let who = match (path.at_client_side, path.at_server_side) {
        (Some(a), Some(b)) if a != b => format!("{} (at the server side {})", ends(a), ends(b)),
        (Some(a), _) => ends(a),
        (None, Some(b)) => format!("{} (server side only)", ends(b)),
        (None, None) => String::new(),
    };
    page.paragraph(2, &[plain(moment(path.start))], &[(BOLD, who)]);
    let row = |page: &mut Page, label: &str, text: String| {
        page.paragraph(HANG, &[(DIM, format!("  {label}"))], &[plain(text)]);
    };
    let code = (style(path.verdict), format!("{}:", path.verdict.name()));
    let summary = [code, plain(path.summary.clone()), (DIM, sure(path.confidence))];
    page.paragraph(HANG, &[(DIM, "  what".to_owned())], &summary);
    for side in Side::BOTH {
        let d = &path.directions[side];
        if d.sent + d.received > 0 {
            row(page, if side == Side::Client { "c to s" } else { "s to c" }, counted(d));
        }
        if path.verdict != Verdict::Clean {
            listed(page, d, side);
        }
    }
    if !path.rewritten.is_empty() {
        let told: Vec<String> = path
            .rewritten
            .iter()
            .map(|r| {
                let of = r.from.map(|side| format!("{side}'s ")).unwrap_or_default();
                format!("{of}{} {} became {}", r.field.replace('_', " "), r.client_side, r.server_side)
            })
            .collect();
        row(page, "changed", told.join(", "));
    }
    for icmp in &path.icmp {
        let seen = [("client", icmp.client_side), ("server", icmp.server_side)];
        let at: Vec<String> =
            seen.iter().filter_map(|(side, n)| n.map(|n| format!("no. {n} at the {side} side"))).collect();
        row(page, "icmp", format!("{} says {}: {}", icmp.from, icmp.says, at.join(", ")));
    }
    if path.verdict != Verdict::Clean {
        for why in &path.doubts {
            row(page, "doubt", format!("{why}."));
        }
        row(page, "do", path.advice.clone());
    }
}

fn counted(d: &Direction) -> String {
    let mut parts = vec![format!("{} sent, {} received", count(d.sent, "segment"), grouped(d.received))];
    for (n, what) in [
        (d.lost, "lost"),
        (d.lost_acks, "bare acknowledgements lost"),
        (d.born, "born between"),
        (d.duplicated, "duplicated"),
        (d.reordered, "reordered"),
        (d.changed, "with other octets"),
        (d.not_captured + d.not_captured_near, "missed by a capture"),
        (d.undecided, "not comparable"),
    ] {
        if n > 0 {
            parts.push(format!("{} {what}", grouped(n)));
        }
    }
    if let Some(delay) = d.delay {
        parts.push(format!("delay {} / {} / {} (least, median, most)", delay.min, delay.median, delay.max));
    }
    match d.hops {
        Some(hops @ 1..) => parts.push(count(hops.unsigned_abs().into(), "hop")),
        Some(0) | None => {}
        Some(less) => parts.push(format!("TTL grew by {}", less.unsigned_abs())),
    }
    parts.join(", ")
}

fn listed(page: &mut Page, d: &Direction, side: Side) {
    let (near, far) = (side, side.other());
    for Loss { number, at, seq, len, flags, after } in d.losses.iter().take(LISTED) {
        let due = after.map(|n| format!(", due after no. {n} at the {far} side")).unwrap_or_default();
        let text = format!(
            "lost: no. {number} at the {near} side, {}, [{flags}] seq {seq}, {len} bytes{due}",
            moment(*at)
        );
        page.paragraph(HANG, &[], &[plain(text)]);
    }
    let more = d.lost.saturating_sub(LISTED as u64);
    if more > 0 {
        page.paragraph(HANG, &[], &[(DIM, format!("and {} more", grouped(more)))]);
    }
    for born in d.births.iter().take(LISTED) {
        let text = format!(
            "born: no. {} at the {far} side, {}, [{}] seq {}, {} bytes, TTL {}",
            born.number,
            moment(born.at),
            born.flags,
            born.seq,
            born.len,
            born.ttl.0
        );
        page.paragraph(HANG, &[], &[plain(text)]);
    }
}

fn summary(page: &mut Page, found: &Comparison) {
    let mut verdicts: BTreeMap<Verdict, u64> = BTreeMap::new();
    for path in &found.paths {
        *verdicts.entry(path.verdict).or_default() += 1;
    }
    let told: Vec<String> =
        verdicts.iter().map(|(verdict, n)| format!("{} {}", grouped(*n), verdict.name())).collect();
    let [a, b] = found.frames;
    let of = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
    let head = format!(
        "{}{of}; {} at the client side, {} at the server side",
        count(found.paths.len() as u64, "connection"),
        count(a, "packet"),
        grouped(b)
    );
    page.paragraph(2, &[(BOLD, "Summary:".to_owned())], &[plain(head)]);
    if let Some(clock) = found.clock {
        let sure = match clock.uncertainty {
            Some(least) => format!(" ± {least}"),
            None => " and the smallest delay, which one direction alone doesn't tell".to_owned(),
        };
        let drift = if clock.drift_ppm == 0.0 {
            String::new()
        } else {
            format!(", drifting by {:.1} ppm", clock.drift_ppm)
        };
        let (offset, way) = match clock.offset {
            Span(ns) if ns <= -1000 => (Span(ns.saturating_neg()), "behind"),
            ahead => (ahead.max(Span::ZERO), "ahead"),
        };
        let text = format!(
            "Clocks: the server side's is {way} by {offset}{sure}{drift}, from {} seen at both.",
            count(clock.samples, "segment")
        );
        page.paragraph(2, &[], &[plain(text)]);
    }
    let yellow = Style::new().fg_color(Some(AnsiColor::Yellow.into()));
    for warning in &found.warnings {
        page.paragraph(2, &[], &[(yellow, format!("Note: {warning}."))]);
    }
}
