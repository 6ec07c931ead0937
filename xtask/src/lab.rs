//! `cargo xtask lab`: hands over to the lab's own binary.
use crate::{setup, sh};
use anyhow::Result;
use clap::Args;

/// Plays connection failures on hosts made of network namespaces.
#[derive(Args)]
pub struct Lab {
    /// Only these, apart by commas; a part of a name is enough
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Put captures and truth into tests/captures, instead of checking natstrace on them
    #[arg(long)]
    record: bool,
    /// How many at a time
    #[arg(long)]
    jobs: Option<usize>,
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
    #[arg(long)]
    pairs: Option<usize>,
    /// Seconds of a run, for --measure
    #[arg(long)]
    seconds: Option<f64>,
}

impl Lab {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        if !self.list {
            setup::build()?;
        }
        let mut command = sh::cargo();
        command.args(["run", "--quiet", "--package", "tests", "--bin", "lab"]);
        if self.measure {
            // The generator stands beside the lab's own binary.
            sh::run(sh::cargo().args(["build", "--quiet", "--release", "--package", "tests", "--bins"]))?;
            command.arg("--release");
        }
        command.arg("--");
        if !self.only.is_empty() {
            command.arg("--only").arg(self.only.join(","));
        }
        if let Some(jobs) = self.jobs {
            command.arg("--jobs").arg(jobs.to_string());
        }
        if let Some(pairs) = self.pairs {
            command.arg("--pairs").arg(pairs.to_string());
        }
        if let Some(seconds) = self.seconds {
            command.arg("--seconds").arg(seconds.to_string());
        }
        command.args(self.live.then_some("--live")).args(self.measure.then_some("--measure"));
        command.args(self.record.then_some("--record")).args(self.list.then_some("--list"));
        sh::run(&mut command)
    }
}
