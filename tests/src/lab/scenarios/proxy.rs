//! What lies between: a proxy on the router's host that dials anew, and address translation there. The vantage `any` is
//! that host's: it holds both sides of each connection.
use super::super::client::{Client, Lang};
use super::super::process::Process;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, Who, from, name};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "proxy_client_closes",
        what: "a client closes its connection through a proxy (haproxy)",
        play: client_closes,
    },
    Scenario {
        name: "proxy_server_sigterm",
        what: "the server behind a proxy is stopped (SIGTERM) under two clients",
        play: server_sigterm,
    },
    Scenario {
        name: "proxy_idle_timeout",
        what: "a proxy closes connections that are idle for 6 s",
        play: idle_timeout,
    },
    Scenario {
        name: "proxy_header_idle_timeout",
        what: "a proxy that sends PROXY headers closes an idle connection",
        play: header_idle_timeout,
    },
    Scenario { name: "proxy_sigkill", what: "a proxy is killed under two clients", play: sigkill },
    Scenario {
        name: "proxy_server_down",
        what: "a proxy takes connections, nobody listens behind it",
        play: server_down,
    },
    Scenario {
        name: "nat_kicked",
        what: "one of two clients behind source NAT loses its user (reload)",
        play: nat_kicked,
    },
    Scenario {
        name: "nat_server_sigkill",
        what: "the server behind destination NAT is killed under two clients",
        play: nat_sigkill,
    },
];

/// Where clients dial: the router.
const FRONT: &str = "nats://10.77.1.1:4222";
/// Who dials for them, as the server sees it.
const BACK: &str = "10.77.2.1";

/// A haproxy on the router, with these settings for all and for its server; it listens when this returns.
fn haproxy(s: &mut Stage, defaults: &str, server: &str) -> Result<Process> {
    let file = s.scratch().join("haproxy.cfg");
    let config = format!(
        "global\n maxconn 64\ndefaults\n mode tcp\n timeout connect 2s\n{defaults}\n\
         frontend front\n bind 10.77.1.1:4222\n default_backend back\n\
         backend back\n server n1 10.77.2.2:4222 {server}\n"
    );
    std::fs::write(&file, config)?;
    let mut command = s.net.command(Host::Router, "haproxy");
    command.arg("-db").arg("-f").arg(&file);
    let process = listening(s, "haproxy", command)?;
    s.did(&format!("router: haproxy, {} {server}", defaults.trim()).trim_end().replace('\n', ","));
    Ok(process)
}

/// A proxy on the router, once it listens.
pub(super) fn listening(s: &Stage, name: &str, command: Command) -> Result<Process> {
    let process = Process::start(name, command)?;
    for _ in 0..100 {
        if s.net.sh(Host::Router, "ss -Hltn 'sport = :4222'")?.contains("4222") {
            return Ok(process);
        }
        pause(50);
    }
    bail!("{name} doesn't listen: {:?}", process.said())
}

/// A proxy that is patient.
fn patient(s: &mut Stage) -> Result<Process> {
    haproxy(s, " timeout client 60s\n timeout server 60s", "")
}

/// A connected client that dials the router.
pub(super) fn through(s: &mut Stage, host: Host, name: &str, args: &str) -> Result<Client> {
    let mut client = s.launch(host, Lang::Python, name, FRONT, args)?;
    client.ready()?;
    Ok(client)
}

/// Both sides of a proxied client: its own, and that of the proxy.
pub(super) fn legs(name: &str, client: &str) -> [Who; 2] {
    let leg = |address: &str| Who { name: Some(name.to_owned()), ..from(address) };
    [leg(client), leg(BACK)]
}

fn client_closes(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let _server = s.server("")?;
    let _proxy = patient(s)?;
    let mut client = through(s, Host::Client, "orders", "--sub orders")?;
    client.say("pub orders 100")?;
    client.say("flush")?;
    client.expect("FLUSHED")?;
    pause(1500);
    client.say("close")?;
    s.did("client: close");
    client.wait()?;
    pause(500);
    let [front, back] = legs("orders", Host::Client.ip());
    let closed = |who| Expected::new(who, "fin", "client", "client_closed");
    s.at("client any", &closed(front));
    // What the proxy does on its other side is its own: it closes, or resets.
    s.at("router server any", &Expected::new(back, "fin|rst", "client", "client_closed"));
    s.open(0, 0);
    s.stop()
}

