//! `--read`: captures in, events out, in one thread or in stages; what leaves is the same.
mod stages;
mod threads;
mod turns;

use super::output::{Output, config, judge, stop_flag};
use super::{Failure, say, servers};
use crate::base::{Span, Timestamp};
use crate::cli::Plan;
use crate::event::{Event, Frame, Place, Summary};
use crate::pipeline::Pipeline;
use crate::source::{FileSource, Filter, FilterError, MergedSource};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use threads::Threads;

/// Frames between two looks at signals and the clock.
const BREATH: u64 = 1 << 14;

/// Reads `files` to their end, or to where the plan says stop.
pub fn run(plan: &Plan, files: &[PathBuf]) -> Result<(), Failure> {
    let begun = Instant::now();
    let filter = match &plan.filter {
        Some(text) => Some(Filter::new(text).map_err(|e| Failure::Usage(e.to_string()))?),
        None => None,
    };
    let source = open(files)?;
    let mut out = Output::open(plan)?;
    let (config, mut judge) = (config(plan), judge(plan));
    servers::read_all(plan, &mut judge)?;
    let mut input = Input::new(source, filter, plan.duration);
    let mut threads = Threads::new();
    if threads.most > 1 {
        input.source.unpack_ahead();
    }
    // Where to stop hangs on what the last stage says: no other may be ahead of it. Nor does a frame of a pipe wait for more.
    if plan.selection.count.is_some() || input.source.sources().iter().any(|s| s.size().is_none()) {
        threads = Threads::one();
    }
    let mut pipeline = Pipeline::with(&config, judge);
    let (read, mut summary) = if give_all(&mut input, &mut pipeline, &mut threads, &mut out) {
        finish(input, pipeline, &mut out)?
    } else {
        stages::run(input, pipeline.into_stages(threads.most), &mut out)?
    };
    summary.elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if read.frames > 0 {
        out.take(&Event::Summary(Box::new(summary)));
    }
    out.finish()?;
    for error in &read.unusable {
        say(&format!("warning: {error}"));
    }
    match read.damage {
        Some(message) => Err(Failure::Run(message)),
        None => Ok(()),
    }
}

/// The input ended in one thread.
fn finish(input: Input, mut pipeline: Pipeline, out: &mut Output) -> Result<(Read, Summary), Failure> {
    out.check()?;
    let read = input.finish();
    let now = pipeline.now();
    pipeline.handle_lost(read.lost, now, out);
    let summary = pipeline.finish(out);
    Ok((read, summary))
}

/// Gives frames to the pipeline, nothing ahead of another: all, to where something says stop, or (`false`) those before it pays
/// that several threads go on.
fn give_all(input: &mut Input, pipeline: &mut Pipeline, threads: &mut Threads, out: &mut Output) -> bool {
    while !input.is_stopped() {
        if threads.pay(input.read.frames) {
            return false;
        }
        // What is in memory already.
        let run = input.source.run();
        let runs = run.is_some();
        if let Some(mut run) = run {
            while let Some(frame) = run.next() {
                let Some(wanted) = input.choice.of(&frame) else { return true };
                input.read.frames += 1;
                pipeline.handle_frame(&frame, wanted, out);
                if out.is_over() {
                    return true;
                }
            }
        }
        // The first that isn't, or all of what is read in another way.
        loop {
            let next = if runs { threads.aside(|| input.next()) } else { input.next() };
            let Some((frame, wanted)) = next else { return true };
            pipeline.handle_due(&frame, wanted, out);
            if out.is_over() {
                return true;
            }
            if runs || input.read.frames.is_multiple_of(BREATH) {
                break;
            }
        }
    }
    true
}

/// The captures, and what says where to stop.
struct Input {
    source: MergedSource,
    choice: Choice,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
    read: Read,
}

/// Which frames are wanted.
struct Choice {
    filter: Option<Filter>,
    duration: Option<Span>,
    /// Time of the first frame.
    began: Option<Timestamp>,
}

impl Choice {
    /// Whether the filter lets a frame pass; `None` where the plan says stop.
    #[inline(always)]
    fn of(&mut self, frame: &Frame<'_>) -> Option<bool> {
        if let Some(duration) = self.duration
            && frame.at - *self.began.get_or_insert(frame.at) > duration
        {
            return None;
        }
        Some(self.filter.as_mut().is_none_or(|f| f.matches(frame.link, frame.bytes)))
    }
}

/// What was read.
#[derive(Default)]
struct Read {
    frames: u64,
    /// Frames that the captures say they lost.
    lost: u64,
    damage: Option<String>,
    unusable: Vec<FilterError>,
}

impl Input {
    fn new(source: MergedSource, filter: Option<Filter>, duration: Option<Span>) -> Self {
        Self {
            bar: progress(&source),
            source,
            choice: Choice { filter, duration, began: None },
            stop: stop_flag(),
            read: Read::default(),
        }
    }

    /// The next frame, and whether the filter lets it pass; `None` at the end or where the plan says stop.
    #[inline(always)]
    fn next(&mut self) -> Option<(Frame<'_>, bool)> {
        loop {
            match self.source.advance() {
                Ok(true) => break,
                Ok(false) => return None,
                Err(error) => {
                    self.read.damage.get_or_insert(error.to_string());
                }
            }
        }
        let frame = self.source.frame()?;
        let wanted = self.choice.of(&frame)?;
        self.read.frames += 1;
        Some((frame, wanted))
    }

    /// The same with where the frame's octets are, which stay there while that is shared.
    #[inline(always)]
    fn next_in_place(&mut self) -> Option<(Frame<'_>, bool, Place<'_>)> {
        let (_, wanted) = self.next()?;
        Some((self.source.frame()?, wanted, self.source.place()?))
    }

    /// Shows how far it has come; whether a signal came.
    fn is_stopped(&self) -> bool {
        if !self.bar.is_hidden() {
            self.bar.set_position(self.source.sources().iter().map(FileSource::bytes_read).sum());
        }
        self.stop.load(Ordering::Relaxed)
    }

    /// Nothing more is wanted.
    fn finish(mut self) -> Read {
        self.bar.finish_and_clear();
        self.read.lost = self.source.sources().iter().map(FileSource::lost_frames).sum();
        self.read.unusable = self.choice.filter.iter().flat_map(Filter::unusable).cloned().collect();
        self.read
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
