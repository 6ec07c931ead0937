//! Two captures of the same traffic from two places: what left one point and never reached the other. Connections are
//! paired, clocks aligned by the packets alone, each direction's segments matched, and every connection gets a verdict.
mod clock;
mod coverage;
mod direction;
mod doubts;
mod matching;
mod pairing;
mod recording;
mod report;
mod rewritten;
#[cfg(test)]
mod tests;
mod verdict;

pub use clock::Clock;
pub use recording::Recording;
pub use report::{Born, Comparison, Delay, Died, Direction, IcmpSeen, Loss, Path, Rewritten, Verdict};

use crate::base::{PerSide, Side, Timestamp};
use crate::cause::reported;
use direction::{Course, Judged};
use matching::Frame;
use pairing::Pair;
use recording::{Connection, Stream};

/// Parts per million beyond which a difference of two clocks' speed is rather a clock that was set.
const SET: f64 = 500.0;

/// Compares the capture at the client's side with the one at the server's side. Where they were named the wrong way
/// round, which the packets tell, they are compared the right way and that is said.
#[must_use]
pub fn compare(mut client_side: Recording, mut server_side: Recording) -> Comparison {
    let mut pairs = pairing::pair(&mut client_side, &mut server_side);
    let mut clock = clock::align(&client_side, &server_side, &pairs);
    let swapped = clock.as_ref().is_some_and(|clock| clock.swapped);
    if swapped {
        std::mem::swap(&mut client_side, &mut server_side);
        pairs = pairing::pair(&mut client_side, &mut server_side);
        clock = clock::align(&client_side, &server_side, &pairs);
    }
    let both = Both { a: &client_side, b: &server_side, clock: clock.as_ref() };
    let mut paths: Vec<Path> = Vec::new();
    let paired: hashbrown::HashMap<usize, &Pair> = pairs.iter().map(|pair| (pair.a, pair)).collect();
    for (i, connection) in client_side.connections.iter().enumerate() {
        let pair = paired.get(&i);
        let other = pair.and_then(|pair| server_side.connections.get(pair.b));
        paths.push(both.path(Some(connection), other, pair.map(|pair| pair.shift).unwrap_or_default()));
    }
    let known: hashbrown::HashSet<usize> = pairs.iter().map(|pair| pair.b).collect();
    for (j, connection) in server_side.connections.iter().enumerate() {
        if !known.contains(&j) {
            paths.push(both.path(None, Some(connection), PerSide::default()));
        }
    }
    doubts::doubt_one_sided(&mut paths);
    let warnings = both.warnings(swapped, !pairs.is_empty());
    let frames = [client_side.frames, server_side.frames];
    Comparison { clock, paths, warnings, swapped, frames }
}

/// The two captures and how their clocks stand.
struct Both<'a> {
    a: &'a Recording,
    b: &'a Recording,
    clock: Option<&'a Clock>,
}

