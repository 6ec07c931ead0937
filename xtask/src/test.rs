//! `cargo xtask test`: what CI runs and what a change must pass.
use crate::kernels::Kernels;
use crate::weigh::Weigh;
use crate::{ebpf, fuzz, setup, sh, tidy};
use anyhow::Result;
use clap::Args;
use std::path::PathBuf;
use std::time::Instant;

/// Everything that must pass.
#[derive(Args)]
pub struct Test {
    /// Without installing the lab's tools (the live scenarios are then skipped where they are missing)
    #[arg(long)]
    no_setup: bool,
    /// A short run of the hammer
    #[arg(long)]
    quick: bool,
}

impl Test {
    /// Does it; a line for each stage.
    pub fn run(&self) -> Result<()> {
        stage("setup", || {
            setup::build()?;
            if sh::is_root() && !self.no_setup {
                setup::lab()?;
                setup::valgrind()?;
            }
            Ok(())
        })?;
        stage("tidy", tidy::run)?;
        stage("format", || cargo(&["fmt", "--all", "--check"]))?;
        stage("lints", || {
            cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
        })?;
        // The committed object must be made of these sources; as root it is rebuilt too, and where the compiler makes
        // other octets of them, the tests run on the rebuilt one.
        let mut rebuilt = None;
        stage("ebpf", || {
            ebpf::check()?;
            if sh::is_root() && !self.no_setup {
                rebuilt = ebpf::rebuilt()?;
            }
            Ok(())
        })?;
        // Unit and property tests, golden captures, and, as root, live scenarios of the lab.
        stage("tests", || tests(rebuilt))?;
        // Older kernels, emulated: their probes load, their verdicts are right.
        if sh::is_root() && !self.no_setup && !self.quick {
            stage("kernels", || Kernels::everything().run())?;
        }
        // The same bodies as libFuzzer targets: they must compile; running them wants cargo-fuzz.
        stage("fuzzers", || {
            let target = sh::target().join("fuzz");
            sh::run(
                sh::cargo()
                    .args(["check", "--quiet", "--manifest-path", "tracer/fuzz/Cargo.toml", "--target-dir"])
                    .arg(target),
            )
        })?;
        // Bent captures and chance, other ones every day: what breaks is told with the number that gives it again.
        stage("hammer", || fuzz::hammer(if self.quick { 8 } else { 60 }, fuzz::today(), &[]))?;
        // Speed by what can be counted, in the build that the hammer has.
        stage("weigh", || Weigh::default().run())
    }
}

/// With the object that was rebuilt, where there is one.
fn tests(object: Option<PathBuf>) -> Result<()> {
    let mut command = sh::cargo();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    if let Some(object) = object {
        eprintln!("the rebuilt kernel probes differ from the committed ones; testing {}", object.display());
        command.env("NATSTRACE_BPF_OBJECT", object);
    }
    sh::run(&mut command)
}

fn cargo(args: &[&str]) -> Result<()> {
    sh::run(sh::cargo().args(args))
}

fn stage(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    let result = work();
    let word = if result.is_ok() { "ok" } else { "FAILED" };
    eprintln!("xtask test: {name:8} {word:6} {:6.1} s", start.elapsed().as_secs_f64());
    result
}
