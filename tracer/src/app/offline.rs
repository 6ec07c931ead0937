//! `--read`: captures in, events out, one after the other.
use super::{Failure, say};
use crate::base::Span;
use crate::cli::{Format, Plan, Settle};
use crate::event::Event;
use crate::pipeline::{Config, Pipeline};
use crate::sink::{Json, Redact, Select, Sink, Text};
use crate::source::{FileSource, Filter, MergedSource};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    let mut sink = Select::new(sink(plan)?, plan.selection.clone());
    let mut pipeline = Pipeline::new(config(plan));
    let stop = stop_flag();
    let bar = progress(&source);
    let mut damage: Option<String> = None;
    let mut written: io::Result<()> = Ok(());
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
        pipeline.handle_frame(&frame, wanted, &mut |event| write(&mut sink, &mut written, &event));
        frames += 1;
        if written.is_err() || sink.done() {
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
    written?;
    let mut written: io::Result<()> = Ok(());
    let lost = source.sources().iter().map(FileSource::lost_frames).sum();
    let now = pipeline.now();
    pipeline.handle_lost(lost, now, &mut |event| write(&mut sink, &mut written, &event));
    let mut summary = pipeline.finish(&mut |event| write(&mut sink, &mut written, &event));
    summary.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if frames > 0 {
        write(&mut sink, &mut written, &Event::Summary(Box::new(summary)));
    }
    written?;
    sink.finish()?;
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

fn write(sink: &mut impl Sink, written: &mut io::Result<()>, event: &Event) {
    if written.is_ok() {
        *written = sink.event(event);
    }
}

/// The core's settings.
fn config(plan: &Plan) -> Config {
    let settle = match plan.settle {
        Settle::For(span) => span,
        Settle::UntilKnown(most) => most,
    };
    Config {
        ports: plan.ports.clone(),
        idle_timeout: plan.idle_timeout,
        settle: settle.max(Span::ZERO),
        offline: true,
        max_connections: plan.max_connections,
        settings: plan.settings,
    }
}

/// Where results go and how they look.
fn sink(plan: &Plan) -> Result<Box<dyn Sink>, Failure> {
    let out: Box<dyn Write> = match &plan.output {
        Some(path) => Box::new(
            File::create(path).map_err(|e| Failure::Run(format!("can't write {}: {e}", path.display())))?,
        ),
        None => Box::new(io::stdout()),
    };
    let plain: Box<dyn Sink> = match plan.format {
        Format::Json => Box::new(Json::new(out, false)),
        Format::Text => Box::new(Text::new(out, plan.look, false)),
    };
    Ok(if plan.redact { Box::new(Redact::new(plain)) } else { plain })
}

/// Set by the first SIGINT or SIGTERM; a second one ends the process as it would by default.
fn stop_flag() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let registered = signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
        if let Err(error) = registered {
            say(&format!("signals end the run without a summary: {error}"));
        }
    }
    stop
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
