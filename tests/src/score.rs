//! How right natstrace is over many captures: which cause is told for which true one, where, and how often healthy traffic is
//! called ill; and on captures made harder, where it may say less, but nothing wrong with confidence.
use crate::check::{Examined, objects, run, word};
use crate::each::{cores, each};
use crate::variants::{self, Variant};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::path::Path;

/// From this confidence on a cause is said firmly: who reads it acts on it.
pub const FIRM: f64 = 0.8;

/// How often each word was said where each was true.
type Confusion = BTreeMap<String, BTreeMap<String, usize>>;

/// The score over captures.
#[derive(Default)]
pub struct Score {
    causes: Confusion,
    kinds: Confusion,
    sides: Confusion,
    vantages: BTreeMap<String, [usize; 2]>,
    healthy: u64,
    alarms: usize,
    firm: Vec<String>,
    wrong: usize,
}

/// A close of good order: what healthy traffic ends with.
fn in_order(cause: &str) -> bool {
    cause == "client_closed"
}

/// The cause that a close tells, if it tells one, and how surely.
fn cause(close: &Value) -> Option<(&str, f64)> {
    let confidence = close.pointer("/cause/confidence").and_then(Value::as_f64).unwrap_or(0.0);
    Some((word(close, "/cause/code"), confidence)).filter(|(code, _)| *code != "unknown")
}

impl Score {
    /// Adds what was said of one capture.
    pub fn add(&mut self, examined: &Examined<'_>) {
        let healthy = examined.wanted.closes.iter().flat_map(|c| &c.cause).all(|c| in_order(c));
        if healthy {
            let summary = examined.said.iter().find(|o| word(o, "/type") == "summary");
            let seen = summary.and_then(|s| s.pointer("/connections/seen")).and_then(Value::as_u64);
            self.healthy += seen.unwrap_or(0);
        }
        let tally = self.vantages.entry(examined.vantage.to_owned()).or_default();
        for row in &examined.rows {
            self.wrong += usize::from(!row.right);
            tally[0] += usize::from(row.right);
            tally[1] += 1;
            if row.expected.is_none() && row.close.is_none() {
                continue;
            }
            let said = |at| row.close.as_ref().map_or("no close", |c| word(c, at)).to_owned();
            let count = |table: &mut Confusion, truth: Option<&Vec<String>>, at| {
                let truth = truth.map_or_else(|| "no close".to_owned(), |t| t.join("|"));
                *table.entry(truth).or_default().entry(said(at)).or_default() += 1;
            };
            let expected = row.expected.as_ref();
            count(&mut self.causes, expected.map(|e| &e.cause), "/cause/code");
            count(&mut self.kinds, expected.map(|e| &e.kind), "/close/kind");
            count(&mut self.sides, expected.map(|e| &e.side), "/close/side");
            let Some(close) = &row.close else { continue };
            self.alarms += usize::from(healthy && !in_order(word(close, "/cause/code")));
            let accepted = |code: &str| expected.is_some_and(|e| e.cause.iter().any(|c| c == code));
            if let Some((code, confidence)) = cause(close)
                && confidence >= FIRM
                && !accepted(code)
            {
                self.firm.push(format!("{} {}: {code} {confidence}", row.capture, row.who));
            }
        }
    }

    /// How many rows are wrong, of any kind.
    #[must_use]
    pub fn wrong(&self) -> usize {
        self.wrong
    }

    /// How often healthy traffic was called ill.
    #[must_use]
    pub fn alarms(&self) -> usize {
        self.alarms
    }

    /// Wrong causes told with confidence.
    #[must_use]
    pub fn firm(&self) -> &[String] {
        &self.firm
    }
}

fn table(f: &mut Formatter<'_>, title: &str, rows: &Confusion) -> fmt::Result {
    writeln!(f, "{title} (true: said)")?;
    for (truth, said) in rows {
        let total: usize = said.values().sum();
        let said: Vec<_> = said.iter().map(|(word, n)| format!("{word} {n}")).collect();
        writeln!(f, "  {truth:60} {total:5}: {}", said.join(", "))?;
    }
    Ok(())
}

