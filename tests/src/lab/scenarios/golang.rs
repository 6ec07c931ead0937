//! nats.go, the client that most use, where libraries differ: how it leaves, comes back, gives up, falls behind.
use super::super::client::{Client, Lang};
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from, name};
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
    let _server = s.server("")?;
    for (who, word) in [("orders", "close"), ("billing", "drain")] {
        let mut c = go(s, who, "--sub a")?;
        c.say("pub a 20")?;
        pause(300);
        c.say(word)?;
        c.wait()?;
        s.all(&Expected::new(name(who), "fin", "client", "client_closed"));
    }
    s.open(0, 0);
    Ok(())
}

fn wrong_password(s: &mut Stage) -> Result<()> {
    let server = s.server("authorization { users: [{ user: u, password: right }] }")?;
    let url = "nats://10.77.2.2:4222";
    let c = s.launch(Host::Client, Lang::Go, "intruder", url, "--user u --password wrong")?;
    c.expect("FAILED")?;
    pause(300);
    s.confirm(&server, "authentication error")?;
    // The client may be quicker to close than the server.
    s.all(&Expected::new(name("intruder"), "fin|rst", "server|client", "authorization_violation"));
    s.open(0, 0);
    Ok(())
}

fn restart(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let c = go(s, "orders", "--reconnect --wait 0.5 --sub a")?;
    pause(2500);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server, started again 1.5 s later");
    server.wait()?;
    pause(1500);
    let _again = s.server("")?;
    c.expect("RECONNECTED")?;
    s.all(&Expected::new(name("orders"), "fin", "server", "server_shutdown").then("reconnected"));
    let refused = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(refused, "rst", "server", "server_not_listening").times(1, 12));
    s.open(1, 1);
    s.stop()
}

fn stale_server(s: &mut Stage) -> Result<()> {
    let server = s.server("")?;
    let c = go(s, "pinger", "--sub a --ping 1")?;
    pause(500);
    server.signal(libc::SIGSTOP)?;
    s.did("server: kill -STOP nats-server (client: ping interval 1 s, 2 outstanding)");
    c.expect("CLOSED")?;
    pause(500);
    s.all(&Expected::new(name("pinger"), "fin", "client", "stale_server"));
    s.open(0, 0);
    s.stop()
}

fn stale_client(s: &mut Stage) -> Result<()> {
    let server = s.server("ping_interval: \"1s\"\nping_max: 2")?;
    let c = go(s, "sleeper", "--sub a")?;
    pause(500);
    c.signal(libc::SIGSTOP)?;
    s.did("client: kill -STOP the client (server: ping_interval 1s, ping_max 2)");
    s.confirm(&server, "Stale Connection")?;
    pause(300);
    s.options("--assume ping_interval=1s,ping_max=2");
    s.all(&Expected::new(name("sleeper"), "fin", "server", "stale_client"));
    s.open(0, 0);
    s.stop()
}

fn slow_consumer(s: &mut Stage) -> Result<()> {
    super::slow::small_buffers(s)?;
    let server = s.server("write_deadline: \"1s\"")?;
    let (reader, mut writer) = super::slow::hanging(s, Lang::Go, 50, 400)?;
    s.options("--assume write_deadline=1s");
    super::slow::resume(s, &server, &reader, &mut writer)
}
