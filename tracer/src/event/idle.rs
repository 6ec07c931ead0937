//! How long a connection had been idle as it ended: what devices with an idle limit go by.
use super::{EndedBy, Facts, Mark};
use crate::base::{Side, Span, Timestamp};

impl Facts {
    /// The first FIN or RST, and whose it was.
    #[must_use]
    pub fn first_farewell(&self) -> Option<(Side, Mark)> {
        match (self.tcp.client.farewell(), self.tcp.server.farewell()) {
            (Some(client), Some(server)) if is_before(server, client) => Some((Side::Server, server)),
            (None, Some(server)) => Some((Side::Server, server)),
            (client, _) => client.map(|mark| (Side::Client, mark)),
        }
    }

    /// A goodbye that nothing led to: how long neither end had sent payload before it, keepalives apart.
    #[must_use]
    pub fn quiet_before_farewell(&self) -> Option<Span> {
        let (side, mark) = self.first_farewell()?;
        let tcp = &self.tcp[side];
        // A reset that answers a segment, or a FIN behind data, was led to.
        if tcp.rst.is_some_and(|r| r.mark == mark && r.answers.is_some()) || tcp.fin_behind_data {
            return None;
        }
        let last = Side::BOTH.into_iter().filter_map(|s| self.tcp[s].last_data).max_by_key(|m| m.at)?;
        (last.at <= mark.at).then(|| mark.at - last.at)
    }

    /// The idle time that ended with the connection: before a goodbye out of silence, before a segment that was answered by
    /// a reset, before one that was never answered.
    #[must_use]
    pub fn idle_at_end(&self) -> Option<Span> {
        if self.ended_by == EndedBy::Goodbye {
            let answered = Side::BOTH
                .into_iter()
                .filter_map(|s| *self.tcp[s].rst)
                .find(|r| r.answers.is_some() && !r.after_fin && r.idle_before > Span::ZERO);
            return answered.map(|r| r.idle_before).or_else(|| self.quiet_before_farewell());
        }
        let owed =
            Side::BOTH.into_iter().filter_map(|s| *self.tcp[s].unanswered).map(|u| u.first.at).min()?;
        let before = Side::BOTH.into_iter().filter_map(|s| heard_before(self, s, owed)).max()?;
        Some(owed - before)
    }
}

/// In time, and at the same time in the capture.
fn is_before(one: Mark, other: Mark) -> bool {
    one.at < other.at || one.at == other.at && one.frame.number() < other.frame.number()
}

/// When that end last made progress, or was last seen, before then.
fn heard_before(facts: &Facts, side: Side, then: Timestamp) -> Option<Timestamp> {
    let tcp = &facts.tcp[side];
    [tcp.last_progress, tcp.last].into_iter().flatten().map(|m| m.at).filter(|&at| at < then).max()
}
