//! Whether a client's last words were those of a drain: UNSUB, then a PING that was answered, then nothing more.
use crate::base::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// An UNSUB that leaves other subscriptions alone belongs to the PING behind it only when it is this young.
const SAME_BREATH: Span = Span::secs(1);
/// How long the PONG may take, and how long after it a client that drained still closes.
const SOON: Span = Span::secs(5);

/// How far the last words got.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
enum Stage {
    /// Something else.
    #[default]
    Other,
    /// UNSUB at this time; behind it nothing that contradicts.
    Unsub(Timestamp),
    /// PING behind it: UNSUB and PING.
    Ping(Timestamp, Timestamp),
    /// All PINGs are answered: UNSUB and PONG.
    Pong(Timestamp, Timestamp),
}

/// A client's last words.
#[derive(Clone, Copy, Default, Debug, Serialize, Deserialize)]
pub struct Drain {
    stage: Stage,
    unsubs: u64,
}

impl Drain {
    /// UNSUB. With a maximum of messages it is how requests are made.
    pub fn unsub(&mut self, has_max: bool, at: Timestamp) {
        self.stage = if has_max { Stage::Other } else { Stage::Unsub(at) };
        self.unsubs += u64::from(!has_max);
    }

    /// A publish: part of a drain only where no subscription is left, the answer to a message that was there already.
    #[inline]
    pub fn publish(&mut self, subs: Option<u64>) {
        if let Stage::Unsub(at) | Stage::Ping(at, _) | Stage::Pong(at, _) = self.stage {
            self.stage = if self.is_all(subs) { Stage::Unsub(at) } else { Stage::Other };
        }
    }

    /// PING of the client. `subs`: subscriptions it made, where all were seen.
    pub fn ping(&mut self, subs: Option<u64>, at: Timestamp) {
        if let Stage::Unsub(unsub) | Stage::Ping(unsub, _) | Stage::Pong(unsub, _) = self.stage {
            let fits = self.is_all(subs) || at - unsub <= SAME_BREATH;
            self.stage = if fits { Stage::Ping(unsub, at) } else { Stage::Other };
        }
    }

    /// PONG of the server; `last`: no PING is unanswered behind it.
    pub fn pong(&mut self, last: bool, at: Timestamp) {
        if let Stage::Ping(unsub, ping) = self.stage
            && last
        {
            self.stage = if at - ping <= SOON { Stage::Pong(unsub, at) } else { Stage::Other };
        }
    }

    /// The client said something else, or something that was not seen.
    pub fn spoiled(&mut self) {
        self.stage = Stage::Other;
    }

    /// Whether a client that closed at `left` had drained.
    #[must_use]
    pub fn is_done(&self, left: Timestamp) -> bool {
        matches!(self.stage, Stage::Pong(_, pong) if left - pong <= SOON)
    }

    fn is_all(&self, subs: Option<u64>) -> bool {
        subs.is_some_and(|subs| subs > 0 && self.unsubs >= subs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    /// UNSUB at 0, PING at 10 ms, PONG at 20 ms.
    fn drained(subs: Option<u64>) -> Drain {
        let mut drain = Drain::default();
        drain.unsub(false, ms(0));
        drain.ping(subs, ms(10));
        drain.pong(true, ms(20));
        drain
    }

    #[test]
    fn unsub_ping_pong_and_nothing_more() {
        assert!(drained(Some(1)).is_done(ms(30)));
        assert!(drained(Some(2)).is_done(ms(30)), "the last of a few, in the same breath");
        assert!(drained(None).is_done(ms(30)));
        assert!(!drained(Some(1)).is_done(ms(6_000)), "it stayed");
        assert!(!Drain::default().is_done(ms(0)));
    }

    #[test]
    fn what_is_said_behind_it_counts() {
        let mut drain = drained(Some(1));
        drain.spoiled();
        assert!(!drain.is_done(ms(30)));
        let mut drain = drained(Some(2));
        drain.publish(Some(2));
        drain.ping(Some(2), ms(40));
        drain.pong(true, ms(50));
        assert!(!drain.is_done(ms(60)), "it goes on working");
        let mut drain = drained(Some(1));
        drain.publish(Some(1));
        assert!(!drain.is_done(ms(60)), "its answers are not known to have arrived");
        drain.ping(Some(1), ms(8_000));
        drain.pong(true, ms(8_010));
        assert!(drain.is_done(ms(8_020)), "a service that answers what it had taken");
    }

    #[test]
    fn pings_that_do_not_count() {
        let mut drain = Drain::default();
        drain.ping(Some(1), ms(0));
        drain.pong(true, ms(1));
        assert!(!drain.is_done(ms(2)), "no UNSUB");
        drain.unsub(true, ms(3));
        drain.ping(Some(1), ms(4));
        drain.pong(true, ms(5));
        assert!(!drain.is_done(ms(6)), "the UNSUB of a request");
        drain.unsub(false, ms(10));
        drain.ping(Some(3), ms(2_000));
        drain.pong(true, ms(2_001));
        assert!(!drain.is_done(ms(2_002)), "one of several, long ago");
        drain.unsub(false, ms(3_000));
        drain.ping(None, ms(3_001));
        assert!(!drain.is_done(ms(3_002)), "unanswered");
        drain.pong(false, ms(3_003));
        assert!(!drain.is_done(ms(3_004)), "the answer to an earlier one");
    }
}
