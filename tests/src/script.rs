//! A test is a list of packets. A script names hosts, says who sends what and when, and what natstrace must say of it:
//!
//! ```text
//! live                                           # as a live trace: closes settle for 1 s
//! set --idle-timeout 30s                         # arguments as on the command line
//! c = 10.0.0.7:51234 ttl 64 ; s = 10.0.0.5:4222 ttl 63
//! +0     c > S             +0.2ms s > SA         +0.1ms c > A
//! +0.2ms s > PA "INFO {\"server_id\":\"NA\"}\r\n"
//! +2m    c > PA "PING\r\n" drop
//! +0.2s  c > rtx drop x8/0.4s                    # eight times, gaps doubling from 0.4 s
//! +60s   end                                     # a stranger's frame: the capture goes on until here
//! => timeout server path_blackhole|peer_vanished 0.3.. nats.pubs=0
//! ```
//!
//! Names that begin with `s` listen. Whoever has several peers says which: `s:c2 > A`. Sequence numbers, acknowledgements
//! and IP identifications follow from what arrived; `drop` was captured but never arrived, `unseen` arrived but was never
//! captured. [`play`] has every word of a step, [`expect`] every word after `=>`.
//!
//! [`check`] plays a script three times, since nothing may depend on it: as written, with every frame captured on two
//! interfaces, and with sequence numbers that wrap.
mod expect;
mod frame;
mod kernel;
mod parse;
mod play;

use anyhow::{Context as _, Result, bail};
use clap::Parser as _;
use natstrace::base::{Endpoint, Span, Timestamp};
use natstrace::cli::{Args, Capture, Plan, Settle, Surroundings};
use natstrace::event::{Coverage, Event, Frame, Host};
use natstrace::pipeline::{Config, Pipeline};
use natstrace::sink::{Json, Sink as _};
use natstrace::wire::LinkType;
use serde_json::Value;

pub use play::{Captured, Variant};

/// A table of so many connections is one, not divided into shards.
const ONE_TRACKER: usize = 10_000;

/// When every script begins: 2026-11-22T12:00:00Z.
pub const BEGIN: i64 = 1_795_348_800_000_000_000;

/// Plays a script in every variant and holds the results against its expectations.
///
/// # Panics
/// With the script's line and what natstrace said, where a script can't be read or an expectation is not met.
#[allow(clippy::panic, reason = "the assertion of every test that is a script")]
#[track_caller]
pub fn check(script: &str) {
    for variant in Variant::ALL {
        if let Err(error) = hold(script, variant) {
            panic!("{error:#}\n(variant: {variant:?})");
        }
    }
}

/// Plays a script in one variant.
///
/// # Errors
/// Where the script can't be read or an expectation is not met.
pub fn hold(script: &str, variant: Variant) -> Result<()> {
    let parsed = parse::script(script)?;
    let frames = play::play(&parsed.steps, variant)?;
    let lines = run(&parsed.arguments, parsed.live, &frames)?;
    expect::hold(&parsed.expected, &lines)
}

/// The frames of a script, as written.
///
/// # Errors
/// Where the script can't be read.
pub fn frames(script: &str) -> Result<Vec<Captured>> {
    play::play(&parse::script(script)?.steps, Variant::Plain)
}

/// What natstrace says of these frames: its NDJSON, line by line, the summary last.
///
/// # Errors
/// Where the arguments are none of natstrace's.
pub fn run(arguments: &[String], live: bool, frames: &[Captured]) -> Result<Vec<Value>> {
    let mut out = Vec::new();
    {
        let mut json = Json::new(&mut out, false);
        let mut written = Ok(());
        let mut write = |event: Event| {
            if written.is_ok() {
                written = json.event(&event);
            }
        };
        let mut config = config(arguments, live)?;
        let from_host = |said: &kernel::Said| {
            matches!(said, kernel::Said::Here(_) | kernel::Said::Record(_) | kernel::Said::Rule(_))
        };
        if frames.iter().any(|frame| frame.said.as_ref().is_some_and(from_host)) {
            // What the kernel says goes to one tracker, as a live trace has it; large offline tables have several.
            config.max_connections = config.max_connections.min(ONE_TRACKER);
        }
        let mut pipeline = Pipeline::new(config);
        for (number, frame) in (1..).zip(frames) {
            if let Some(said) = &frame.said {
                pipeline.advance(Timestamp(BEGIN + frame.at), &mut write);
                match said {
                    kernel::Said::Here(ends) => pipeline.set_host(&host(ends)),
                    kernel::Said::Record(record) => pipeline.handle_kernel(record),
                    kernel::Said::Rule(rule) => pipeline.handle_rule(rule),
                    kernel::Said::Log(line) => pipeline.judge_mut().handle_log(line),
                    kernel::Said::Closed(list) => {
                        pipeline.judge_mut().handle_closed_list(list.clone(), Timestamp(BEGIN + frame.at));
                    }
                    kernel::Said::Varz(varz) => {
                        pipeline.judge_mut().handle_varz((**varz).clone(), Timestamp(BEGIN + frame.at));
                    }
                }
                continue;
            }
            if frame.bytes.is_empty() {
                pipeline.handle_lost(1, Timestamp(BEGIN + frame.at), &mut write);
                continue;
            }
            let wire_len = u32::try_from(frame.wire_len).context("frames are small")?;
            let given = Frame {
                capture: 0,
                iface: frame.iface,
                number,
                at: Timestamp(BEGIN + frame.at),
                wire_len,
                link: LinkType::ETHERNET,
                bytes: &frame.bytes,
            };
            pipeline.handle_frame(&given, true, &mut write);
        }
        let summary = pipeline.finish(&mut write);
        write(Event::Summary(Box::new(summary)));
        written?;
        json.finish()?;
    }
    let text = String::from_utf8(out)?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))).collect()
}

/// A host all of whose probes tell.
fn host(ends: &[Endpoint]) -> Host {
    let probes = Coverage { every_reset: true, resets_received: true, drops: true, exits: true };
    Host { addresses: ends.iter().map(|e| e.addr).collect(), netns: kernel::NETNS, probes }
}

/// The pipeline's settings from arguments, as an offline run has them.
fn config(arguments: &[String], live: bool) -> Result<Config> {
    let words = ["natstrace", "--read", "script"].into_iter().map(str::to_owned);
    let args = Args::try_parse_from(words.chain(arguments.iter().cloned()))?;
    let surroundings = Surroundings { terminal: false, no_color: true, columns: None };
    let plan: Plan = match args.resolve(&[], surroundings) {
        Ok(plan) => plan,
        Err(usage) => bail!("{usage}"),
    };
    let settle = match plan.settle {
        Settle::UntilKnown(_) if live => Span::secs(1),
        Settle::For(span) | Settle::UntilKnown(span) => span,
    };
    Ok(Config {
        ports: plan.ports.clone(),
        idle_timeout: plan.idle_timeout,
        settle: settle.max(Span::ZERO),
        offline: !live,
        headers_only: plan.capture == Capture::Headers,
        max_connections: plan.max_connections,
        settings: plan.settings,
    })
}
