//! Holds what a natstrace wrote against what it was to write.
use super::Observer;
use super::want::{Owner, Want, evidence};
use super::watcher::Line;
use crate::check::{fits, word};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// One close, wanted or told, and whether the two agree.
pub struct Row {
    /// Of which fault.
    pub fault: &'static str,
    /// Who watched.
    pub observer: Observer,
    /// What is true, in one line.
    pub truth: String,
    /// What was said, in one line.
    pub said: String,
    /// What is wrong with it; empty: all is right.
    pub wrong: Vec<String>,
    /// What is missing, but can't be demanded.
    pub missing: Vec<String>,
    /// Source and text of the evidence.
    pub evidence: Vec<(String, String)>,
    /// From the fault to the printed line.
    pub after_fault: Option<Duration>,
    /// From the close's own time to the printed line.
    pub after_close: Option<Duration>,
    /// The whole line.
    pub line: Option<Value>,
}

/// What is known of a run beside its wants.
pub struct Known<'a> {
    /// Which fault.
    pub fault: &'static str,
    /// The server's process.
    pub server: Option<&'a Owner>,
    /// When the fault was made.
    pub made: Option<SystemTime>,
}

/// Whether all wanted closes are there.
#[must_use]
pub fn complete(wants: &[&Want], lines: &[Line]) -> bool {
    wants.iter().all(|want| {
        let mine = lines
            .iter()
            .filter(|l| word(&l.object, "/type") == "close" && fits(&want.expected.who, &l.object));
        mine.count() as u64 >= want.expected.times[0]
    })
}

/// A run that ended badly.
#[must_use]
pub fn broken(known: &Known, observer: Observer, error: &anyhow::Error) -> Row {
    row(known, observer, "ends well".to_owned(), "", vec![format!("{error:#}")])
}

fn row(known: &Known, observer: Observer, truth: String, said: &str, wrong: Vec<String>) -> Row {
    Row {
        fault: known.fault,
        observer,
        truth,
        said: said.to_owned(),
        wrong,
        missing: vec![],
        evidence: vec![],
        after_fault: None,
        after_close: None,
        line: None,
    }
}

/// One row for each close that is wanted or told, and one for the run as a whole where that is wrong.
#[must_use]
pub fn judge(known: &Known, observer: Observer, wants: &[&Want], lines: &[Line]) -> Vec<Row> {
    let row = |truth, said: &str, wrong| row(known, observer, truth, said, wrong);
    let mut rows = Vec::new();
    let mut closes: Vec<&Line> = lines.iter().filter(|l| word(&l.object, "/type") == "close").collect();
    let told = closes.len() as u64;
    for want in wants {
        let [least, most] = want.expected.times;
        let (mine, others): (Vec<_>, Vec<_>) =
            closes.into_iter().partition(|l| fits(&want.expected.who, &l.object));
        let kept = mine.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        closes = others.into_iter().chain(mine[kept..].iter().copied()).collect();
        rows.extend(mine[..kept].iter().map(|line| close(known, observer, want, line)));
        for _ in kept as u64..least {
            rows.push(row(
                want.label(),
                "nothing",
                vec![format!("no close of {}", want.expected.who.label())],
            ));
        }
        if kept == 0 && least == 0 {
            rows.push(row(format!("{} or nothing", want.label()), "nothing", vec![]));
        }
    }
    for line in closes {
        let mut extra =
            row("no such close".to_owned(), &verdict(&line.object), vec!["not wanted".to_owned()]);
        extra.line = Some(line.object.clone());
        rows.push(extra);
    }
    if wants.is_empty() && told == 0 {
        rows.push(row("nothing to see".to_owned(), "nothing", vec![]));
    }
    rows.extend(summary(lines, told).map(|wrong| row("a summary at the end".to_owned(), "", vec![wrong])));
    rows
}

