//! `lab`: plays scenarios and records them; `cargo xtask lab` calls it.
use anyhow::{Result, ensure};
use clap::Parser;
use std::path::PathBuf;
use tests::lab::scenarios::all;
use tests::lab::{run, tools};
use tests::live;

/// Plays NATS connection failures on hosts made of network namespaces and records them with their truth.
#[derive(Parser)]
struct Options {
    /// Only these, apart by commas; a part of a name is enough
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Put captures and truth into tests/captures (default: a temporary folder, then checked with natstrace)
    #[arg(long)]
    record: bool,
    /// How many at a time
    #[arg(long, default_value_t = 3)]
    jobs: usize,
    /// Show what there is
    #[arg(long)]
    list: bool,
    /// Faults with natstrace watching live on the hosts, instead of recordings
    #[arg(long)]
    live: bool,
    /// What natstrace costs beside tcpdump: replayed traffic, then a NATS load in pairs; --only takes replay-small, replay-bulk, and
    /// the load's observers: nobody, tcpdump, tcpdump-64M, packets, headers, both, probes (minutes; release build)
    #[arg(long)]
    measure: bool,
    /// Pairs of runs, for --measure
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds of a run, for --measure
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Install what is missing, and end
    #[arg(long)]
    setup: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let wanted =
        |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part.as_str()));
    let chosen: Vec<_> = all().into_iter().filter(|s| wanted(s.name)).collect();
    let faults: Vec<_> = live::faults::all().into_iter().filter(|f| wanted(f.name)).collect();
    if options.list && options.live {
        for fault in faults {
            println!("{:28} {}", fault.name, fault.what);
        }
        return Ok(());
    }
    if options.list {
        for scenario in chosen {
            println!("{:28} {}", scenario.name, scenario.what);
        }
        return Ok(());
    }
    let tools = tools::Tools::install()?;
    if options.setup {
        return Ok(());
    }
    ensure!(tools::is_root(), "the lab makes network namespaces: run it as root");
    run::clean_up_on_signals()?;
    if options.measure {
        let (pairs, seconds, only) = (options.pairs, options.seconds, options.only);
        let plan = live::measure::Plan { pairs, seconds, only };
        return live::measure::run(&plan, &tools, &tests::check::natstrace()?);
    }
    if options.live {
        return watch(&faults, &tools, options.jobs);
    }
    ensure!(!chosen.is_empty(), "no scenario is called so; see --list");
    let scratch = tempfile::tempdir()?;
    let folder: PathBuf =
        if options.record { tools::root().join("tests/captures") } else { scratch.path().to_owned() };
    std::fs::create_dir_all(&folder)?;
    let outcomes = run::play_all(&chosen, &tools, &folder, options.jobs, |outcome| match &outcome.result {
        Ok(_) => println!("ok      {:28} {:5.1} s", outcome.name, outcome.took.as_secs_f64()),
        Err(e) => println!("FAILED  {:28} {:5.1} s  {e:#}", outcome.name, outcome.took.as_secs_f64()),
    });
    let failed = outcomes.iter().filter(|o| o.result.is_err()).count();
    println!("{} played, {failed} failed", outcomes.len());
    let wrong = if options.record { 0 } else { tests::check::report(&folder)? };
    ensure!(failed == 0 && wrong == 0, "{failed} scenarios failed, {wrong} verdicts are wrong");
    Ok(())
}

/// Plays faults under natstrace's eyes and prints what it said of them.
fn watch(faults: &[&'static live::Fault], tools: &tools::Tools, jobs: usize) -> Result<()> {
    ensure!(!faults.is_empty(), "no fault is called so; see --live --list");
    let binary = tests::check::natstrace()?;
    let mut outcomes = live::run::play_all(faults, tools, &binary, jobs, |outcome| {
        println!("{:28} {:5.1} s", outcome.name, outcome.took.as_secs_f64());
    });
    outcomes.sort_by_key(|o| o.name);
    println!("{}", live::table::verdicts(&outcomes));
    println!("{}", live::table::evidence(&outcomes));
    println!("{}", live::table::times(&outcomes));
    let wrong = live::table::wrong(&outcomes);
    ensure!(wrong == 0, "{wrong} of {} faults are told wrong", outcomes.len());
    Ok(())
}
