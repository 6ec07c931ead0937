//! Subscribers that don't keep up.
use super::super::client::{Client, Lang};
use super::super::server::Server;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "slow_consumer_resumes",
        what: "a subscriber hangs (SIGSTOP) past the write deadline, then reads on",
        play: resumes,
    },
    Scenario {
        name: "slow_consumer_stuck",
        what: "a subscriber hangs (SIGSTOP) and never reads again",
        play: stuck,
    },
    Scenario {
        name: "slow_consumer_max_pending",
        what: "a hanging subscriber exceeds max_pending",
        play: max_pending,
    },
    Scenario {
        name: "slow_consumer_2_9",
        what: "as slow_consumer_resumes, with a 2.9 server and nats.js",
        play: resumes_old,
    },
    Scenario {
        name: "slow_consumer_survived",
        what: "a subscriber hangs for less than the write deadline",
        play: survived,
    },
];

/// Small socket buffers, so that little traffic fills them.
pub(super) fn small_buffers(s: &Stage) -> Result<()> {
    for host in [Host::Client, Host::Server] {
        s.net
            .sh(host, "sysctl -qw net.ipv4.tcp_rmem='4096 8192 16384' net.ipv4.tcp_wmem='4096 8192 16384'")?;
    }
    Ok(())
}

/// A connected subscriber that has had its first PING, and hangs from here on while messages come.
pub(super) fn hanging(s: &mut Stage, lang: Lang, rate: u32, size: u32) -> Result<(Client, Client)> {
    let reader = s.connected(Host::Client, lang, "reports", "--sub load")?;
    let mut writer = s.connected(Host::Other, Lang::Python, "writer", "")?;
    pause(2600);
    reader.signal(libc::SIGSTOP)?;
    s.did("client: kill -STOP the subscriber");
    writer.say(&format!("start load {rate} {size}"))?;
    Ok((reader, writer))
}

/// Lets it read again and expects the FIN that was waiting behind the data.
pub(super) fn resume(s: &mut Stage, server: &Server, reader: &Client, writer: &mut Client) -> Result<()> {
    s.confirm(server, "Slow Consumer")?;
    writer.say("stop")?;
    pause(1500);
    reader.signal(libc::SIGCONT)?;
    s.did("client: kill -CONT the subscriber");
    reader.expect("CLOSED")?;
    s.all(&Expected::new(name("reports"), "fin", "server", "slow_consumer"));
    s.open(1, 0);
    s.stop()
}

fn resumes(s: &mut Stage) -> Result<()> {
    small_buffers(s)?;
    let server = s.server("write_deadline: \"1s\"")?;
    let (reader, mut writer) = hanging(s, Lang::Python, 50, 400)?;
    s.options("--assume write_deadline=1s");
    resume(s, &server, &reader, &mut writer)
}

fn resumes_old(s: &mut Stage) -> Result<()> {
    small_buffers(s)?;
    let server = s.old_server("write_deadline: \"1s\"")?;
    let (reader, mut writer) = hanging(s, Lang::Js, 50, 400)?;
    s.options("--assume write_deadline=1s");
    resume(s, &server, &reader, &mut writer)
}

fn max_pending(s: &mut Stage) -> Result<()> {
    small_buffers(s)?;
    let server = s.server("max_pending: 32768\nmax_payload: 8192\nwrite_deadline: \"2s\"")?;
    let (reader, mut writer) = hanging(s, Lang::Python, 400, 400)?;
    s.confirm(&server, "MaxPending")?;
    s.options("--assume write_deadline=2s,max_pending=32768");
    resume(s, &server, &reader, &mut writer)
}

fn stuck(s: &mut Stage) -> Result<()> {
    small_buffers(s)?;
    let server = s.server("write_deadline: \"1s\"")?;
    let (_reader, mut writer) = hanging(s, Lang::Python, 50, 400)?;
    s.confirm(&server, "Slow Consumer")?;
    writer.say("stop")?;
    pause(16_000);
    s.options("--idle-timeout 10s --assume write_deadline=1s");
    s.all(&Expected::new(name("reports"), "timeout", "client", "slow_consumer"));
    s.open(1, 0);
    s.stop()
}

fn survived(s: &mut Stage) -> Result<()> {
    small_buffers(s)?;
    let server = s.server("write_deadline: \"10s\"")?;
    let (reader, mut writer) = hanging(s, Lang::Python, 50, 400)?;
    pause(1500);
    reader.signal(libc::SIGCONT)?;
    s.did("client: kill -CONT the subscriber after 1.5 s (write_deadline is 10 s)");
    pause(500);
    writer.say("stop")?;
    pause(700);
    drop(server.saw("Server is ready"));
    s.open(2, 1);
    s.stop()
}