fn server_sigterm(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let mut server = s.server("")?;
    let _proxy = patient(s)?;
    let _one = through(s, Host::Client, "one", "--sub one")?;
    let _two = through(s, Host::Other, "two", "--sub two")?;
    pause(1500);
    server.signal(libc::SIGTERM)?;
    s.did("server: SIGTERM");
    server.wait()?;
    pause(1500);
    for (who, client) in [("one", Host::Client.ip()), ("two", Host::Other.ip())] {
        let [front, back] = legs(who, client);
        let stopped = |who| Expected::new(who, "fin|rst", "server", "server_shutdown|server_crashed");
        s.at("router server any", &stopped(back));
        s.at("any", &stopped(front.clone()));
        // There the proxy could be the server, and it goes on listening.
        let seen = "server_shutdown|server_crashed|kicked";
        if who == "one" {
            s.at("client", &Expected::new(front, "fin|rst", "server", seen));
        }
    }
    s.open(0, 0);
    s.stop()
}

fn idle_timeout(s: &mut Stage) -> Result<()> {
    idle(s, |s| haproxy(s, " timeout client 6s\n timeout server 6s", ""))
}

/// Two clients, idle for six seconds each, behind a proxy that closes them then.
pub(super) fn idle(s: &mut Stage, proxy: impl FnOnce(&mut Stage) -> Result<Process>) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let _server = s.server("")?;
    let _proxy = proxy(s)?;
    let one = through(s, Host::Client, "one", "--sub one --reconnect")?;
    pause(2600);
    let two = through(s, Host::Client, "two", "--sub two --reconnect")?;
    for client in [&one, &two] {
        client.expect("RECONNECTED")?;
    }
    pause(1000);
    for who in ["one", "two"] {
        let [front, back] = legs(who, Host::Client.ip());
        // Its FIN or RST has the name of one end or the other; both legs are seen to end there.
        let idle = "idle_timeout_middlebox";
        s.at("any", &Expected::new(front.clone(), "fin|rst", "server", idle));
        s.at("any", &Expected::new(back.clone(), "fin|rst", "client", idle));
        s.at("client", &Expected::new(front, "fin|rst", "server", idle).then("reconnected"));
        // The server's host sees a client that leaves after a silence.
        let seen = "client_closed|client_process_exit|idle_timeout_middlebox";
        s.at("router server", &Expected::new(back, "fin|rst", "client", seen));
    }
    s.open(2, 2);
    s.open_at("any", 4);
    s.stop()
}

fn header_idle_timeout(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let _server = s.server("proxy_protocol: true")?;
    let _proxy = haproxy(s, " timeout client 5s\n timeout server 5s", "send-proxy-v2")?;
    let client = through(s, Host::Client, "orders", "--sub orders")?;
    client.expect("CLOSED")?;
    pause(700);
    let [front, back] = legs("orders", Host::Client.ip());
    let idle = "idle_timeout_middlebox";
    s.at("any", &Expected::new(front.clone(), "fin|rst", "server", idle));
    s.at("any", &Expected::new(back.clone(), "fin|rst", "client", idle));
    // One close after one short silence: anything may have done that.
    s.at(
        "client",
        &Expected::new(front, "fin|rst", "server", "idle_timeout_middlebox|kicked|server_shutdown|unknown"),
    );
    s.at(
        "router server",
        &Expected::new(back, "fin|rst", "client", "client_closed|client_process_exit|idle_timeout_middlebox"),
    );
    s.open(0, 0);
    s.stop()
}

