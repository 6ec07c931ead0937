//! Strikes the core with bent captures and chance for a time: `hammer --seconds 60`. What breaks is told with its number,
//! which gives the same octets again: `hammer --target nats --seed 17 --once`.
use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tests::counting::{self, Counting};
use tests::hammer::{Seeds, Target};

#[global_allocator]
static COUNTING: Counting = Counting;

/// Processor time that is too long for an input.
const SLOW: Duration = Duration::from_secs(2);
/// Octets that an input may take beside a hundred times its own length.
const MEMORY: usize = 96 << 20;
/// Since when, in milliseconds, and with which number each target is at work; 0: it isn't.
static WORKING: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// Strikes the core with bent captures and chance.
#[derive(Parser)]
struct Args {
    /// frame, nats, track, files; all where none is named
    #[arg(long)]
    target: Vec<String>,
    /// For all targets together
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// First number
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Only that number
    #[arg(long)]
    once: bool,
    /// Write the octets of `--once` there
    #[arg(long)]
    save: Option<PathBuf>,
    /// Captures to bend
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/captures"))]
    captures: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let mut targets = Vec::new();
    for name in &args.target {
        targets.push(Target::named(name).with_context(|| format!("no target {name}"))?);
    }
    if targets.is_empty() {
        targets.extend(Target::ALL);
    }
    let seeds = Seeds::read(&args.captures).with_context(|| args.captures.display().to_string())?;
    let begun = Instant::now();
    std::thread::spawn(move || watch(begun));
    let mut broken = 0;
    let share = Duration::from_secs(args.seconds) / targets.len() as u32;
    for target in targets {
        let (start, mut seed) = (Instant::now(), args.seed);
        let mut found = 0;
        while start.elapsed() < share || args.once {
            let input = seeds.input(target, seed);
            if let Some(file) = args.save.as_ref().filter(|_| args.once) {
                std::fs::write(file, &input)?;
            }
            found += u64::from(!strike(target, seed, &input, begun));
            seed += 1;
            if args.once || found >= 20 {
                break;
            }
        }
        println!("hammer: {target}: {} inputs, {found} broke", seed - args.seed);
        broken += found;
    }
    ensure!(broken == 0, "{broken} inputs broke");
    Ok(())
}

/// One input; false where a claim doesn't hold.
fn strike(target: Target, seed: u64, input: &[u8], begun: Instant) -> bool {
    let alive = counting::alive();
    let _ = counting::most();
    let start = cpu_time();
    WORKING[1].store(seed, Relaxed);
    WORKING[0].store(begun.elapsed().as_millis() as u64 + 1, Relaxed);
    let result = catch_unwind(|| target.strike(input));
    WORKING[0].store(0, Relaxed);
    let (took, most) = (cpu_time().saturating_sub(start), counting::most() - alive);
    let say = |what: &str| eprintln!("hammer: --target {target} --seed {seed} --once: {what}");
    if result.is_err() {
        say("panic");
        return false;
    }
    if took > SLOW {
        say(&format!("took {:.1} s for {} octets", took.as_secs_f64(), input.len()));
        return false;
    }
    if most > MEMORY + 100 * input.len() {
        say(&format!("took {most} octets of memory for {} octets", input.len()));
        return false;
    }
    true
}

/// Processor time of this thread: wall time says nothing where others have the processor.
#[allow(unsafe_code, reason = "std has no clock for it")]
fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is valid for the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Ends the process where an input never ends.
fn watch(begun: Instant) {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let since = WORKING[0].load(Relaxed);
        if since > 0 && begun.elapsed().as_millis() as u64 > since + 30_000 {
            eprintln!("hammer: --seed {} --once: hangs", WORKING[1].load(Relaxed));
            std::process::exit(1);
        }
    }
}
