//! `--read`: captures in, events out, one after the other.
use super::output::{Output, core, stop_flag};
use super::{Failure, say, servers};
use crate::cli::Plan;
use crate::event::Event;
use crate::source::{FileSource, Filter, MergedSource};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Frames between two looks at signals and the clock.
const BREATH: u64 = 1 << 14;

/// Reads `files` to their end, or to where the plan says stop.
pub fn run(plan: &Plan, files: &[PathBuf]) -> Result<(), Failure> {
    let begun = Instant::now();
    let mut filter = match &plan.filter {
        Some(text) => Some(Filter::new(text).map_err(|e| Failure::Usage(e.to_string()))?),
        None => None,
    };
    let mut source = open(files)?;
    let mut out = Output::open(plan)?;
    let mut pipeline = core(plan);
    servers::read_all(plan, &mut pipeline)?;
    let stop = stop_flag();
    let bar = progress(&source);
    let mut damage: Option<String> = None;
    let mut frames: u64 = 0;
    let mut began = None;
    loop {
        let frame = match source.next() {
            Ok(Some(frame)) => frame,
            Ok(None) => break,
            Err(error) => {
                damage.get_or_insert(error.to_string());
                continue;
            }
        };
        let first = *began.get_or_insert(frame.at);
        if plan.duration.is_some_and(|d| frame.at - first > d) {
            break;
        }
        let wanted = filter.as_mut().is_none_or(|f| f.matches(frame.link, frame.bytes));
        pipeline.handle_frame(&frame, wanted, &mut |event| out.take(&event));
        frames += 1;
        if out.is_over() {
            break;
        }
        if frames.is_multiple_of(BREATH) {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            bar.set_position(source.sources().iter().map(FileSource::bytes_read).sum());
        }
    }
    bar.finish_and_clear();
    out.check()?;
    let lost = source.sources().iter().map(FileSource::lost_frames).sum();
    let now = pipeline.now();
    pipeline.handle_lost(lost, now, &mut |event| out.take(&event));
    let mut summary = pipeline.finish(&mut |event| out.take(&event));
    summary.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if frames > 0 {
        out.take(&Event::Summary(Box::new(summary)));
    }
    out.finish()?;
    for error in filter.iter().flat_map(Filter::unusable) {
        say(&format!("warning: {error}"));
    }
    match damage {
        Some(message) => Err(Failure::Run(message)),
        None => Ok(()),
    }
}

/// Every file, or what is wrong with the first that can't be read.
fn open(files: &[PathBuf]) -> Result<MergedSource, Failure> {
    let mut sources = Vec::with_capacity(files.len());
    for (capture, file) in (0u32..).zip(files) {
        sources.push(FileSource::open(file, capture).map_err(|e| Failure::Run(e.to_string()))?);
    }
    Ok(MergedSource::new(sources))
}

/// A bar on a terminal, once the work is long enough to want one.
fn progress(source: &MergedSource) -> ProgressBar {
    let whole = source.sources().iter().map(FileSource::size).sum::<Option<u64>>();
    let Some(size) = whole.filter(|&size| size > 64 << 20 && io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr_with_hz(5));
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
