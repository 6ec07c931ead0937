//! nats.go, the client that most use, where libraries differ: how it leaves, comes back, gives up, falls behind.
use super::super::client::{Client, Lang};
use super::super::{Host, Scenario, Stage};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "go_clean_close", what: "one nats.go client closes, one drains", play: clean },
    Scenario { name: "go_wrong_password", what: "nats.go with a wrong password", play: wrong_password },
    Scenario {
        name: "go_server_restart",
        what: "the server is restarted under nats.go, which comes back",
        play: restart,
    },
    Scenario {
        name: "go_stale_server",
        what: "the server hangs (SIGSTOP), nats.go gives up on its PONGs",
        play: stale_server,
    },
    Scenario {
        name: "go_stale_client",
        what: "nats.go hangs (SIGSTOP), the server gives up on its PONGs",
        play: stale_client,
    },
    Scenario {
        name: "go_slow_consumer",
        what: "nats.go hangs (SIGSTOP) past the write deadline, then reads on",
        play: slow_consumer,
    },
];

fn go(s: &mut Stage, who: &str, args: &str) -> Result<Client> {
    s.connected(Host::Client, Lang::Go, who, args)
}

fn clean(s: &mut Stage) -> Result<()> {
    super::rust::leave(s, Lang::Go)
}

fn wrong_password(s: &mut Stage) -> Result<()> {
    super::rust::intrude(s, Lang::Go)
}

fn restart(s: &mut Stage) -> Result<()> {
    let server = s.server("")?;
    let c = go(s, "orders", "--reconnect --wait 0.5 --sub a")?;
    super::stop::restarted(s, server, &[("orders", c)])
}

fn stale_server(s: &mut Stage) -> Result<()> {
    super::stale::server_hangs(s, Lang::Go)
}

fn stale_client(s: &mut Stage) -> Result<()> {
    let server = s.server(super::stale::QUICK)?;
    let c = go(s, "sleeper", "--sub a")?;
    super::stale::client_hangs(s, &server, &c, 0)
}

fn slow_consumer(s: &mut Stage) -> Result<()> {
    super::slow::small_buffers(s)?;
    let server = s.server("write_deadline: \"1s\"")?;
    let (reader, mut writer) = super::slow::hanging(s, Lang::Go, 50, 400)?;
    s.options("--assume write_deadline=1s");
    super::slow::resume(s, &server, &reader, &mut writer)
}
