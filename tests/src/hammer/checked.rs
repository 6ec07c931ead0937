//! The core from frames to JSON, with claims that hold whatever comes.
use super::Choices;
use natstrace::base::{PortSet, Span};
use natstrace::event::{Event, Frame, NoticeCode, Summary};
use natstrace::pipeline::{Config, Pipeline};
use natstrace::sink::{Json, Look, Sink as _, Text};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::rc::Rc;

/// A pipeline whose events are looked at and written.
pub(super) struct Checked {
    pipeline: Pipeline,
    told: Told,
}

struct Told {
    to_json: Json<Shared>,
    to_text: Text<Shared>,
    json: Rc<RefCell<Vec<u8>>>,
    text: Rc<RefCell<Vec<u8>>>,
    /// Closes told of each connection that was not told since to live.
    closed: BTreeMap<u64, u32>,
    resumed: u64,
    closes: u64,
}

/// What a sink writes, for both it and the one who looks.
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Default for Told {
    fn default() -> Self {
        let (json, text) = (Rc::default(), Rc::default());
        Self {
            to_json: Json::new(Shared(Rc::clone(&json)), false),
            to_text: Text::new(Shared(Rc::clone(&text)), Look::default(), false),
            json,
            text,
            closed: BTreeMap::new(),
            resumed: 0,
            closes: 0,
        }
    }
}

impl Checked {
    /// Settings by choice.
    pub fn new(choices: &mut Choices<'_>) -> Self {
        let kind = choices.u8();
        let spans = [Span::millis(100), Span::secs(1), Span::secs(60), Span::ZERO];
        let settle = spans.get(usize::from(kind & 3)).copied().unwrap_or(Span::ZERO);
        let config = Config {
            ports: if kind & 4 == 0 { PortSet::default() } else { "all".parse().unwrap_or_default() },
            idle_timeout: if kind & 8 == 0 { Span::secs(120) } else { Span::secs(3) },
            settle,
            offline: kind & 16 == 0,
            headers_only: kind & 32 != 0,
            max_connections: if kind & 96 == 96 { 2 } else { 1_000_000 },
            ..Config::default()
        };
        Self { pipeline: Pipeline::new(config), told: Told::default() }
    }

    pub fn frame(&mut self, frame: &Frame<'_>) {
        let Self { pipeline, told } = self;
        pipeline.handle_frame(frame, true, &mut |event| told.take(&event));
    }

    pub fn finish(mut self) {
        let Self { pipeline, told } = &mut self;
        let summary = pipeline.finish(&mut |event| told.take(&event));
        told.hold(&summary);
        told.take(&Event::Summary(Box::new(summary)));
        told.flush();
    }
}

impl Told {
    fn take(&mut self, event: &Event) {
        match event {
            Event::Close(report) => {
                self.closes += 1;
                let times = self.closed.entry(report.flow).or_default();
                *times += 1;
                assert!(report.flow > 0, "a close without a flow: {report:?}");
                assert!(*times <= 1, "flow {} closed twice without having resumed", report.flow);
                let cause = &report.cause;
                assert!(
                    !cause.summary.is_empty() && !cause.evidence.is_empty(),
                    "{} says nothing",
                    cause.code
                );
                assert!((0.0..=1.0).contains(&cause.confidence), "{}: {}", cause.code, cause.confidence);
            }
            Event::Notice(notice) if notice.code == NoticeCode::ConnectionResumed => {
                self.resumed += 1;
                if let Some(flow) = notice.flow {
                    self.closed.remove(&flow);
                }
            }
            _ => {}
        }
        // Only the first lines of a long run are written out: the looking would be most of the work.
        if self.closes > 2_000 && !matches!(event, Event::Summary(_)) {
            return;
        }
        assert!(self.to_json.event(event).is_ok() && self.to_text.event(event).is_ok());
        if self.json.borrow().len() > 1 << 20 {
            self.flush();
        }
    }

    /// Every line is an object that says what it is and when.
    fn flush(&mut self) {
        assert!(self.to_json.finish().is_ok() && self.to_text.finish().is_ok());
        let json = self.json.take();
        assert!(json.is_empty() || json.ends_with(b"\n"), "a line has no end");
        for line in json.split(|&b| b == b'\n').filter(|l| !l.is_empty()) {
            let value: serde_json::Value = match serde_json::from_slice(line) {
                Ok(value) => value,
                Err(e) => unreachable!("not JSON ({e}): {}", String::from_utf8_lossy(line)),
            };
            let kind = value["type"].as_str();
            assert!(kind.is_some() && value["ts"].is_string(), "no type or time: {value}");
            let keys = ["flow", "client", "server", "start", "handshake", "close", "cause"];
            assert!(
                kind != Some("close") || keys.iter().all(|k| !value[k].is_null()),
                "a close lacks a field: {value}"
            );
        }
        assert!(!self.text.take().contains(&0x1b), "text has control characters");
    }

    fn hold(&self, summary: &Summary) {
        assert_eq!(summary.closed, self.closes, "the summary counts other closes than were told");
        let (ended, seen) = (summary.closed + summary.open + summary.evicted, summary.seen);
        assert!(ended >= seen, "{seen} connections, but {ended} closed, open or evicted");
        assert!(
            ended <= seen + self.resumed,
            "{seen} connections and {} resumed, but {ended} ends",
            self.resumed
        );
        let sums = [&summary.kinds, &summary.sides].map(|m| m.values().sum::<u64>());
        assert!(sums.iter().all(|&s| s == summary.closed), "kinds and sides don't add up: {sums:?}");
    }
}
