//! `cargo xtask demo`: from a fresh clone to a verdict.
use crate::{setup, sh};
use anyhow::Result;
use clap::Args;
use std::process::Command;

/// An incident with several clients, recorded in the lab (`demo` in `tests/src/lab/scenarios/stop.rs`).
const CAPTURE: &str = "tests/captures/demo.pcap";

/// Builds natstrace and shows it on a bundled capture.
#[derive(Args)]
pub struct Demo {
    /// More options for natstrace
    #[arg(last = true)]
    options: Vec<String>,
}

impl Demo {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        setup::build()?;
        sh::run(sh::cargo().args(["build", "--release", "--package", "natstrace"]))?;
        let binary = sh::target().join("release/natstrace");
        eprintln!("$ {} --read {CAPTURE} --assume write_deadline=1s", binary.display());
        let mut natstrace = Command::new(&binary);
        natstrace.args(["--read", CAPTURE, "--assume", "write_deadline=1s"]).args(&self.options);
        sh::run(natstrace.current_dir(sh::root()))
    }
}