fn sigkill(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let _server = s.server("")?;
    let mut proxy = patient(s)?;
    let _one = through(s, Host::Client, "one", "--sub one")?;
    let _two = through(s, Host::Client, "two", "--sub two")?;
    pause(1500);
    proxy.signal(libc::SIGKILL)?;
    s.did("router: haproxy SIGKILL");
    proxy.wait(Duration::from_secs(5))?;
    pause(1500);
    for who in ["one", "two"] {
        let [front, back] = legs(who, Host::Client.ip());
        s.at("any", &Expected::new(front.clone(), "fin|rst", "server", "proxy_closed"));
        s.at("any", &Expected::new(back.clone(), "fin|rst", "client", "proxy_closed"));
        // From either end alone the other one seems to have gone.
        s.at(
            "client",
            &Expected::new(front, "fin|rst", "server", "proxy_closed|server_shutdown|server_crashed|kicked"),
        );
        s.at(
            "router server",
            &Expected::new(back, "fin|rst", "client", "proxy_closed|client_closed|client_process_exit"),
        );
    }
    s.open(0, 0);
    s.stop()
}

fn server_down(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    let _proxy = haproxy(s, " timeout client 60s\n timeout server 60s\n retries 0", "")?;
    let client = s.launch(Host::Client, Lang::Python, "orders", FRONT, "--tries 1 --wait 0.5")?;
    client.expect("FAILED")?;
    pause(700);
    let front = from(Host::Client.ip()).handshake("complete");
    s.at("client any", &Expected::new(front, "fin|rst", "server", "server_not_listening").times(1, 3));
    let back = from(BACK).handshake("refused");
    s.at("router server any", &Expected::new(back, "rst", "server", "server_not_listening").times(1, 3));
    s.open(0, 0);
    s.stop()
}

/// Address translation on the router, by nft.
fn nat(s: &mut Stage, hook: &str, priority: &str, rule: &str) -> Result<()> {
    s.fault(
        Host::Router,
        &format!(
            "nft add table ip nat; nft 'add chain ip nat {hook} {{ type nat hook {hook} priority {priority}; }}'; \
             nft 'add rule ip nat {hook} {rule}'"
        ),
    )
}

fn users(names: &[&str]) -> String {
    let list: Vec<String> = names.iter().map(|n| format!("{{ user: {n}, password: p }}")).collect();
    format!("authorization {{ users: [{}] }}", list.join(", "))
}

fn nat_kicked(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    nat(s, "postrouting", "100", "oifname s0 masquerade")?;
    let server = s.server(&users(&["u", "v"]))?;
    let _victim = s.py("victim", "--user u --password p --sub a")?;
    let _stays = s.py("stays", "--user v --password p --sub a")?;
    pause(1200);
    server.reload(&super::super::stage::config(&users(&["v"])))?;
    s.did("server: reload without the victim's user");
    pause(1000);
    let kicked =
        |who| Expected::new(who, "fin|rst", "server|client", "auth_revoked|authorization_violation|kicked");
    let [inside, outside] = legs("victim", Host::Client.ip());
    s.at("client any", &kicked(inside));
    s.at("router server any", &kicked(outside));
    s.open(1, 1);
    if let Some(any) = s.truth.vantages.get_mut("any") {
        any.open = Some(2);
    }
    s.stop()
}

fn nat_sigkill(s: &mut Stage) -> Result<()> {
    s.tap("any", Host::Router, "any")?;
    nat(s, "prerouting", "-100", "ip daddr 10.77.1.1 tcp dport 4222 dnat to 10.77.2.2:4222")?;
    let mut server = s.server("")?;
    let _one = through(s, Host::Client, "one", "--sub one")?;
    let _two = through(s, Host::Other, "two", "--sub two")?;
    pause(1500);
    server.signal(libc::SIGKILL)?;
    s.did("server: SIGKILL");
    server.wait()?;
    pause(1000);
    // A killed process and a stopped one look alike on idle plain connections.
    let gone = "server_shutdown|server_crashed";
    for (who, count) in [("one", 2), ("two", 2)] {
        s.at("any", &Expected::new(name(who), "fin|rst", "server", gone).times(count, count));
        s.at("router server", &Expected::new(name(who), "fin|rst", "server", gone));
    }
    s.at("client", &Expected::new(name("one"), "fin|rst", "server", "server_shutdown|server_crashed|kicked"));
    s.open(0, 0);
    s.stop()
}
