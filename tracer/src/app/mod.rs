//! F8: wiring: arguments to a run, a run to an exit status. Everything outside the process is touched here or below
//! `source` and `sink`, never above.
mod compare;
mod doctor;
mod live;
mod offline;
mod output;
mod servers;
mod word;

use crate::cause::RULES;
use crate::cli::{self, Args, Command, Input, Surroundings};
use clap::Parser as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// Why a run ends early, sorted by exit status.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Exit 1.
    #[error("{0}")]
    Run(String),
    /// Exit 2.
    #[error("{0}")]
    Usage(String),
    /// The reader of standard output went away: exit 0.
    #[error("standard output was closed")]
    BrokenPipe,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::BrokenPipe
        } else {
            Self::Run(format!("can't write results: {error}"))
        }
    }
}

impl From<cli::Usage> for Failure {
    fn from(usage: cli::Usage) -> Self {
        Self::Usage(usage.0)
    }
}

/// Runs the program: all of `main`.
#[must_use]
pub fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to stdout and end well; a closed pipe is nobody's fault.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(args) {
        Ok(()) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Err(Failure::Run(message)) => {
            say(&message);
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            say(&message);
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match &args.command {
        None => trace(args),
        Some(Command::Explain { code }) => {
            let said = cli::explain(code.as_deref(), RULES, &mut out)?;
            out.flush()?;
            Ok(said?)
        }
        Some(Command::Completions { shell }) => Ok(cli::completions(*shell, &mut out)?),
        Some(Command::Man) => Ok(cli::man(&mut out)?),
        Some(Command::Doctor { format }) => doctor::run(*format, &mut out),
        Some(Command::Compare { client_side, server_side, format, port, redact }) => {
            let writing = compare::Writing { format: *format, color: args.color, redact: *redact };
            compare::run([client_side, server_side], port, &writing, &mut out)
        }
    }
}

fn trace(args: Args) -> Result<(), Failure> {
    let codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
    let plan = args.resolve(&codes, Surroundings::of_process())?;
    if let Some(option) = plan.not_yet() {
        let hint = "record with `tcpdump -i any -w FILE 'tcp port 4222 or icmp or icmp6'` and read it with --read FILE";
        return Err(Failure::Run(format!("{option} is not in this version yet; {hint}")));
    }
    match &plan.input {
        Input::Files(files) => {
            let files = files.clone();
            offline::run(&plan, &files)
        }
        Input::Live { ifaces, netns } => live::run(&plan, ifaces, netns.as_deref()),
    }
}

/// One line on standard error, for people.
fn say(message: &str) {
    let _ = writeln!(io::stderr().lock(), "natstrace: {message}");
}
