//! Text for people: a block for each close, a line for each event, a table at the end. The block answers in this order:
//! when and between whom, what, who they are, why, what shows it, what may be lost, what to do, what came after.
mod compare;
mod counts;
mod words;
mod wrap;

pub use compare::compare_text;

use super::{Sink, mask};
use crate::base::Timestamp;
use crate::event::{CloseReport, Event, Evidence, Family, Notice, NoticeCode, Reconnect, Source};
use anstyle::{AnsiColor, Style};
use std::io::{self, Write};
use wrap::{Page, Span};

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
/// Where the text of a row begins.
const HANG: usize = 8;
/// Rows of evidence and steps of the fix that are shown.
const SHOWN: usize = 3;

/// How text is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal; fewer than 40 count as 40.
    pub width: usize,
    /// Colours.
    pub color: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self { width: 80, color: false }
    }
}

#[derive(PartialEq)]
enum Last {
    Nothing,
    Line,
    Block,
}

/// Writes events for people.
pub struct Text<W: Write> {
    out: W,
    look: Look,
    live: bool,
    last: Last,
}

impl<W: Write> Text<W> {
    /// Onto `out`; `live` flushes after each event.
    pub fn new(out: W, look: Look, live: bool) -> Self {
        Self { out, look: Look { width: look.width.max(40), ..look }, live, last: Last::Nothing }
    }
}

impl<W: Write> Sink for Text<W> {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let mut page = Page::new(self.look.width, self.look.color);
        let now = match event {
            Event::Close(report) => {
                close(&mut page, report);
                Last::Block
            }
            Event::Reconnect { at, after, reconnect } => {
                let what = format!("flow {after} {}", words::became(reconnect));
                line(
                    &mut page,
                    *at,
                    "reconnect",
                    Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
                    &what,
                );
                Last::Line
            }
            Event::Notice(told) => {
                line(&mut page, told.at, told.code.name(), notice_style(told.code), &notice(told));
                Last::Line
            }
            Event::Summary(summary) => {
                counts::summary(&mut page, summary, self.look);
                Last::Block
            }
        };
        if self.last == Last::Block || (now == Last::Block && self.last == Last::Line) {
            self.out.write_all(b"\n")?;
        }
        self.last = now;
        self.out.write_all(page.out.as_bytes())?;
        if self.live { self.out.flush() } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn line(page: &mut Page, at: Timestamp, code: &str, style: Style, what: &str) {
    page.paragraph(2, &[plain(words::moment(at))], &[(style, code.to_owned()), plain(mask(what))]);
}

fn notice(told: &Notice) -> String {
    let flow = told.flow.map(|flow| format!(" (flow {flow})")).unwrap_or_default();
    format!("{}{flow}", told.message)
}

fn notice_style(code: NoticeCode) -> Style {
    let color = match code {
        NoticeCode::ReconnectStorm | NoticeCode::SlowConsumerBuilding => AnsiColor::Red,
        NoticeCode::ConnectionResumed => AnsiColor::Green,
        _ => AnsiColor::Yellow,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

fn family_style(family: Family) -> Style {
    let color = match family {
        Family::Normal => AnsiColor::Green,
        Family::ServerShutdown | Family::ClientConfig | Family::Unknown => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    Style::new().bold().fg_color(Some(color.into()))
}

fn plain(text: impl Into<String>) -> Span {
    (PLAIN, text.into())
}

fn close(page: &mut Page, report: &CloseReport) {
    let (facts, cause) = (&*report.facts, &report.cause);
    let ends = (BOLD, format!("{} → {}", facts.client, facts.server));
    page.paragraph(
        2,
        &[plain(words::moment(report.close.at))],
        &[ends, (DIM, format!("flow {}", report.flow))],
    );
    let code = (family_style(cause.family), format!("{}:", cause.code));
    page.paragraph(2, &[], &[code, (BOLD, words::ended(report)), plain(words::lasted(report))]);
    if let Some(who) = words::who(facts) {
        row(page, "who", &[plain(mask(&who))]);
    }
    row(page, "why", &[plain(mask(&cause.summary)), (DIM, words::sure(cause.confidence))]);
    if let Some((code, confidence)) = cause.also.first().filter(|(_, c)| *c >= 0.3 || cause.confidence < 0.8)
    {
        row(page, "or", &[plain(format!("{code} ({:.0} %)", confidence * 100.0))]);
    }
    let normal = cause.family == Family::Normal;
    seen(page, report, if normal { 1 } else { SHOWN });
    if !normal && let Some(line) = cause.why_not.first() {
        row(page, "not", &[(DIM, mask(line.strip_prefix("not ").unwrap_or(line)).into_owned())]);
    }
    if let Some(risk) = words::at_risk(&facts.nats.at_risk) {
        row(page, "lost?", &[plain(mask(&risk))]);
    }
    fix(page, &cause.fix);
    if let Some(reconnect) = &report.reconnect {
        then(page, reconnect);
    }
}

fn row(page: &mut Page, label: &str, spans: &[Span]) {
    page.paragraph(HANG, &[plain("  "), (BOLD, label.to_owned())], spans);
}

fn seen(page: &mut Page, report: &CloseReport, most: usize) {
    let cause = &report.cause;
    let all = if cause.evidence.is_empty() { &report.close.evidence } else { &cause.evidence };
    for (i, evidence) in all.iter().take(most).enumerate() {
        let label = if i == 0 { "seen" } else { "" };
        let when = when(evidence, report.close.at);
        let lead = [plain("  "), (if i == 0 { BOLD } else { PLAIN }, format!("{label:<6}")), (DIM, when)];
        page.paragraph(HANG + 14, &lead, &[(DIM, format!("{}{}", mask(&evidence.text), place(evidence)))]);
    }
    if all.len() > most && most > 1 {
        let more = format!("and {} more in --format json", all.len() - most);
        page.paragraph(HANG + 14, &[], &[(DIM, more)]);
    }
}

/// The time of day, with the date where it isn't the close's; without a time, who says so.
fn when(evidence: &Evidence, end: Timestamp) -> String {
    let Some(at) = evidence.at else { return evidence.source.name().to_owned() };
    let (moment, end) = (at.to_string(), end.to_string());
    let same_day = moment.get(..10) == end.get(..10);
    let range = if same_day { 11..23 } else { 5..16 };
    moment.get(range).unwrap_or(&moment).replace('T', " ")
}

fn place(evidence: &Evidence) -> String {
    match (evidence.frame, evidence.source) {
        (Some(frame), _) if frame.capture() > 0 => {
            format!(" [capture {}, packet {}]", frame.capture(), frame.number())
        }
        (Some(frame), _) => format!(" [packet {}]", frame.number()),
        (None, Source::Packet) => String::new(),
        (None, source) if evidence.at.is_some() => format!(" [{}]", source.name()),
        _ => String::new(),
    }
}

fn fix(page: &mut Page, steps: &[String]) {
    for (i, step) in steps.iter().take(SHOWN).enumerate() {
        let label = if i == 0 { "fix" } else { "" };
        let number = if steps.len() > 1 { format!("{}.", i + 1) } else { String::new() };
        let hang = HANG + if steps.len() > 1 { 3 } else { 0 };
        page.paragraph(
            hang,
            &[plain("  "), (if i == 0 { BOLD } else { PLAIN }, format!("{label:<6}")), plain(number)],
            &[plain(mask(step))],
        );
    }
}

fn then(page: &mut Page, reconnect: &Reconnect) {
    row(page, "then", &[plain(words::became(reconnect))]);
}

#[cfg(test)]
mod tests;
