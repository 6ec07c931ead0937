//! What live and offline traces share: where results go, the core's settings, how a run is stopped.
use super::{Failure, say};
use crate::base::Span;
use crate::cli::{Capture, Format, Plan, Settle};
use crate::event::{Event, Facts};
use crate::pipeline::{Config, Emit, Judge};
use crate::sink::{Json, Redact, Select, Sink, Text};
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Takes events until one can't be written.
pub(super) struct Output {
    sink: Select<Box<dyn Sink>>,
    written: io::Result<()>,
}

impl Output {
    /// Where the plan says.
    pub fn open(plan: &Plan) -> Result<Self, Failure> {
        Ok(Self { sink: Select::new(sink(plan)?, plan.selection.clone()), written: Ok(()) })
    }

    /// Writes an event; after a failure nothing more.
    pub fn take(&mut self, event: &Event) {
        if self.written.is_ok() {
            self.written = self.sink.event(event);
        }
    }

    /// `--count` is reached, or nothing more can be written.
    pub fn is_over(&self) -> bool {
        self.written.is_err() || self.sink.done()
    }

    /// The failure so far, if any; told once.
    pub fn check(&mut self) -> Result<(), Failure> {
        Ok(std::mem::replace(&mut self.written, Ok(()))?)
    }

    /// Nothing follows.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.written?;
        Ok(self.sink.finish()?)
    }
}

impl Emit for Output {
    fn event(&mut self, event: Event) -> Option<Box<Facts>> {
        self.take(&event);
        event.into_facts()
    }
}

/// The core's last stage, set up as the plan says.
pub(super) fn judge(plan: &Plan) -> Judge {
    let mut judge = Judge::new(config(plan));
    judge.select(plan.selection.clone());
    judge
}

/// The core's settings.
pub(super) fn config(plan: &Plan) -> Config {
    let settle = match plan.settle {
        Settle::For(span) => span,
        Settle::UntilKnown(most) => most,
    };
    Config {
        ports: plan.ports.clone(),
        idle_timeout: plan.idle_timeout,
        settle: settle.max(Span::ZERO),
        offline: !plan.is_live(),
        headers_only: plan.capture == Capture::Headers,
        max_connections: plan.max_connections,
        settings: plan.settings,
    }
}

fn sink(plan: &Plan) -> Result<Box<dyn Sink>, Failure> {
    let out: Box<dyn Write> = match &plan.output {
        Some(path) => Box::new(
            File::create(path).map_err(|e| Failure::Run(format!("can't write {}: {e}", path.display())))?,
        ),
        None => Box::new(io::stdout()),
    };
    let plain: Box<dyn Sink> = match plan.format {
        Format::Json => Box::new(Json::new(out, plan.is_live())),
        Format::Text => Box::new(Text::new(out, plan.look, plan.is_live())),
    };
    Ok(if plan.redact { Box::new(Redact::new(plain)) } else { plain })
}

/// Set by the first SIGINT or SIGTERM; a second one ends the process as it would by default.
pub(super) fn stop_flag() -> Arc<AtomicBool> {
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
