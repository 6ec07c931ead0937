//! What the kernel of a traced host says, as steps:
//!
//! | step | meaning |
//! | --- | --- |
//! | `here X…` | natstrace runs on the host of these ends, live, and all its probes tell |
//! | `k X state FROM TO [by NAME:PID]` | the socket of X changes its state |
//! | `k X reset [REASON] [by NAME:PID]` | the TCP of X makes a reset |
//! | `k X took-reset`, `k X rtx`, `k X error ERRNO` | it takes one, repeats a segment, reports an error |
//! | `k X listens NAME:PID`, `k X owned NAME:PID` | a socket that stands already: a listener, a connection |
//! | `k X>Y drop FLAGS REASON [PLACE]` | a packet is discarded |
//! | `k rule X>Y "text"` | a rule of this host's filters that such a packet meets |
//! | `k signal N NAME:PID [by NAME:PID]`, `k exit NAME:PID [signal N] [status N]`, `k oom PID` | processes |
use super::play::flags;
use anyhow::{Context as _, Result, bail};
use natstrace::base::{Endpoint, Timestamp};
use natstrace::kernel::{FilterRule, KernelEvent, KernelRecord, Process, TcpState, Verdict};
use natstrace::nats::connz::{ClosedList, Varz};
use natstrace::nats::server_log::LogLine;

/// What natstrace is told beside frames.
#[derive(Clone, Debug)]
pub enum Said {
    /// It runs on the host of these ends.
    Here(Vec<Endpoint>),
    /// A record.
    Record(KernelRecord),
    /// A rule.
    Rule(FilterRule),
    /// A line of the server's log.
    Log(LogLine),
    /// Its answer to /connz?state=closed.
    Closed(ClosedList),
    /// Its answer to /varz.
    Varz(Box<Varz>),
}

/// The network namespace of every script's host.
pub const NETNS: u32 = 1;

/// Reads the words after `k`. `end`: a named end's address, and that of whom it speaks with.
pub fn said(
    words: &[&str],
    at: i64,
    end: &mut dyn FnMut(&str) -> Result<(Endpoint, Endpoint)>,
) -> Result<Said> {
    let (words, by) = match words {
        [rest @ .., "by", who] => (rest, Some(process(who)?)),
        all => (all, None),
    };
    let at = Timestamp(super::BEGIN + at);
    let event = match words {
        ["rule", way, text] => {
            let (src, dst) = way_of(way, end)?;
            let text = (*text).to_owned();
            return Ok(Said::Rule(FilterRule {
                src,
                dst,
                at,
                by: "nft",
                remove: None,
                text,
                verdict: Verdict::Drop,
                certain: false,
            }));
        }
        ["signal", signal, who] => {
            let to = process(who)?;
            let by_kernel = by.is_none();
            KernelEvent::Signal { target: to.pid, target_name: to.name, signal: signal.parse()?, by_kernel }
        }
        ["exit", who, rest @ ..] => {
            let (signal, status) = match rest {
                ["signal", n] => (Some(n.parse()?), None),
                ["status", n] => (None, Some(n.parse()?)),
                _ => (None, None),
            };
            let process = Some(process(who)?);
            let event = KernelEvent::Exit { signal, status };
            return Ok(Said::Record(KernelRecord { at, netns: None, process, event }));
        }
        ["oom", pid] => KernelEvent::OomVictim { pid: pid.parse()? },
        [way, "drop", flags_of, reason, place @ ..] => {
            let (src, dst) = way_of(way, end)?;
            KernelEvent::Dropped {
                src,
                dst,
                flags: flags(flags_of)?,
                seq: 0,
                reason: (*reason).into(),
                place: place.first().map(|p| (*p).into()),
            }
        }
        [who, rest @ ..] => {
            let (local, remote) = end(who)?;
            let event = socket(rest, local, remote)?;
            let listener = matches!(&event, KernelEvent::Socket { .. });
            let by = if listener { rest.get(1).map(|who| process(who)).transpose()? } else { by };
            return Ok(Said::Record(KernelRecord { at, netns: Some(NETNS), process: by, event }));
        }
        [] => bail!("what does the kernel say?"),
    };
    let netns = matches!(&event, KernelEvent::Dropped { .. }).then_some(NETNS);
    Ok(Said::Record(KernelRecord { at, netns, process: by, event }))
}

fn socket(words: &[&str], local: Endpoint, remote: Endpoint) -> Result<KernelEvent> {
    Ok(match words {
        ["state", from, to] => {
            KernelEvent::State { local, remote, from: state(from)?, to: state(to)?, since: None }
        }
        ["reset", reason @ ..] => {
            KernelEvent::ResetSent { local, remote, reason: reason.first().map(|r| (*r).into()) }
        }
        ["took-reset"] => KernelEvent::ResetReceived { local, remote },
        ["rtx"] => KernelEvent::Retransmit { local, remote },
        ["error", errno] => KernelEvent::SocketError { local, remote, errno: errno.parse()? },
        ["listens" | "owned", _] => KernelEvent::Socket {
            local,
            remote: (words.first() == Some(&"owned")).then_some(remote),
            state: if words.first() == Some(&"owned") { TcpState::Established } else { TcpState::Listen },
            rtt_us: None,
            receive_queue: 0,
            send_queue: 0,
        },
        _ => bail!("the kernel has no {}", words.join(" ")),
    })
}

fn way_of(
    way: &str,
    end: &mut dyn FnMut(&str) -> Result<(Endpoint, Endpoint)>,
) -> Result<(Endpoint, Endpoint)> {
    let (from, to) = way.split_once('>').context("FROM>TO")?;
    Ok((end(from)?.0, end(to)?.0))
}

fn process(who: &str) -> Result<Process> {
    let (name, pid) = who.split_once(':').context("NAME:PID")?;
    Ok(Process { pid: pid.parse()?, name: name.into(), container: None })
}

fn state(word: &str) -> Result<TcpState> {
    (1..=12)
        .filter_map(TcpState::from_number)
        .find(|s| s.name() == word)
        .with_context(|| format!("no state {word}"))
}
