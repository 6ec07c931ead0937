//! What the arguments mean together: defaults, conflicts, the surroundings taken into account, once.
use super::near;
use super::values::{ColorChoice, Format, Monitor};
use super::{Args, TraceArgs, Usage};
use crate::base::{PortSet, Span};
use crate::cause::Settings;
use crate::event::Selection;
use crate::sink::Look;
use clap::ValueEnum;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `--ebpf`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Ebpf {
    /// Those probes that load.
    #[default]
    Auto,
    /// All that this kernel has, or exit 2.
    On,
    /// None.
    Off,
}

/// `--capture`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Capture {
    /// Whole packets.
    #[default]
    On,
    /// Protocol headers only: no NATS decode.
    Headers,
    /// None: probes alone.
    Off,
}

/// Where packets come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// Offline; `-` is standard input.
    Files(Vec<PathBuf>),
    /// Live.
    Live {
        /// Interfaces; none means that of the default route.
        ifaces: Vec<String>,
        /// Network namespace by name or process id; none is the own one.
        netns: Option<String>,
    },
}

/// How long a close waits for what follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settle {
    /// This long.
    For(Span),
    /// Until the outcome is known, at most this long.
    UntilKnown(Span),
}

/// What the process was started in, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Surroundings {
    /// Standard output is a terminal that can show colours.
    pub terminal: bool,
    /// NO_COLOR is set and not empty.
    pub no_color: bool,
    /// Columns of the terminal, where there is one.
    pub columns: Option<usize>,
}

impl Surroundings {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let told = var("COLUMNS").and_then(|text| text.to_str()?.parse().ok());
        Self {
            terminal: std::io::stdout().is_terminal() && var("TERM").is_none_or(|term| term != "dumb"),
            no_color: var("NO_COLOR").is_some(),
            columns: told.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))),
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Packets from where.
    pub input: Input,
    /// Server ports.
    pub ports: PortSet,
    /// pcap-filter expression.
    pub filter: Option<String>,
    /// Tunnel frames pass the kernel's filter.
    pub tunnels: bool,
    /// Kernel probes; always off offline.
    pub ebpf: Ebpf,
    /// How much to keep of packets.
    pub capture: Capture,
    /// How results are written.
    pub format: Format,
    /// Where to; none is standard output.
    pub output: Option<PathBuf>,
    /// How text looks.
    pub look: Look,
    /// What is shown, `--count` and `-q` included.
    pub selection: Selection,
    /// Disguise addresses, names and subjects.
    pub redact: bool,
    /// Stop after.
    pub duration: Option<Span>,
    /// Dead after.
    pub idle_timeout: Span,
    /// A close waits.
    pub settle: Settle,
    /// A summary each.
    pub summary_every: Option<Span>,
    /// Flight recorder.
    pub write: Option<PathBuf>,
    /// Its memory in bytes.
    pub ring: u64,
    /// Leave secrets in its packets.
    pub keep_secrets: bool,
    /// Own nft table.
    pub trace_firewall: bool,
    /// Monitoring endpoint.
    pub monitor: Option<Monitor>,
    /// Server log.
    pub server_log: Option<PathBuf>,
    /// Server settings, the told ones laid over the defaults.
    pub settings: Settings,
    /// Prometheus.
    pub metrics: Option<SocketAddr>,
    /// HTML report.
    pub report: Option<PathBuf>,
    /// Tracked connections at most.
    pub max_connections: usize,
    /// More on stderr.
    pub verbose: u8,
}

impl Plan {
    /// Whether results must leave as they come.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.input, Input::Live { .. })
    }

    /// The first option asked for that this version reads and checks but can't carry out yet.
    #[must_use]
    pub fn not_yet(&self) -> Option<&'static str> {
        [
            (self.write.is_some(), "--write"),
            (self.metrics.is_some(), "--metrics"),
            (self.report.is_some(), "--report"),
        ]
        .into_iter()
        .find_map(|(asked, name)| asked.then_some(name))
    }
}

impl Args {
    /// What a trace with these arguments is to do. `causes` are all known codes.
    ///
    /// # Errors
    /// Where the arguments contradict each other or name an unknown cause.
    pub fn resolve(self, causes: &[&str], around: Surroundings) -> Result<Plan, Usage> {
        let Self { trace: t, color, .. } = self;
        let offline = !t.read.is_empty();
        check(&t, offline)?;
        for code in &t.cause {
            if code != "unknown" && !causes.contains(&code.as_str()) {
                return Err(Usage(format!("--cause: {}", near::unknown("cause", code, causes))));
            }
        }
        let look =
            Look { width: around.columns.unwrap_or(80), color: colored(color, t.output.is_some(), around) };
        let settle = match (t.settle, offline) {
            (Some(told), _) => Settle::For(told),
            (None, true) => Settle::UntilKnown(Span::secs(60)),
            (None, false) => Settle::For(Span::secs(1)),
        };
        let mut settings = Settings::default();
        t.assume.iter().for_each(|assumption| assumption.apply(&mut settings));
        Ok(Plan {
            input: if offline {
                Input::Files(t.read)
            } else {
                Input::Live { ifaces: t.iface, netns: t.netns }
            },
            ports: t.port,
            filter: t.filter.filter(|text| !text.trim().is_empty()),
            tunnels: t.tunnels || offline,
            ebpf: if offline { Ebpf::Off } else { t.ebpf },
            capture: t.capture,
            format: t.format,
            output: t.output,
            look,
            selection: Selection {
                kinds: t.only,
                sides: t.side,
                causes: t.cause,
                count: t.count,
                quiet: t.quiet,
            },
            redact: t.redact,
            duration: t.duration,
            idle_timeout: t.idle_timeout,
            settle,
            summary_every: t.summary_every,
            write: t.write,
            ring: t.ring,
            keep_secrets: t.keep_secrets,
            trace_firewall: t.trace_firewall,
            monitor: t.monitor,
            server_log: t.server_log,
            settings,
            metrics: t.metrics,
            report: t.report,
            max_connections: usize::try_from(t.max_connections).unwrap_or(usize::MAX),
            verbose: t.verbose,
        })
    }
}

fn colored(choice: ColorChoice, to_file: bool, around: Surroundings) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => around.terminal && !around.no_color && !to_file,
    }
}

/// What clap can't say of single options.
fn check(t: &TraceArgs, offline: bool) -> Result<(), Usage> {
    let usage = |text: &str| Err(Usage(text.to_owned()));
    match (t.capture, t.ebpf) {
        (Capture::Off, Ebpf::Off) => {
            return usage("nothing to observe with: --capture off and --ebpf off; leave one of them out");
        }
        (Capture::Off, _) if offline => {
            return usage("--capture off with --read leaves nothing to read; leave it out");
        }
        (_, Ebpf::On) if offline => {
            return usage(
                "--ebpf on needs a live trace: a capture file has no kernel; leave it out with --read",
            );
        }
        (Capture::Off, _) if t.write.is_some() => {
            return usage("--write needs packets: leave out --capture off");
        }
        _ => {}
    }
    if t.redact && t.write.is_some() {
        return usage("--redact and --write don't go together: written packets hold the real addresses");
    }
    let stdin = t.read.iter().filter(|file| file.as_os_str() == "-").count();
    if stdin > 1 { usage("--read - only once: there is one standard input") } else { Ok(()) }
}

#[cfg(test)]
mod tests;
