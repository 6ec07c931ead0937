//! async-nats: how it leaves, comes back, falls behind. It reconnects at once, again and again, after 0, 2, 4, 8 ms and so on, and
//! keeps the socket of the lost connection until the next one is up.
use super::super::client::{Client, Lang};
use super::super::stage::{config, pause};
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, Who, from, name};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "rust_clean_close", what: "one async-nats client closes, one drains", play: clean },
    Scenario {
        name: "rust_server_restart",
        what: "the server is restarted under async-nats, which comes back",
        play: restart,
    },
    Scenario {
        name: "rust_stale_server",
        what: "the server hangs (SIGSTOP) for 9 s; async-nats gives up on its PONGs and dials again",
        play: stale_server,
    },
    Scenario {
        name: "rust_lame_duck",
        what: "the server goes into lame duck mode under async-nats, which knows no other",
        play: lame_duck,
    },
    Scenario {
        name: "rust_slow_consumer",
        what: "async-nats hangs (SIGSTOP) past the write deadline, then reads on",
        play: slow_consumer,
    },
    Scenario { name: "rust_wrong_password", what: "async-nats with a wrong password", play: wrong_password },
    Scenario {
        name: "rust_user_removed",
        what: "the user of an async-nats client is removed (reload), it is refused from then on",
        play: removed,
    },
    Scenario {
        name: "rust_killed",
        what: "two async-nats clients are killed (SIGKILL), one of them with messages unread",
        play: killed,
    },
];

fn rust(s: &mut Stage, who: &str, args: &str) -> Result<Client> {
    s.connected(Host::Client, Lang::Rust, who, args)
}

/// Attempts of the client's host while nobody listens.
fn refused() -> Who {
    from(Host::Client.ip()).handshake("refused")
}

fn clean(s: &mut Stage) -> Result<()> {
    leave(s, Lang::Rust)
}

/// Two clients of a kind leave: one closes, one drains.
pub(super) fn leave(s: &mut Stage, lang: Lang) -> Result<()> {
    let _server = s.server("")?;
    for (who, word) in [("orders", "close"), ("billing", "drain")] {
        let mut c = s.connected(Host::Client, lang, who, "--sub a")?;
        c.say("pub a 20")?;
        c.say("flush")?;
        c.expect("FLUSHED")?;
        pause(300);
        c.say(word)?;
        c.wait()?;
        s.all(&Expected::new(name(who), "fin", "client", "client_closed"));
    }
    s.open(0, 0);
    Ok(())
}

fn restart(s: &mut Stage) -> Result<()> {
    let server = s.server("")?;
    let c = rust(s, "orders", "--sub a")?;
    super::stop::restarted(s, server, &[("orders", c)])
}

fn stale_server(s: &mut Stage) -> Result<()> {
    let server = s.server("")?;
    let c = rust(s, "pinger", "--sub a --ping 1")?;
    pause(1500);
    server.signal(libc::SIGSTOP)?;
    c.expect("DISCONNECTED")?;
    pause(6000);
    server.signal(libc::SIGCONT)?;
    s.did("server: kill -STOP nats-server, -CONT 6 s after the client had given up (its ping interval: 1 s, 2 outstanding)");
    c.expect("RECONNECTED")?;
    pause(1000);
    // It closes the old connection when the new one is up, with PONGs unread that came too late.
    s.all(&Expected::new(name("pinger"), "fin|rst", "client", "stale_server"));
    // One attempt got no INFO in 5 s: the kernel accepts while the process hangs.
    let early = from(Host::Client.ip()).handshake("complete");
    s.all(&Expected::new(early, "fin|rst", "client", "connect_timeout|stale_server").times(1, 2));
    s.open(1, 1);
    s.stop()
}

