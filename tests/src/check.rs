//! Runs natstrace on captures and holds what it says against their truth.
use crate::each::{cores, each};
use crate::score::Score;
use crate::truth::{Expected, Truth, Vantage, Who};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One close, expected or told, and whether the two agree.
pub struct Row {
    /// Scenario and vantage.
    pub capture: String,
    /// Which connection.
    pub who: String,
    /// What is true.
    pub truth: String,
    /// What natstrace says.
    pub verdict: String,
    /// They agree.
    pub right: bool,
    /// The truth it was held against; none where there should be no close.
    pub expected: Option<Expected>,
    /// The close that was told, if one was.
    pub close: Option<Value>,
}

/// The natstrace binary: `NATSTRACE_BIN`, else built beside this test's own executable.
///
/// # Errors
/// Where it doesn't build.
pub fn natstrace() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("NATSTRACE_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    let profile = here
        .ancestors()
        .find(|a| a.file_name().is_some_and(|n| n == "debug" || n == "release"))
        .context("not in a target folder")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "natstrace"]).current_dir(crate::lab::tools::root());
    cargo.arg("--target-dir").arg(profile.parent().context("target")?);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "natstrace doesn't build");
    Ok(profile.join("natstrace"))
}

/// What natstrace prints about one capture, in `format`.
///
/// # Errors
/// Where it fails.
pub fn run(binary: &Path, folder: &Path, capture: &str, options: &[String], format: &str) -> Result<String> {
    let out = Command::new(binary)
        .args(["--read", capture, "-o", format, "--color", "never"])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| binary.display().to_string())?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{}: {}", out.status, errors.trim());
    Ok(String::from_utf8(out.stdout)?)
}

/// The objects of an NDJSON text.
///
/// # Errors
/// Where a line isn't JSON.
pub fn objects(ndjson: &str) -> Result<Vec<Value>> {
    ndjson.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

/// Objects as lines in a stable form: without the time it took.
#[must_use]
pub fn frozen(said: &[Value]) -> String {
    let mut text = String::new();
    for mut object in said.iter().cloned() {
        if let Some(map) = object.as_object_mut() {
            map.remove("elapsed_ms");
        }
        text += &format!("{object}\n");
    }
    text
}

/// Text output without its summary sentence, which tells how long the run took.
#[must_use]
pub fn steady(text: &str) -> String {
    let mut inside = false;
    let kept = text.lines().filter(|line| {
        inside = line.starts_with("Summary:") || inside && !line.is_empty() && !line.starts_with(" ─");
        !inside
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// The text at a JSON pointer; `-` where there is none.
#[must_use]
pub fn word<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("-")
}

/// Whether a close is one of these.
#[must_use]
pub fn fits(who: &Who, close: &Value) -> bool {
    let same = |wanted: &Option<String>, at: &str| wanted.as_ref().is_none_or(|w| word(close, at) == w);
    let port = close.pointer("/client/port").and_then(Value::as_u64);
    same(&who.name, "/client/name")
        && same(&who.address, "/client/address")
        && same(&who.handshake, "/handshake")
        && who.port.is_none_or(|wanted| port == Some(u64::from(wanted)))
}

fn agrees(expected: &Expected, close: &Value) -> bool {
    let among = |words: &[String], at: &str| words.iter().any(|w| w == word(close, at));
    let reconnect = &expected.reconnect;
    among(&expected.kind, "/close/kind")
        && among(&expected.side, "/close/side")
        && among(&expected.cause, "/cause/code")
        && (reconnect.is_empty() || among(reconnect, "/reconnect/outcome"))
}

fn describe(expected: &Expected) -> String {
    let mut text = [&expected.kind, &expected.side, &expected.cause].map(|words| words.join("|")).join(" ");
    if !expected.reconnect.is_empty() {
        text += &format!(" then {}", expected.reconnect.join("|"));
    }
    text
}

fn verdict(close: &Value) -> String {
    let at = |pointer| word(close, pointer);
    format!(
        "{} {} {} then {}",
        at("/close/kind"),
        at("/close/side"),
        at("/cause/code"),
        at("/reconnect/outcome")
    )
}

fn client(close: &Value) -> String {
    let port = close.pointer("/client/port").map(ToString::to_string).unwrap_or_default();
    format!(
        "{} {}:{port} {}",
        word(close, "/client/name"),
        word(close, "/client/address"),
        word(close, "/handshake")
    )
}

/// Holds the output about one capture against the truth.
fn judge(capture: &str, wanted: &Vantage, said: &[Value]) -> Vec<Row> {
    let row = |who: String, truth: String, verdict: String, right| Row {
        capture: capture.to_owned(),
        who,
        truth,
        verdict,
        right,
        expected: None,
        close: None,
    };
    let mut closes: Vec<&Value> = said.iter().filter(|o| word(o, "/type") == "close").collect();
    let mut rows = Vec::new();
    for expected in &wanted.closes {
        let most = usize::try_from(expected.times[1]).unwrap_or(usize::MAX);
        let (mine, others): (Vec<_>, Vec<_>) = closes.into_iter().partition(|c| fits(&expected.who, c));
        let (mine, too_many) = mine.split_at(most.min(mine.len()));
        closes = others.into_iter().chain(too_many.iter().copied()).collect();
        for &close in mine {
            let right = agrees(expected, close);
            let row = row(client(close), describe(expected), verdict(close), right);
            rows.push(Row { expected: Some(expected.clone()), close: Some(close.clone()), ..row });
        }
        for _ in mine.len()..usize::try_from(expected.times[0]).unwrap_or(1) {
            let row = row(expected.who.label(), describe(expected), "missing".to_owned(), false);
            rows.push(Row { expected: Some(expected.clone()), ..row });
        }
    }
    for close in closes {
        let row = row(client(close), "no close".to_owned(), verdict(close), false);
        rows.push(Row { close: Some(close.clone()), ..row });
    }
    if let Some(open) = wanted.open {
        let summary = said.iter().find(|o| word(o, "/type") == "summary");
        let seen = summary.and_then(|s| s.pointer("/connections/open")).and_then(Value::as_u64);
        let text = seen.map_or_else(|| "no summary".to_owned(), |n| format!("{n} open"));
        rows.push(row("connections".to_owned(), format!("{open} open"), text, seen == Some(open)));
    }
    rows
}

/// Truths of a folder, by name.
///
/// # Errors
/// Where one can't be read.
pub fn truths(folder: &Path) -> Result<Vec<Truth>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?.flatten().map(|e| e.path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "json"));
    files.sort();
    files.iter().map(|f| Truth::load(f).with_context(|| f.display().to_string())).collect()
}

/// What natstrace said of one capture, and the rows that come of it.
pub struct Examined<'a> {
    /// What was done.
    pub truth: &'a Truth,
    /// Which recording of it.
    pub vantage: &'a str,
    /// What is true there.
    pub wanted: &'a Vantage,
    /// Every object it printed; none where it failed.
    pub said: Vec<Value>,
    /// Beside the truth.
    pub rows: Vec<Row>,
}