fn close(known: &Known, observer: Observer, want: &Want, line: &Line) -> Row {
    let object = &line.object;
    let mut wrong = Vec::new();
    let expected = &want.expected;
    for (words, at) in
        [(&expected.kind, "/close/kind"), (&expected.side, "/close/side"), (&expected.cause, "/cause/code")]
    {
        if !words.iter().any(|w| w == word(object, at)) {
            wrong.push(format!("{at} is {}, not {}", word(object, at), words.join("|")));
        }
    }
    for says in want.says.iter().filter(|says| !says.is_in(object)) {
        wrong.push(format!("no evidence from {} with {:?}", says.source.join("|"), says.words));
    }
    if evidence(object).next().is_none() {
        wrong.push("no evidence at all".to_owned());
    }
    let mut missing = Vec::new();
    processes(known, observer, want, object, &mut wrong, &mut missing);
    let ts: Option<jiff::Timestamp> = word(object, "/ts").parse().ok();
    if ts.is_none() {
        wrong.push("ts is no time".to_owned());
    }
    let since = |then: SystemTime| line.at.duration_since(then).ok();
    Row {
        fault: known.fault,
        observer,
        truth: want.label(),
        said: verdict(object),
        wrong,
        missing,
        evidence: evidence(object).map(|(s, t)| (s.to_owned(), t.to_owned())).collect(),
        after_fault: known.made.and_then(since),
        after_close: ts.and_then(|ts| since(ts.into())),
        line: Some(object.clone()),
    }
}

/// The process of the end on this host is named, that of the end on another host is not.
fn processes(
    known: &Known,
    observer: Observer,
    want: &Want,
    close: &Value,
    wrong: &mut Vec<String>,
    missing: &mut Vec<String>,
) {
    // A connection that the listener's kernel had taken is the listener's, also when nobody accepts it any more.
    let nobody = want.no_server && word(close, "/handshake") != "complete";
    let server = if nobody { None } else { known.server };
    for (end, owner, here) in
        [("client", want.client.as_ref(), !observer.at_server), ("server", server, observer.at_server)]
    {
        let pid = close.pointer(&format!("/{end}/process/pid")).and_then(Value::as_u64);
        let name = word(close, &format!("/{end}/process/name"));
        match (here, owner, pid) {
            (false, _, Some(pid)) => {
                wrong.push(format!("{end}.process is {name} ({pid}), but the {end} is on another host"));
            }
            (true, Some(owner), Some(pid)) if pid != u64::from(owner.pid) || name != owner.name => {
                wrong.push(format!("{end}.process is {name} ({pid}), not {} ({})", owner.name, owner.pid));
            }
            // Without probes a short-lived owner can only be found by luck; a listener's stays.
            (true, Some(owner), None) if observer.mode.kernel() || end == "server" => {
                wrong.push(format!("{end}.process is not named: {} ({})", owner.name, owner.pid));
            }
            (true, Some(_), None) => missing.push(format!("{end}.process")),
            (true, None, Some(pid)) if nobody && end == "server" => {
                wrong.push(format!("{end}.process is {name} ({pid}), but nobody has this end"));
            }
            _ => {}
        }
    }
}

/// What is wrong with the end of the output.
fn summary(lines: &[Line], told: u64) -> Option<String> {
    let Some(last) = lines.last().map(|l| &l.object) else {
        // A run that saw neither a packet nor a record writes nothing.
        return None;
    };
    if word(last, "/type") != "summary" {
        return Some(format!("the last line is no summary: {last}"));
    }
    let by_kind = last.pointer("/closes/kind").and_then(Value::as_object);
    let counted: u64 = by_kind.map_or(0, |kinds| kinds.values().filter_map(Value::as_u64).sum());
    (counted != told).then(|| format!("{told} closes told, {counted} in the summary"))
}

fn verdict(close: &Value) -> String {
    let share = |at: &str| close.pointer(at).and_then(Value::as_f64).unwrap_or(0.0);
    format!(
        "{} {} {} ({:.2}/{:.2}, {})",
        word(close, "/close/kind"),
        word(close, "/close/side"),
        word(close, "/cause/code"),
        share("/close/confidence"),
        share("/cause/confidence"),
        word(close, "/handshake")
    )
}
