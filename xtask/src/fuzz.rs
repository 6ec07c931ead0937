//! `cargo xtask fuzz`: any octets into the core. The seeded hammer needs only stable Rust; where cargo-fuzz is installed its
//! four targets can run too.
use crate::{setup, sh};
use anyhow::{Result, ensure};
use clap::Args;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The targets in `tracer/fuzz`.
const TARGETS: [&str; 4] = ["frame", "nats", "track", "files"];

/// Strikes the core with bent captures and chance.
#[derive(Args)]
pub struct Fuzz {
    /// For all targets together
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Only these: frame, nats, track, files
    #[arg(long)]
    target: Vec<String>,
    /// First number of the hammer, which gives the same octets again; the day's by default
    #[arg(long)]
    seed: Option<u64>,
    /// With cargo-fuzz (libFuzzer) instead of the hammer; it must be installed
    #[arg(long)]
    guided: bool,
}

impl Fuzz {
    /// Does it.
    pub fn run(&self) -> Result<()> {
        setup::build()?;
        if self.guided {
            self.guided()
        } else {
            hammer(self.seconds, self.seed.unwrap_or_else(today), &self.target)
        }
    }

    fn guided(&self) -> Result<()> {
        let mut probe = sh::cargo();
        probe.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
        ensure!(
            probe.status().is_ok_and(|s| s.success()),
            "cargo-fuzz is not installed (cargo install cargo-fuzz); without --guided none is needed"
        );
        let wanted = |t: &&str| self.target.is_empty() || self.target.iter().any(|w| w == t);
        let targets: Vec<&str> = TARGETS.into_iter().filter(wanted).collect();
        ensure!(!targets.is_empty(), "targets: {}", TARGETS.join(", "));
        let share = (self.seconds / targets.len() as u64).max(1);
        for target in targets {
            // Stable's compiler takes the sanitizer's options only so.
            let mut command: Command = sh::cargo();
            command.env("RUSTC_BOOTSTRAP", "1").args([
                "fuzz",
                "run",
                "--fuzz-dir",
                "tracer/fuzz",
                target,
                "--",
            ]);
            sh::run(
                command.arg(format!("-max_total_time={share}")).args(["-timeout=10", "-rss_limit_mb=1024"]),
            )?;
        }
        Ok(())
    }
}

/// Runs the hammer, optimized, with checks of overflow.
pub fn hammer(seconds: u64, seed: u64, targets: &[String]) -> Result<()> {
    let mut command = Command::new(checked_release("tests", "hammer")?);
    command.current_dir(sh::root());
    command.args(["--seconds", &seconds.to_string(), "--seed", &seed.to_string()]);
    for target in targets {
        command.args(["--target", target]);
    }
    sh::run(&mut command)
}

/// Builds a program optimized, with checks of overflow and no debug information; where it then is.
pub fn checked_release(package: &str, program: &str) -> Result<PathBuf> {
    // Beside the ordinary release build, which has other options.
    let target = sh::target().join("hammer");
    let mut command = sh::cargo();
    command.env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true");
    command.env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true");
    command.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    command.args(["build", "--quiet", "--release", "--target-dir"]).arg(&target);
    sh::run(command.args(["--package", package, "--bin", program]))?;
    Ok(target.join("release").join(program))
}

/// Another first number every day, a billion apart, told by the hammer where something breaks.
pub fn today() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() / 86_400 * 1_000_000_000
}