fn lame_duck(s: &mut Stage) -> Result<()> {
    let mut server = s.server(super::stop::LAME)?;
    let _clients = [rust(s, "orders", "--sub a")?, rust(s, "billing", "--sub b")?];
    pause(300);
    server.signal(libc::SIGUSR2)?;
    s.did("server: kill -USR2 nats-server");
    s.confirm(&server, "lame duck")?;
    server.wait()?;
    pause(1500);
    for who in ["orders", "billing"] {
        s.all(&Expected::new(name(who), "fin", "server", "server_lame_duck").then("trying|gave_up|unknown"));
    }
    s.all(
        &Expected::new(refused(), "rst", "server", "server_lame_duck|server_not_listening|client_gave_up")
            .times(8, 60),
    );
    s.open(0, 0);
    s.stop()
}

fn slow_consumer(s: &mut Stage) -> Result<()> {
    super::slow::small_buffers(s)?;
    let server = s.server("write_deadline: \"1s\"")?;
    let (reader, mut writer) = super::slow::hanging(s, Lang::Rust, 50, 400)?;
    s.options("--assume write_deadline=1s");
    s.confirm(&server, "Slow Consumer")?;
    writer.say("stop")?;
    pause(1500);
    reader.signal(libc::SIGCONT)?;
    s.did("client: kill -CONT the subscriber");
    reader.expect("RECONNECTED")?;
    pause(500);
    s.all(&Expected::new(name("reports"), "fin", "server", "slow_consumer").then("reconnected"));
    s.open(2, 1);
    s.stop()
}

fn users(names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|n| format!("{{ user: {n}, password: right }}")).collect();
    format!("authorization {{ users: [{}] }}", list.join(", "))
}

fn wrong_password(s: &mut Stage) -> Result<()> {
    intrude(s, Lang::Rust)
}

/// A client of a kind comes with a wrong password.
pub(super) fn intrude(s: &mut Stage, lang: Lang) -> Result<()> {
    let server = s.server(&users(&["u"]))?;
    let url = "nats://10.77.2.2:4222";
    let c = s.launch(Host::Client, lang, "intruder", url, "--user u --password wrong")?;
    c.expect("FAILED")?;
    pause(300);
    s.confirm(&server, "authentication error")?;
    // The client may be quicker to close than the server.
    s.all(&Expected::new(name("intruder"), "fin|rst", "server|client", "authorization_violation"));
    s.open(0, 0);
    Ok(())
}

fn removed(s: &mut Stage) -> Result<()> {
    let server = s.server(&users(&["u", "v"]))?;
    // A constant wait, or there would be dozens of refusals.
    let mut gone = rust(s, "gone", "--user u --password right --sub a --wait 0.5")?;
    let _stays = s.js("stays", "--user v --password right --sub a")?;
    pause(300);
    server.reload(&config(&users(&["v"])))?;
    s.did("server: configuration without user u, kill -HUP nats-server");
    gone.expect("DISCONNECTED")?;
    pause(1800);
    gone.signal(libc::SIGKILL)?;
    gone.wait()?;
    s.did("client: the client that was refused is killed");
    pause(300);
    // That it is refused from then on tells what became of the user.
    s.all(&Expected::new(name("gone"), "fin", "server", "auth_revoked|kicked"));
    s.all(&Expected::new(name("gone"), "fin|rst", "server|client", "authorization_violation").times(2, 6));
    s.open(1, 1);
    s.stop()
}

fn killed(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let (mut idle, mut busy) = (rust(s, "idle", "--sub a")?, rust(s, "busy", "--sub load")?);
    let mut writer = s.connected(Host::Other, Lang::Python, "writer", "")?;
    pause(500);
    idle.signal(libc::SIGKILL)?;
    idle.wait()?;
    busy.signal(libc::SIGSTOP)?;
    writer.say("start load 50 100")?;
    pause(500);
    busy.signal(libc::SIGKILL)?;
    busy.wait()?;
    writer.say("stop")?;
    s.did("client: kill -KILL the client 'idle'; kill -STOP the client 'busy', -KILL as messages lie unread in its socket");
    pause(500);
    // Without unread bytes the kernel's FIN is that of a close.
    s.all(&Expected::new(name("idle"), "fin", "client", "client_process_exit|client_closed"));
    s.all(&Expected::new(name("busy"), "rst", "client", "client_process_exit"));
    s.open(1, 0);
    s.stop()
}