impl Display for Score {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        table(f, "Causes", &self.causes)?;
        table(f, "Kinds", &self.kinds)?;
        table(f, "Sides", &self.sides)?;
        for (vantage, [right, all]) in &self.vantages {
            writeln!(f, "Seen from {vantage}: {right} of {all} right")?;
        }
        write!(
            f,
            "False alarms on healthy traffic: {} of {} connections; firm wrong causes: {}",
            self.alarms,
            self.healthy,
            self.firm.len()
        )?;
        self.firm.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Both ends of a connection, in no order: where a capture begins late, who is the server may be a guess.
type Ends = BTreeSet<(String, u64)>;

fn ends(close: &Value) -> Ends {
    let end = |side: &str| {
        let port = close.pointer(&format!("/{side}/port")).and_then(Value::as_u64).unwrap_or(0);
        (word(close, &format!("/{side}/address")).to_owned(), port)
    };
    [end("client"), end("server")].into()
}

/// What was said of captures made harder in one way.
#[derive(Default, Debug)]
pub struct Harder {
    /// Captures.
    pub captures: usize,
    /// Closes told.
    pub closes: usize,
    /// With a true cause.
    pub right: usize,
    /// With no cause.
    pub unknown: usize,
    /// With a wrong one, in doubt.
    pub doubtful: Vec<String>,
    /// Told of connections that end in good order, or not at all: any other cause.
    pub alarms: usize,
    /// Wrong and firm: capture, connection, cause.
    pub firm: Vec<String>,
}

impl Harder {
    /// Adds what was said; `truth` has the causes that are true of each connection.
    fn add(&mut self, label: &str, truth: &BTreeMap<Ends, BTreeSet<String>>, said: &[Value]) {
        self.captures += 1;
        let none = BTreeSet::new();
        for close in said.iter().filter(|o| word(o, "/type") == "close") {
            self.closes += 1;
            let accepted = truth.get(&ends(close)).unwrap_or(&none);
            match cause(close) {
                None => self.unknown += 1,
                Some((code, _)) if accepted.contains(code) => self.right += 1,
                Some((code, confidence)) => {
                    self.alarms += usize::from(accepted.iter().all(|c| in_order(c)));
                    let who = format!("{}:{}", word(close, "/client/address"), close["client"]["port"]);
                    let truth = accepted.iter().cloned().collect::<Vec<_>>().join("|");
                    let line = format!("{label} {who}: {code} {confidence}, true: {truth}");
                    if confidence < FIRM {
                        self.doubtful.push(line);
                    } else {
                        self.firm.push(line);
                    }
                }
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.captures += other.captures;
        self.closes += other.closes;
        self.right += other.right;
        self.unknown += other.unknown;
        self.doubtful.extend(other.doubtful);
        self.alarms += other.alarms;
        self.firm.extend(other.firm);
    }
}

/// What may be wrong, in doubt, of the closes told of one variant, and what must be right: of 1000.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Wrong at most.
    pub wrong: usize,
    /// Right at least: who says nothing is never wrong.
    pub right: usize,
}

impl Budget {
    /// Budgets by variant, a line each: wrong, right, name. `#` begins a comment.
    ///
    /// # Errors
    /// Where a line is none.
    pub fn table(text: &str) -> Result<BTreeMap<String, Self>> {
        let lines = text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
        let read = |line: &str| {
            let mut words = line.split_whitespace();
            let wrong = words.next()?.parse().ok()?;
            let right = words.next()?.parse().ok()?;
            Some((words.collect::<Vec<_>>().join(" "), Self { wrong, right }))
        };
        lines.map(|line| read(line).ok_or_else(|| anyhow::anyhow!("no budget: {line}"))).collect()
    }
}

impl Harder {
    /// So many of 1000 closes.
    fn share(&self, of: usize) -> f64 {
        of as f64 * 1000.0 / self.closes.max(1) as f64
    }

    /// In what it exceeds or misses its budget.
    #[must_use]
    pub fn breaks(&self, budget: Budget) -> Option<String> {
        let (wrong, right) = (self.share(self.doubtful.len()), self.share(self.right));
        if wrong > budget.wrong as f64 {
            return Some(format!("{wrong:.1} of 1000 closes are told wrong, {} at most", budget.wrong));
        }
        (right < budget.right as f64)
            .then(|| format!("{right:.1} of 1000 closes are told right, {} at least", budget.right))
    }
}

impl Display for Harder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { captures, closes, right, unknown, doubtful, alarms, firm } = self;
        let (wrong, doubtful) = (firm.len(), doubtful.len());
        write!(
            f,
            "{captures:4} captures {closes:5} closes: {right:5} right, {unknown:4} unknown, {doubtful:4} doubtful"
        )?;
        write!(f, " and wrong, {wrong:3} firm and wrong; {alarms:3} false alarms")?;
        firm.iter().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

/// Derives every variant of one recording, the `place`th of all, and asks natstrace about each.
fn harden(
    binary: &Path,
    folder: &Path,
    examined: &Examined<'_>,
    place: usize,
) -> Result<Vec<(&'static Variant, Harder)>> {
    let mut known: BTreeMap<Ends, BTreeSet<String>> = BTreeMap::new();
    for row in &examined.rows {
        if let (Some(expected), Some(close)) = (&row.expected, &row.close) {
            known.entry(ends(close)).or_default().extend(expected.cause.iter().cloned());
        }
    }
    let pcap = std::fs::read(folder.join(&examined.wanted.capture))?;
    let scratch = tempfile::tempdir()?;
    let mut found = Vec::new();
    for variant in variants::ALL.iter().filter(|v| place.is_multiple_of(v.every)) {
        let Some(file) = variant.of(&pcap)? else { continue };
        std::fs::write(scratch.path().join("harder.pcap"), file)?;
        let said = objects(&run(binary, scratch.path(), "harder.pcap", &examined.truth.options, "json")?)?;
        let mut harder = Harder::default();
        harder.add(&examined.name(), &known, &said);
        found.push((variant, harder));
    }
    Ok(found)
}

/// Makes every capture of a folder harder in every way, by name of the way.
///
/// # Errors
/// Where a capture can't be read or natstrace fails on one.
pub fn harder(
    binary: &Path,
    folder: &Path,
    examined: &[Examined<'_>],
) -> Result<BTreeMap<&'static str, Harder>> {
    let placed: Vec<_> = examined.iter().enumerate().collect();
    let ask = |&(place, one): &(usize, &Examined<'_>)| {
        harden(binary, folder, one, place).with_context(|| one.name())
    };
    let found = each(&placed, cores(), |_| (), ask);
    let (mut all, mut errors) = (BTreeMap::new(), Vec::new());
    for one in found {
        match one {
            Ok(one) => one.into_iter().for_each(|(variant, harder)| {
                all.entry(variant.name).or_insert_with(Harder::default).join(harder);
            }),
            Err(e) => errors.push(format!("{e:#}")),
        }
    }
    anyhow::ensure!(errors.is_empty(), "{}", errors.join("\n"));
    Ok(all)
}