impl Examined<'_> {
    /// Scenario and vantage.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}", self.truth.scenario, self.vantage)
    }

    /// Runs natstrace on the capture and holds what it says against the truth.
    fn run(mut self, binary: &Path, folder: &Path) -> Self {
        let output = run(binary, folder, &self.wanted.capture, &self.truth.options, "json");
        match output.and_then(|text| objects(&text)) {
            Ok(said) => {
                self.rows = judge(&self.name(), self.wanted, &said);
                self.said = said;
            }
            Err(e) => self.rows.push(Row {
                capture: self.name(),
                who: "natstrace".to_owned(),
                truth: "runs".to_owned(),
                verdict: format!("{e:#}"),
                right: false,
                expected: None,
                close: None,
            }),
        }
        self
    }
}

/// Runs natstrace on every capture of these truths, found in `folder`; by name.
#[must_use]
pub fn examine<'a>(binary: &Path, folder: &Path, truths: &'a [Truth]) -> Vec<Examined<'a>> {
    let of = |truth: &'a Truth| truth.vantages.iter().map(move |(vantage, wanted)| (truth, vantage, wanted));
    let captures: Vec<_> = truths.iter().flat_map(of).collect();
    each(
        &captures,
        cores(),
        |_| (),
        |&(truth, vantage, wanted)| {
            Examined { truth, vantage, wanted, said: vec![], rows: vec![] }.run(binary, folder)
        },
    )
}

/// Checks every capture of a folder, prints the tables, and returns how many rows are wrong.
///
/// # Errors
/// Where there is nothing to check.
pub fn report(folder: &Path) -> Result<usize> {
    Ok(tally(&examine(&natstrace()?, folder, &truths(folder)?)))
}

/// Prints the tables of what was said, and returns how many rows are wrong.
#[must_use]
pub fn tally(examined: &[Examined<'_>]) -> usize {
    let mut score = Score::default();
    for one in examined {
        print(&one.rows);
        score.add(one);
    }
    println!("{score}");
    score.wrong()
}

/// Prints rows, wrong ones marked.
pub fn print(rows: &[Row]) {
    for row in rows {
        let mark = if row.right { "ok   " } else { "WRONG" };
        println!("{mark} {:34} {:44} truth: {:60} said: {}", row.capture, row.who, row.truth, row.verdict);
    }
}

/// Compares a text with its frozen snapshot, or writes that where `UPDATE_GOLDEN` is set.
///
/// # Errors
/// Where they differ (with the first line that does), or there is none.
pub fn snapshot(file: &Path, text: &str) -> Result<()> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        return Ok(std::fs::write(file, text)?);
    }
    let Ok(old) = std::fs::read_to_string(file) else {
        bail!("{}: no snapshot; UPDATE_GOLDEN=1 writes it", file.display());
    };
    for (number, (was, is)) in old.lines().chain([""]).zip(text.lines().chain([""])).enumerate() {
        ensure!(was == is, "{}:{}\n  was {was}\n  is  {is}", file.display(), number + 1);
    }
    ensure!(old.lines().count() == text.lines().count(), "{}: another number of lines", file.display());
    Ok(())
}