impl Both<'_> {
    /// What became of one connection between the two points.
    fn path(&self, a: Option<&Connection>, b: Option<&Connection>, shift: PerSide<u32>) -> Path {
        let empty = PerSide::<Stream>::default();
        let at_a = a.map_or(&empty, |c| &c.streams);
        let at_b = b.map_or(&empty, |c| &c.streams);
        // Without a clock in common it can't be told when the other capture ran.
        let runs = |(begin, end): (Timestamp, Timestamp)| {
            self.clock.map(|clock| (clock.at_server_side(begin), clock.at_server_side(end)))
        };
        let a_runs = self.a.runs.and_then(runs);
        let b_runs = self.b.runs.filter(|_| self.clock.is_some());
        let mut judged = PerSide::from_fn(|side| {
            let back = side.other();
            let up = side == Side::Client;
            // Near the server is the server's side: what is added is the shift the other way round.
            let add = |n: u32| if up { n } else { n.wrapping_neg() };
            let frame = Frame { side, seq: add(shift[side]), ack: add(shift[back]), clock: self.clock };
            let (near, far) = if up { (at_a, at_b) } else { (at_b, at_a) };
            let (near_runs, far_runs) = if up { (a_runs, b_runs) } else { (b_runs, a_runs) };
            let (near, far, back) = (&near[side], &far[side], (&near[back], &far[back]));
            Course { near, far, back, frame, near_runs, far_runs }.judge()
        });
        for side in Side::BOTH {
            let other = side.other();
            let after = |at| match self.clock {
                Some(clock) if side == Side::Client => clock.at_server_side(at),
                _ => at,
            };
            let count = |at| judged[other].arrivals.iter().filter(|&&sent| sent > after(at)).count() as u64;
            let went_on = judged[side].direction.died.map(|died| count(died.at));
            if let Some((died, n)) = judged[side].direction.died.as_mut().zip(went_on) {
                died.other_went_on = n;
            }
        }
        self.told(a, b, shift, judged)
    }

    fn told(
        &self,
        a: Option<&Connection>,
        b: Option<&Connection>,
        shift: PerSide<u32>,
        judged: PerSide<Judged>,
    ) -> Path {
        let icmp = rewritten::icmp(a, b);
        let words = verdict::judge(&verdict::Case { a, b, judged: &judged, icmp: &icmp });
        let one_sided =
            matches!(words.verdict, Verdict::OnlyClientSide | Verdict::OnlyServerSide | Verdict::Proxied);
        let direction = |judged: Judged| match judged.direction {
            // With the other capture's connection unknown, nothing in this one is lost or missing.
            Direction { sent, received, .. } if one_sided => {
                Direction { sent, received, ..Direction::default() }
            }
            whole => whole,
        };
        let directions = PerSide { client: direction(judged.client), server: direction(judged.server) };
        let doubts = doubts::doubts(self, words.verdict, (a, b), &directions);
        let weight: f64 = doubts.iter().map(|(factor, _)| factor).product();
        Path {
            at_client_side: a.map(|c| c.ends),
            at_server_side: b.map(|c| c.ends),
            start: a.or(b).map(|c| c.first.0).unwrap_or_default(),
            verdict: words.verdict,
            confidence: reported(words.confidence * weight),
            doubts: doubts.into_iter().map(|(_, why)| why).collect(),
            summary: words.summary,
            advice: words.advice,
            rewritten: a.zip(b).map(|(a, b)| rewritten::fields(a, b, shift)).unwrap_or_default(),
            icmp,
            directions,
        }
    }

    fn warnings(&self, swapped: bool, common: bool) -> Vec<String> {
        let mut out = Vec::new();
        if swapped {
            out.push(
                "the captures seem to be named the wrong way round: what the first shows, the second shows earlier \
                 (client to server); they were compared the other way"
                    .to_owned(),
            );
        }
        for (side, recording) in [("client", self.a), ("server", self.b)] {
            if recording.frames == 0 {
                out.push(format!("the capture at the {side}'s side has no packet at all"));
            }
            if recording.lost_frames > 0 {
                let n = recording.lost_frames;
                out.push(format!(
                    "the capture at the {side}'s side lost {n} packets: what seems lost may be not captured"
                ));
            }
            if recording.left_out > 0 {
                let n = recording.left_out;
                out.push(format!("{n} packets at the {side}'s side were left out: too many connections"));
            }
        }
        let frames = self.a.frames + self.b.frames;
        if frames > 0 && self.a.connections.is_empty() && self.b.connections.is_empty() {
            out.push(
                "no connection on the server ports was seen; --port names others (all for every port)"
                    .to_owned(),
            );
        }
        if !common && !self.a.connections.is_empty() && !self.b.connections.is_empty() {
            out.push(
                "no connection was seen at both sides: are these captures of the same traffic and time?"
                    .to_owned(),
            );
        }
        if let Some(clock) = self.clock {
            if clock.uncertainty.is_none() {
                out.push(
                    "segments went in one direction only: delays are told above the smallest".to_owned(),
                );
            }
            if clock.drift_ppm.abs() > SET {
                out.push(
                    "one of the two clocks was set while the captures ran: delays are not to be trusted"
                        .to_owned(),
                );
            }
        }
        out
    }
}
