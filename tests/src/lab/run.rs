//! Plays scenarios, several at a time, each on hosts of its own.
use super::stage::Stage;
use super::tools::Tools;
use super::{Scenario, net};
use crate::each::each;
use anyhow::{Context, Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

/// What came of one scenario.
pub struct Outcome {
    /// Its name.
    pub name: &'static str,
    /// How long it took.
    pub took: Duration,
    /// Its truth, written to the folder, or why there is none.
    pub result: Result<crate::truth::Truth>,
}

/// Plays one scenario; its captures and truth go to `folder`.
///
/// # Errors
/// Where anything of it fails; the hosts are gone then, too.
pub fn play(scenario: &Scenario, tools: &Tools, folder: &Path) -> Result<crate::truth::Truth> {
    let work = tempfile::tempdir()?;
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut stage = Stage::build(scenario.name, scenario.what, tools, work.path())?;
        (scenario.play)(&mut stage)?;
        stage.finish()
    }));
    let truth = played.map_err(|_| anyhow!("panicked"))??;
    // Only what is complete takes the place of earlier captures.
    for vantage in truth.vantages.values() {
        std::fs::copy(work.path().join(&vantage.capture), folder.join(&vantage.capture))?;
    }
    truth.save(folder)?;
    Ok(truth)
}

/// Plays them all, `jobs` at a time, and tells `done` of each as it ends.
pub fn play_all(
    scenarios: &[&'static Scenario],
    tools: &Tools,
    folder: &Path,
    jobs: usize,
    done: impl Fn(&Outcome) + Sync,
) -> Vec<Outcome> {
    net::sweep(false);
    each(scenarios, jobs, done, |scenario| {
        let start = Instant::now();
        let result = play(scenario, tools, folder).with_context(|| scenario.name.to_owned());
        Outcome { name: scenario.name, took: start.elapsed(), result }
    })
}

/// Removes this process's hosts when it is told to end (SIGINT, SIGTERM), then ends it.
///
/// # Errors
/// Where the handler can't be set.
pub fn clean_up_on_signals() -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([libc::SIGINT, libc::SIGTERM])?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            net::sweep(true);
            std::process::exit(130);
        }
    });
    Ok(())
}
