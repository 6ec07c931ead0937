//! What somebody between the two points changed: translated addresses, clamped sizes, options taken out, shifted numbers.
use super::recording::{Connection, icmp_says};
use super::report::{IcmpSeen, Rewritten};
use crate::base::{PerSide, Side};
use crate::wire::Options;

/// Compares what both captures have of a connection; `shift` is by sender.
pub(super) fn fields(a: &Connection, b: &Connection, shift: PerSide<u32>) -> Vec<Rewritten> {
    let mut out = Vec::new();
    let mut differ = |field, from, client_side: String, server_side: String| {
        if client_side != server_side {
            out.push(Rewritten { field, from, client_side, server_side });
        }
    };
    for side in Side::BOTH {
        let (x, y) = (a.ends[side], b.ends[side]);
        differ("address", Some(side), x.addr.to_string(), y.addr.to_string());
        differ("port", Some(side), x.port.to_string(), y.port.to_string());
        if shift[side] != 0 {
            let (x, y) = (a.streams[side].segs.front(), b.streams[side].segs.front());
            let number = |n: u32| format!("{n}");
            let base = x.map_or(0, |s| s.seq.0);
            if y.is_some() {
                differ("sequence_number", Some(side), number(base), number(base.wrapping_add(shift[side])));
            }
        }
        let Some((x, y)) = a.streams[side].syn.zip(b.streams[side].syn) else { continue };
        for ((field, x), (_, y)) in told(x.options).into_iter().zip(told(y.options)) {
            differ(field, Some(side), x, y);
        }
        differ("syn_window", Some(side), x.window.to_string(), y.window.to_string());
    }
    out
}

/// The options of a SYN, as words.
fn told(options: Options) -> [(&'static str, String); 4] {
    let or_none = |n: Option<String>| n.unwrap_or_else(|| "none".to_owned());
    [
        ("mss", or_none(options.mss.map(|n| n.to_string()))),
        ("window_scale", or_none(options.window_scale.map(|n| n.to_string()))),
        ("sack_permitted", options.sack_permitted.to_string()),
        ("timestamps", options.timestamps.is_some().to_string()),
    ]
}

/// ICMP errors of a connection, each told once with the sides that saw it.
pub(super) fn icmp(a: Option<&Connection>, b: Option<&Connection>) -> Vec<IcmpSeen> {
    let mut out: Vec<IcmpSeen> = Vec::new();
    for (at_client_side, connection) in [(true, a), (false, b)] {
        for seen in connection.map(|c| c.icmp.as_slice()).unwrap_or_default() {
            let says = icmp_says(seen.error.kind);
            let place = out.iter().position(|other| other.from == seen.error.from && other.says == says);
            let index = place.unwrap_or_else(|| {
                out.push(IcmpSeen {
                    from: seen.error.from,
                    says,
                    client_side: None,
                    server_side: None,
                    at: seen.at,
                });
                out.len() - 1
            });
            if let Some(told) = out.get_mut(index) {
                let slot = if at_client_side { &mut told.client_side } else { &mut told.server_side };
                slot.get_or_insert(seen.number);
            }
        }
    }
    out
}
