//! What weakens every verdict of a comparison alike, in one place.
use super::recording::{Connection, Recording};
use super::report::{Direction, Path, Verdict};
use super::{Both, SET};
use crate::base::{PerSide, Side};
use crate::cause::reported;

/// Where more than one in so many segments that arrived is missing in a capture, it misses by habit.
const OFTEN: u64 = 20;
/// A capture that misses fewer than one in so many misses no connection whole.
const SELDOM: u64 = 200;

/// One weakness: what the confidence is multiplied by, and why, for people.
pub(super) type Doubt = (f64, &'static str);

/// Everything that makes this connection hard to compare.
pub(super) fn doubts(
    both: &Both<'_>,
    verdict: Verdict,
    ends: (Option<&Connection>, Option<&Connection>),
    directions: &PerSide<Direction>,
) -> Vec<Doubt> {
    let missed = |d: &Direction| d.not_captured + d.not_captured_near;
    let often = Side::BOTH.iter().map(|&s| &directions[s]).any(|d| missed(d) * OFTEN > d.arrived);
    let missed = Side::BOTH.iter().any(|&s| missed(&directions[s]) > 0);
    let either = |says: fn(&Recording) -> bool| says(both.a) || says(both.b);
    let one_sided = matches!(verdict, Verdict::OnlyClientSide | Verdict::OnlyServerSide);
    [
        (either(|r| r.lost_frames > 0), 0.85, "a capture itself lost packets"),
        (often, 0.8, "the captures miss many segments that did arrive"),
        (missed && !often, 0.95, "the captures miss some segments that did arrive"),
        (
            begun_before(ends),
            0.95,
            "the connection was open before one of the captures began, or longer than what is kept",
        ),
        (
            outside(verdict, directions),
            0.7,
            "what is missing was sent before the first or after the last packet of the other capture, which may not have run \
             then",
        ),
        (
            verdict != Verdict::Clean && one_way(both.a) != one_way(both.b),
            0.7,
            "one of the captures shows one direction only, of every connection; the other shows both",
        ),
        (both.clock.is_none() && verdict != Verdict::Proxied, 0.8, "no segment was seen at both sides: the clocks can't be aligned"),
        (
            both.clock.is_some_and(|clock| clock.uncertainty.is_none()),
            0.95,
            "segments went in one direction only: the clocks are aligned but for the smallest delay",
        ),
        (
            both.clock.is_some_and(|clock| clock.drift_ppm.abs() > SET),
            0.9,
            "one of the two clocks was set while the captures ran",
        ),
        (one_sided && either(|r| r.left_out > 0), 0.7, "too many connections: packets were left out"),
    ]
    .into_iter()
    .filter(|(applies, ..)| *applies)
    .map(|(_, factor, why)| (factor, why))
    .collect()
}

/// Of a direction that both have, one lacks the begin.
fn begun_before((a, b): (Option<&Connection>, Option<&Connection>)) -> bool {
    a.zip(b).is_some_and(|(a, b)| {
        [a, b].iter().any(|c| Side::BOTH.iter().any(|&s| c.streams[s].seen > 0 && !c.streams[s].is_whole()))
    })
}

/// All that the verdict calls lost was sent when the capture near the receiver shows no packet of any kind.
fn outside(verdict: Verdict, directions: &PerSide<Direction>) -> bool {
    let all = Side::BOTH.map(|side| &directions[side]);
    if matches!(verdict, Verdict::DirectionDied | Verdict::PathDied) {
        return all.iter().filter_map(|d| d.died).all(|died| !died.is_seen());
    }
    let lost = |d: &Direction| d.lost + d.lost_acks;
    all.iter().any(|d| lost(d) > 0) && all.iter().all(|d| d.lost_outside == lost(d))
}

/// It has nothing from any client, or nothing from any server.
fn one_way(recording: &Recording) -> bool {
    let sees = |side: Side| recording.connections.iter().any(|c| c.streams[side].seen > 0);
    sees(Side::Client) != sees(Side::Server)
}

/// Connections that one capture shows: the other may have missed them whole, if it misses segments of others that did arrive.
pub(super) fn doubt_one_sided(paths: &mut [Path]) {
    let sum = |of: fn(&Direction) -> u64| -> u64 {
        paths.iter().flat_map(|path| Side::BOTH.map(|side| of(&path.directions[side]))).sum()
    };
    let (missed, arrived) = (sum(|d| d.not_captured + d.not_captured_near), sum(|d| d.arrived));
    if missed * SELDOM <= arrived {
        return;
    }
    let one_sided = |path: &&mut Path| path.at_client_side.is_none() || path.at_server_side.is_none();
    for path in paths.iter_mut().filter(one_sided) {
        path.confidence = reported(path.confidence * 0.8);
        path.doubts.push("a capture misses segments of other connections that did arrive");
    }
}
