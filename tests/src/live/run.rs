//! Plays faults, several at a time, each on hosts of its own.
use super::judge::Row;
use super::{Fault, Scene};
use crate::each::each;
use crate::lab::net;
use crate::lab::tools::Tools;
use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// What came of one fault.
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Who said what.
    pub rows: Vec<Row>,
    /// What those said on standard error who told something wrong.
    pub notes: Vec<String>,
    /// From the start of each natstrace to its ready line.
    pub ready_after: Vec<Duration>,
    /// Why this machine can't play it.
    pub skipped: Option<String>,
    /// Why it couldn't be played to its end.
    pub error: Option<anyhow::Error>,
}

/// Plays one.
#[must_use]
pub fn play(fault: &Fault, tools: &Tools, binary: &Path) -> Outcome {
    let start = Instant::now();
    let mut outcome = Outcome {
        name: fault.name,
        took: Duration::ZERO,
        rows: vec![],
        notes: vec![],
        ready_after: vec![],
        skipped: None,
        error: None,
    };
    let played = catch_unwind(AssertUnwindSafe(|| -> Result<()> {
        let folder = tempfile::tempdir()?;
        let mut scene = Scene::build(fault, tools, binary, folder.path())?;
        let played = (fault.play)(&mut scene);
        outcome.rows = scene.rows();
        outcome.notes = std::mem::take(&mut scene.notes);
        outcome.skipped = scene.skipped.take();
        outcome.ready_after = std::mem::take(&mut scene.ready_after);
        played
    }));
    outcome.error = played.unwrap_or_else(|_| Err(anyhow!("panicked"))).err();
    outcome.took = start.elapsed();
    outcome
}

/// Plays them all, `jobs` at a time, in their order; tells `done` of each as it ends.
pub fn play_all(
    faults: &[&'static Fault],
    tools: &Tools,
    binary: &Path,
    jobs: usize,
    done: impl Fn(&Outcome) + Sync,
) -> Vec<Outcome> {
    net::sweep(false);
    each(faults, jobs, done, |fault| play(fault, tools, binary))
}
