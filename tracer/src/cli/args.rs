//! What was typed. clap reads and checks the form of each value; what they mean together is [`super::Plan`]'s.
use super::plan::{Capture, Ebpf};
use super::values::{Assumption, ColorChoice, Format, Monitor, listen, positive, size};
use crate::base::{PortSet, Span};
use crate::event::{Kind, Party};
use clap::{Parser, Subcommand, ValueHint};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Says why a NATS connection dropped, from packets and the kernel.
#[derive(Parser, Clone, Debug)]
#[command(
    name = "natstrace",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  sudo natstrace --iface eth0          why connections end, as it happens, on this host\n  natstrace -r drop.pcapng             why each connection in a capture ended\n  \
        natstrace -r a.pcap -r b.pcap -o json   two captures merged by time, as JSON\n  \
        natstrace explain slow_consumer      what a cause means and what to do\n\n\
        Exit status: 0 done, 1 run-time error, 2 bad usage or a missing privilege."
)]
pub struct Args {
    /// What else to do than trace.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Tracing.
    #[command(flatten)]
    pub trace: TraceArgs,
    /// Colours in text
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    pub color: ColorChoice,
}

/// What else natstrace does.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// What a cause means, its evidence, its fix; without CODE the list of causes
    Explain {
        /// A cause, as in the `cause.code` of a close
        code: Option<String>,
    },
    /// What this host allows: capabilities, libpcap, BTF, probes
    Doctor {
        /// How to write the answer
        #[arg(short = 'o', long, value_enum, default_value_t)]
        format: Format,
    },
    /// Where between two points packets were lost: two captures of the same traffic
    Compare {
        /// Captured at the client's side
        #[arg(value_hint = ValueHint::FilePath)]
        client_side: PathBuf,
        /// Captured at the server's side
        #[arg(value_hint = ValueHint::FilePath)]
        server_side: PathBuf,
        /// How to write the answer
        #[arg(short = 'o', long, value_enum, default_value_t)]
        format: Format,
        /// Server ports
        #[arg(short = 'p', long, default_value = "4222", value_name = "PORTS")]
        port: PortSet,
        /// Replace addresses by stable tokens
        #[arg(long)]
        redact: bool,
    },
    /// Completions for a shell, on standard output
    Completions {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The manual page, on standard output
    Man,
}

/// The options of a trace.
#[derive(clap::Args, Clone, Debug)]
pub struct TraceArgs {
    /// Capture live on this interface; repeatable; any for all [default: that of the default route]
    #[arg(short, long, value_name = "NAME", conflicts_with = "read", help_heading = "Input")]
    pub iface: Vec<String>,
    /// Capture live in another network namespace
    #[arg(long, value_name = "NAME|PID", conflicts_with = "read", help_heading = "Input")]
    pub netns: Option<String>,
    /// Read a capture; repeatable, merged by time; - for standard input; pcap, pcapng, also .gz .zst .lz4 .xz
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Input")]
    pub read: Vec<PathBuf>,
    /// Server ports: 4222, 4222,6222, 1-65535, all
    #[arg(short, long, value_name = "PORTS", default_value = "4222", help_heading = "Input")]
    pub port: PortSet,
    /// A pcap-filter(7) expression for TCP frames, besides the ports
    #[arg(short, long, value_name = "EXPR", help_heading = "Input")]
    pub filter: Option<String>,
    /// Live: also let VXLAN, Geneve, GRE and IPIP frames through the kernel's filter
    #[arg(long, conflicts_with = "read", help_heading = "Input")]
    pub tunnels: bool,
    /// Kernel probes
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", help_heading = "Input")]
    pub ebpf: Ebpf,
    /// How much of each packet to keep: headers means no NATS decode, off means probes alone
    #[arg(long, value_enum, default_value_t, value_name = "WHAT", help_heading = "Input")]
    pub capture: Capture,

    /// How to write results
    #[arg(short = 'o', long, value_enum, default_value_t, help_heading = "Output")]
    pub format: Format,
    /// Write results there instead of standard output
    #[arg(short = 'O', long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub output: Option<PathBuf>,
    /// Show only closes of these kinds: fin, rst, timeout, firewall_drop
    #[arg(long, value_name = "KIND", value_delimiter = ',', help_heading = "Output")]
    pub only: Vec<Kind>,
    /// Show only closes of these sides: client, server, network, unknown
    #[arg(long, value_name = "SIDE", value_delimiter = ',', help_heading = "Output")]
    pub side: Vec<Party>,
    /// Show only closes of these causes; `natstrace explain` lists them
    #[arg(long, value_name = "CODE", value_delimiter = ',', help_heading = "Output")]
    pub cause: Vec<String>,
    /// Replace addresses, names and subjects by stable tokens
    #[arg(long, help_heading = "Output")]
    pub redact: bool,
    /// Live: a summary each D, beside the last one
    #[arg(long, value_name = "D", value_parser = positive, conflicts_with = "read", help_heading = "Output")]
    pub summary_every: Option<Span>,
    /// A self-contained HTML report at the end
    #[arg(long, value_name = "FILE.html", value_hint = ValueHint::FilePath, help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Prometheus endpoint; a bare port means loopback
    #[arg(long, value_name = "ADDR:PORT", value_parser = listen, help_heading = "Output")]
    pub metrics: Option<SocketAddr>,
    /// Only the summary
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// More on standard error; repeatable
    #[arg(short, long, action = clap::ArgAction::Count, help_heading = "Output")]
    pub verbose: u8,

    /// Stop after this time: 90s, 5m (capture time offline)
    #[arg(long, value_name = "D", value_parser = positive, help_heading = "Limits")]
    pub duration: Option<Span>,
    /// Stop after this many closes shown
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), help_heading = "Limits")]
    pub count: Option<u64>,
    /// How long something may stay unanswered before the connection is called dead
    #[arg(long, value_name = "D", value_parser = positive, default_value = "2m", help_heading = "Limits")]
    pub idle_timeout: Span,
    /// How long a close waits for what follows it [default: 1s live; offline until its outcome is known, at most 60s]
    #[arg(long, value_name = "D", value_parser = str::parse::<Span>, help_heading = "Limits")]
    pub settle: Option<Span>,
    /// Bound on tracked connections
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..),
        default_value = "1000000",
        help_heading = "Limits"
    )]
    pub max_connections: u64,

    /// Flight recorder: a pcapng with the packets around every abnormal close
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Recorder")]
    pub write: Option<PathBuf>,
    /// Memory for the flight recorder
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "64MiB", help_heading = "Recorder")]
    pub ring: u64,
    /// Do not mask secrets of CONNECT in written packets
    #[arg(long, requires = "write", help_heading = "Recorder")]
    pub keep_secrets: bool,

    /// nats-server monitoring endpoint to join: a URL, or auto
    #[arg(long, value_name = "URL|auto", help_heading = "More facts")]
    pub monitor: Option<Monitor>,
    /// nats-server log to join
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "More facts")]
    pub server_log: Option<PathBuf>,
    /// Server settings that aren't the defaults: write_deadline=2s,ping_interval=30s
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', help_heading = "More facts")]
    pub assume: Vec<Assumption>,
    /// Live: add an nft table with a tracing rule, to name the dropping rule; gone with the process
    #[arg(long, conflicts_with = "read", help_heading = "More facts")]
    pub trace_firewall: bool,
}
