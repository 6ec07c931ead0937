//! `cargo xtask weigh`: instructions that natstrace executes for fixed captures, counted by callgrind and held against the
//! counts that are committed for such a machine. Unlike time they are the same on a busy machine.
use crate::{fuzz, setup, sh};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Sets and their sizes: a few seconds each under callgrind.
const SETS: [(&str, f64); 6] =
    [("bulk", 0.01), ("small", 0.005), ("churn", 0.002), ("lossy", 0.01), ("noise", 0.004), ("flood", 0.002)];
/// So much more is a regression, so much less wants new counts; in hundredths. The seeds of hash tables and another libc make one or
/// two.
const TOLERANCE: u64 = 5;
/// The committed counts: a line for each set on each kind of machine.
const COUNTS: &str = "tests/instructions.txt";

/// Counts the instructions that fixed captures cost.
#[derive(Args, Default)]
pub struct Weigh {
    /// Write the counts of this kind of machine instead of comparing
    #[arg(long)]
    update: bool,
}

impl Weigh {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        if !setup::is_there("valgrind") {
            eprintln!("weigh: valgrind is missing (apt-get install valgrind): no instructions are counted");
            return Ok(());
        }
        let natstrace = fuzz::checked_release("natstrace", "natstrace")?;
        let generate = sh::target().join("debug/generate");
        sh::run(sh::cargo().args(["build", "--quiet", "--package", "tests", "--bin", "generate"]))?;
        let folder = sh::target().join("weigh");
        let mut counted = Vec::new();
        for (set, scale) in SETS {
            let mut make = Command::new(&generate);
            make.arg("--scale").arg(scale.to_string()).arg("--to").arg(&folder).arg(set);
            sh::run(make.stdout(Stdio::null()))?;
            counted.push((set, count(&natstrace, &folder.join(format!("{set}.pcap")))?));
        }
        let (file, machine) = (sh::root().join(COUNTS), machine()?);
        if self.update { write(&file, &machine, &counted) } else { compare(&file, &machine, &counted) }
    }
}

/// Instructions of one run, in one thread.
fn count(natstrace: &Path, capture: &Path) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(natstrace);
    command.arg("-r").arg(capture).args(["-o", "json"]).env("NATSTRACE_THREADS", "1");
    let out = command.stdout(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{command:?}: {said}");
    let line = said.lines().find_map(|line| line.split_once("Collected :"));
    line.and_then(|(_, n)| n.trim().parse().ok()).with_context(|| format!("callgrind told no count: {said}"))
}

/// What the counts hang on beside the code, in one word: the compiler, the C library, and whether the widest instructions that
/// callgrind knows are there, by which both choose how they copy and search.
fn machine() -> Result<String> {
    let first_line = |program: &str| -> Result<String> {
        let out = Command::new(program).arg("--version").current_dir(sh::root()).output()?;
        Ok(String::from_utf8(out.stdout)?.lines().next().unwrap_or_default().to_owned())
    };
    let (rustc, libc) = (first_line("rustc")?, first_line("ldd")?);
    let number = rustc.split_whitespace().nth(1).context("rustc has no version")?;
    let libc = libc.split_whitespace().last().unwrap_or("unknown");
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let wide = if flags.split_whitespace().any(|flag| flag == "avx2") { "avx2" } else { "plain" };
    Ok(format!("rustc-{number}/libc-{libc}/{wide}"))
}

/// Counts by kind of machine and set.
fn read(file: &Path) -> Result<BTreeMap<(String, String), u64>> {
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(BTreeMap::new()) };
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let entry = (|| Some((words.next()?, words.next()?, words.next()?.parse().ok()?)))();
            let (machine, set, n) = entry.with_context(|| format!("{COUNTS}: {line}"))?;
            Ok(((machine.to_owned(), set.to_owned()), n))
        })
        .collect()
}

fn compare(file: &Path, machine: &str, counted: &[(&str, u64)]) -> Result<()> {
    let committed = read(file)?;
    let (mut worse, mut better) = (Vec::new(), false);
    for (set, now) in counted {
        let Some(&before) = committed.get(&(machine.to_owned(), (*set).to_owned())) else {
            eprintln!(
                "weigh: {set:6} {now:>12}, no count of {machine} is committed: cargo xtask weigh --update"
            );
            continue;
        };
        let change = (*now as f64 / before as f64 - 1.0) * 100.0;
        eprintln!("weigh: {set:6} {now:>12} instructions, {change:+.1} %");
        better |= *now < before - before / 100 * TOLERANCE;
        if *now > before + before / 100 * TOLERANCE {
            worse.push(format!("{set} {change:+.1} %"));
        }
    }
    if better {
        eprintln!("weigh: it has become cheaper: cargo xtask weigh --update holds that");
    }
    ensure!(
        worse.is_empty(),
        "more instructions than before, by over {TOLERANCE} %: {}; if that is worth it: cargo xtask weigh --update",
        worse.join(", ")
    );
    Ok(())
}

fn write(file: &Path, machine: &str, counted: &[(&str, u64)]) -> Result<()> {
    let mut all = read(file)?;
    all.extend(counted.iter().map(|(set, n)| ((machine.to_owned(), (*set).to_owned()), *n)));
    let mut text =
        "# Instructions for the captures of `cargo xtask weigh`, by what they hang on (compiler, C library, processor);\n# `--update` writes them.\n"
            .to_owned();
    for ((machine, set), n) in all {
        writeln!(text, "{machine} {set} {n}")?;
    }
    Ok(std::fs::write(file, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_refused_less_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("counts.txt");
        write(&file, "rustc-1", &[("bulk", 1000), ("churn", 500)]).unwrap();
        write(&file, "rustc-2", &[("bulk", 2000)]).unwrap();
        compare(&file, "rustc-1", &[("bulk", 1049), ("churn", 100)]).unwrap();
        assert!(compare(&file, "rustc-1", &[("bulk", 1051)]).is_err());
        compare(&file, "rustc-2", &[("bulk", 2099), ("churn", 9999)]).unwrap();
    }
}
