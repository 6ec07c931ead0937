//! Writes capture sets for measurements: `generate --scale 0.1 --to target/bench bulk churn`; `veth` and `lo` are recorded.
use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::path::PathBuf;
use tests::generate::{self, Real, Set};

/// Writes capture sets, the same octets every time.
#[derive(Parser)]
struct Args {
    /// bulk, small, churn, lossy, noise, flood; these where none is named; veth, lo: real load, recorded as root
    sets: Vec<String>,
    /// Size, 1 being that of the speed goals
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Folder for the files
    #[arg(long, default_value = ".")]
    to: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.scale > 0.0 && args.scale <= 100.0, "--scale: more than 0, at most 100");
    std::fs::create_dir_all(&args.to)?;
    let mut sets = Vec::new();
    for name in &args.sets {
        if let Some(real) = Real::named(name) {
            // Five seconds give some hundred megabytes.
            real.record(5.0 * args.scale, &args.to.join(format!("{name}.pcap")))?;
            continue;
        }
        sets.push(Set::named(name).with_context(|| format!("no set {name}"))?);
    }
    if args.sets.is_empty() {
        sets.extend(Set::ALL);
    }
    for set in sets {
        let file = args.to.join(format!("{}.pcap", set.name()));
        let made = generate::write(set, args.scale, &file).with_context(|| file.display().to_string())?;
        println!("{} {} {}", set.name(), made.frames, made.bytes);
    }
    Ok(())
}
