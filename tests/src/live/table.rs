//! What live runs showed, as text: what was said beside what is true, whose evidence it was, and how long it took.
use super::Mode;
use super::judge::Row;
use super::run::Outcome;
use std::fmt::Write;
use std::time::Duration;

/// Said beside true; whatever is wrong with its whole line.
#[must_use]
pub fn verdicts(outcomes: &[Outcome]) -> String {
    let mut text = String::from("What was said, and what is true\n");
    for outcome in outcomes {
        for alike in outcome.rows.chunk_by(alike) {
            let row = &alike[0];
            let times = if alike.len() > 1 { format!(" ({} times)", alike.len()) } else { String::new() };
            let mark = if row.wrong.is_empty() { "ok   " } else { "WRONG" };
            let (who, said) = (row.observer.name(), &row.said);
            let _ = writeln!(text, "{mark} {:16} {who:15} {:62} said: {said}{times}", row.fault, row.truth);
            for wrong in &row.wrong {
                let _ = writeln!(text, "        {wrong}");
            }
            if let (false, Some(line)) = (row.wrong.is_empty(), &row.line) {
                let _ = writeln!(text, "        {line}");
            }
        }
        if let Some(why) = &outcome.skipped {
            let _ = writeln!(text, "skipped {:14} {why}", outcome.name);
        }
        for note in &outcome.notes {
            let _ = writeln!(text, "        stderr of {note}");
        }
        if let Some(error) = &outcome.error {
            let _ = writeln!(text, "FAILED {:15} {error:#}", outcome.name);
        }
    }
    text
}

/// Whose evidence each close rests on.
#[must_use]
pub fn evidence(outcomes: &[Outcome]) -> String {
    let mut text = String::from("Evidence: how many from packets; what the kernel and the host said\n");
    for row in told(outcomes) {
        let of = |source: &str| row.evidence.iter().filter(|(s, _)| s == source).count();
        let counts = ["packet", "kernel", "host"].map(|s| format!("{s} {}", of(s))).join(", ");
        let _ = writeln!(text, "{:16} {:15} {counts}", row.fault, row.observer.name());
        for (source, said) in row.evidence.iter().filter(|(s, _)| s != "packet") {
            let _ = writeln!(text, "    {source}: {said}");
        }
        for missing in &row.missing {
            let _ = writeln!(text, "    (not known here: {missing})");
        }
    }
    text
}

/// How long the lines took, by fault and by mode, and the ready lines.
#[must_use]
pub fn times(outcomes: &[Outcome]) -> String {
    let mut text =
        String::from("Milliseconds from the fault, and from the close's own time, to the printed line\n");
    for row in told(outcomes).filter(|row| row.after_close.is_some()) {
        let shown = |d: Option<Duration>| d.map_or_else(|| "-".to_owned(), |d| d.as_millis().to_string());
        let (fault, close) = (shown(row.after_fault), shown(row.after_close));
        let _ = writeln!(text, "{:16} {:15} {fault:>7} {close:>7}", row.fault, row.observer.name());
    }
    for mode in [Mode::Both, Mode::Packets, Mode::Probes, Mode::Netns] {
        let of_mode = rows(outcomes).filter(|row| row.observer.mode == mode);
        let mut all: Vec<_> = of_mode.filter_map(|row| row.after_close).collect();
        let _ = writeln!(text, "{:8} from the close's time: {}", mode.name(), spread(&mut all));
    }
    let mut ready: Vec<_> = outcomes.iter().flat_map(|o| o.ready_after.iter().copied()).collect();
    let _ = writeln!(text, "ready    from the start:        {}", spread(&mut ready));
    text
}

fn alike(one: &Row, other: &Row) -> bool {
    let key = |row: &Row| (row.observer, row.truth.clone(), row.said.clone(), row.wrong.clone());
    key(one) == key(other)
}

/// Faults with anything wrong.
#[must_use]
pub fn wrong(outcomes: &[Outcome]) -> usize {
    let bad = |o: &&Outcome| {
        let nothing = o.rows.is_empty() && o.skipped.is_none();
        o.error.is_some() || nothing || o.rows.iter().any(|r| !r.wrong.is_empty())
    };
    outcomes.iter().filter(bad).count()
}

/// What was told; of attempts that went alike the first.
fn told(outcomes: &[Outcome]) -> impl Iterator<Item = &Row> {
    let first = outcomes.iter().flat_map(|o| o.rows.chunk_by(alike).filter_map(|rows| rows.first()));
    first.filter(|row| row.line.is_some())
}

fn rows(outcomes: &[Outcome]) -> impl Iterator<Item = &Row> {
    outcomes.iter().flat_map(|o| &o.rows)
}

fn spread(all: &mut [Duration]) -> String {
    all.sort_unstable();
    let at = |share: f64| {
        all.get((all.len() as f64 * share) as usize).or(all.last()).map_or(0, Duration::as_millis)
    };
    format!("median {} ms, 90 % within {} ms, most {} ms ({} lines)", at(0.5), at(0.9), at(1.0), all.len())
}
