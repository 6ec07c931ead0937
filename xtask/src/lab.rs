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
}

impl Lab {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        if !self.list {
            setup::build()?;
        }
        let mut command = sh::cargo();
        command.args(["run", "--quiet", "--package", "tests", "--bin", "lab", "--"]);
        if !self.only.is_empty() {
            command.arg("--only").arg(self.only.join(","));
        }
        if let Some(jobs) = self.jobs {
            command.arg("--jobs").arg(jobs.to_string());
        }
        command.args(self.record.then_some("--record")).args(self.list.then_some("--list"));
        sh::run(&mut command)
    }
}
