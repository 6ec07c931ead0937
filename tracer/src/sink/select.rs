//! `--only`, `--side`, `--cause`, `--count`, `-q`: which events reach the sink behind. The summary always does, and it
//! counts every close, shown or not.
use super::Sink;
use crate::event::{CloseReport, Event, Selection};
use std::collections::{HashSet, VecDeque};
use std::io;

/// How many shown connections are remembered, for what may be told of them later.
const REMEMBERED: usize = 65_536;
/// How many notices wait for the close of their connection.
const HELD: usize = 4_096;

/// Passes on what a [`Selection`] wants.
pub struct Select<S> {
    inner: S,
    selection: Selection,
    shown: u64,
    flows: HashSet<u64>,
    order: VecDeque<u64>,
    held: VecDeque<(u64, Event)>,
}

impl<S: Sink> Select<S> {
    /// Before `inner`.
    pub fn new(inner: S, selection: Selection) -> Self {
        Self {
            inner,
            selection,
            shown: 0,
            flows: HashSet::new(),
            order: VecDeque::new(),
            held: VecDeque::new(),
        }
    }

    /// Closes that matched so far.
    pub const fn shown(&self) -> u64 {
        self.shown
    }

    /// `--count` is reached: the run may end; no further close is passed on.
    pub fn done(&self) -> bool {
        self.selection.count.is_some_and(|count| self.shown >= count)
    }

    fn close(&mut self, report: &CloseReport, event: &Event) -> io::Result<()> {
        let wanted =
            !self.done() && self.selection.matches(report.close.kind, report.close.side, report.cause.code);
        if !wanted {
            self.held.retain(|(flow, _)| *flow != report.flow);
            return Ok(());
        }
        self.shown += 1;
        if self.selection.quiet {
            return Ok(());
        }
        for (_, notice) in self.held.iter().filter(|(flow, _)| *flow == report.flow) {
            self.inner.event(notice)?;
        }
        self.held.retain(|(flow, _)| *flow != report.flow);
        self.remember(report.flow);
        self.inner.event(event)
    }

    fn remember(&mut self, flow: u64) {
        if self.narrows() && self.flows.insert(flow) {
            self.order.push_back(flow);
            if self.order.len() > REMEMBERED
                && let Some(oldest) = self.order.pop_front()
            {
                self.flows.remove(&oldest);
            }
        }
    }

    /// Notices of a connection come before its close as a rule: they wait, since only then it shows whether it is wanted.
    fn notice(&mut self, flow: Option<u64>, event: &Event) -> io::Result<()> {
        match flow {
            _ if !self.narrows() => self.inner.event(event),
            Some(flow) if self.flows.contains(&flow) => self.inner.event(event),
            Some(flow) => {
                if self.held.len() >= HELD {
                    self.held.pop_front();
                }
                self.held.push_back((flow, event.clone()));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn narrows(&self) -> bool {
        !self.selection.is_all() || self.selection.count.is_some()
    }
}

impl<S: Sink> Sink for Select<S> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::Summary(_) => self.inner.event(event),
            Event::Close(report) => self.close(report, event),
            _ if self.selection.quiet => Ok(()),
            Event::Reconnect { after, .. } if !self.narrows() || self.flows.contains(after) => {
                self.inner.event(event)
            }
            Event::Reconnect { .. } => Ok(()),
            Event::Notice(notice) => self.notice(notice.flow, event),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.inner.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Kind, Party};
    use crate::sink::testing::{Kept, close, notice, quiet_close, reconnect, summary};

    fn run(selection: Selection, events: &[Event]) -> (Vec<String>, Select<Kept>) {
        let mut select = Select::new(Kept::default(), selection);
        for event in events {
            select.event(event).unwrap();
        }
        (select.inner.labels(), select)
    }

    fn all() -> [Event; 6] {
        [notice(Some(12)), close(), quiet_close(), reconnect(12), reconnect(13), summary()]
    }

    #[test]
    fn everything_by_default() {
        let (labels, select) = run(Selection::default(), &all());
        assert_eq!(labels, ["notice", "close 12", "close 13", "reconnect 12", "reconnect 13", "summary"]);
        assert!(select.shown() == 2 && !select.done());
    }

    #[test]
    fn matching_closes_and_what_refers_to_them() {
        let slow = Selection { causes: vec!["slow_consumer".into()], ..Selection::default() };
        assert_eq!(run(slow, &all()).0, ["notice", "close 12", "reconnect 12", "summary"]);
        let by_client =
            Selection { sides: vec![Party::Client], kinds: vec![Kind::Fin], ..Selection::default() };
        assert_eq!(run(by_client, &all()).0, ["close 13", "reconnect 13", "summary"]);
        let none = Selection { kinds: vec![Kind::Rst], ..Selection::default() };
        assert_eq!(run(none, &all()).0, ["summary"]);
    }

    #[test]
    fn count_and_quiet() {
        let (labels, select) = run(Selection { count: Some(1), ..Selection::default() }, &all());
        assert_eq!(labels, ["notice", "close 12", "reconnect 12", "summary"]);
        assert!(select.done());
        let (labels, select) = run(Selection { quiet: true, ..Selection::default() }, &all());
        assert!(labels == ["summary"] && select.shown() == 2);
    }
}
