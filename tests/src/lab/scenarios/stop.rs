//! Servers that end: in good order, killed, restarted, lame duck.
use super::super::client::{Client, Lang};
use super::super::server::Server;
use super::super::stage::{config, pause};
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from, name, port};
use anyhow::Result;
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "server_sigterm",
        what: "the server is stopped (SIGTERM) under three clients",
        play: sigterm,
    },
    Scenario { name: "server_sigterm_2_9", what: "a 2.9 server is stopped (SIGTERM)", play: sigterm_old },
    Scenario {
        name: "server_sigterm_ipv6",
        what: "the server is stopped (SIGTERM), over IPv6",
        play: sigterm_v6,
    },
    Scenario {
        name: "server_sigkill",
        what: "the server is killed (SIGKILL) under two idle clients",
        play: sigkill,
    },
    Scenario { name: "server_sigkill_busy", what: "the server is killed under load", play: sigkill_busy },
    Scenario {
        name: "server_restart",
        what: "the server is restarted; its clients come back",
        play: restart,
    },
    Scenario {
        name: "server_gone_gave_up",
        what: "the server stops for good; the client gives up after 3 tries",
        play: gave_up,
    },
    Scenario {
        name: "lame_duck",
        what: "the server goes into lame duck mode under three clients",
        play: lame_duck,
    },
    Scenario { name: "lame_duck_2_9", what: "a 2.9 server goes into lame duck mode", play: lame_duck_old },
    Scenario {
        name: "midstream_sigterm",
        what: "the recording begins later, then the server stops",
        play: midstream,
    },
    Scenario {
        name: "websocket_shutdown",
        what: "the server stops under a WebSocket client",
        play: websocket,
    },
    Scenario {
        name: "partial_recording",
        what: "the server is stopped; recorded cut short, and in one direction",
        play: partial,
    },
    Scenario {
        name: "demo",
        what: "a restart under three clients, one of which had stopped reading",
        play: demo,
    },
    Scenario {
        name: "server_sigterm_busy",
        what: "the server is stopped (SIGTERM) under load",
        play: sigterm_busy,
    },
    Scenario {
        name: "reconnect_storm",
        what: "the server stops for good; an eager client tries 20 times a second",
        play: storm,
    },
];

fn three(s: &mut Stage) -> Result<Vec<Client>> {
    Ok(vec![
        s.py("orders", "--sub a")?,
        s.js("billing", "--sub b")?,
        s.connected(Host::Other, Lang::Python, "stock", "--sub c")?,
    ])
}

fn expect_three(s: &mut Stage, cause: &str) {
    for who in ["orders", "billing"] {
        s.all(&Expected::new(name(who), "fin", "server", cause));
    }
    s.at("router server", &Expected::new(name("stock"), "fin", "server", cause));
    s.open(0, 0);
}

fn sigterm(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let _clients = three(s)?;
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    s.confirm(&server, "Initiating Shutdown")?;
    server.wait()?;
    pause(300);
    expect_three(s, "server_shutdown");
    Ok(())
}

fn sigterm_old(s: &mut Stage) -> Result<()> {
    let mut server = s.old_server("")?;
    let _clients = three(s)?;
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    server.wait()?;
    pause(300);
    expect_three(s, "server_shutdown");
    Ok(())
}

fn sigterm_v6(s: &mut Stage) -> Result<()> {
    let mut server = s.server_on(Host::Server, &config("").replace("0.0.0.0", "[::]"))?;
    let mut clients = Vec::new();
    for (who, lang) in [("six1", Lang::Python), ("six2", Lang::Js)] {
        let mut c = s.launch(Host::Client, lang, who, "nats://[fd77:2::2]:4222", "--sub a")?;
        c.ready()?;
        clients.push(c);
        s.all(&Expected::new(name(who), "fin", "server", "server_shutdown"));
    }
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    server.wait()?;
    pause(300);
    s.open(0, 0);
    Ok(())
}

fn sigkill(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let _a = s.py("orders", "--sub a")?;
    let _b = s.js("billing", "--sub b")?;
    pause(300);
    server.signal(libc::SIGKILL)?;
    s.did("server: kill -KILL nats-server");
    server.wait()?;
    pause(300);
    for who in ["orders", "billing"] {
        // On the wire the same as a stop.
        s.all(&Expected::new(name(who), "fin", "server", "server_crashed|server_shutdown"));
    }
    s.open(0, 0);
    Ok(())
}

fn sigkill_busy(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let mut a = s.py("writer", "")?;
    let _b = s.connected(Host::Other, Lang::Js, "reader", "--sub load")?;
    a.say("start load 100 200")?;
    pause(700);
    // Stopped first, so that unread bytes lie in its sockets as it dies.
    server.signal(libc::SIGSTOP)?;
    pause(60);
    server.signal(libc::SIGKILL)?;
    s.did("server: kill -KILL nats-server (with unread bytes of the writer in its socket)");
    server.wait()?;
    pause(300);
    s.all(&Expected::new(name("writer"), "rst", "server", "server_crashed|server_shutdown"));
    s.at("router server", &Expected::new(name("reader"), "fin", "server", "server_crashed|server_shutdown"));
    s.open(0, 0);
    Ok(())
}

fn restart(s: &mut Stage) -> Result<()> {
    let server = s.server("")?;
    let clients = [
        ("orders", s.py("orders", "--reconnect --sub a")?),
        ("billing", s.js("billing", "--reconnect --sub b")?),
    ];
    restarted(s, server, &clients)
}

/// The server is stopped in good order and started again; these clients come back.
pub(super) fn restarted(s: &mut Stage, mut server: Server, clients: &[(&str, Client)]) -> Result<()> {
    pause(2500);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server, started again 1.5 s later");
    server.wait()?;
    pause(1500);
    let _again = s.server("")?;
    for (_, c) in clients {
        c.expect("RECONNECTED")?;
    }
    for (who, _) in clients {
        s.all(&Expected::new(name(who), "fin", "server", "server_shutdown").then("reconnected"));
    }
    let refused = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(refused, "rst", "server", "server_not_listening").times(1, 12));
    let open = clients.len() as u64;
    s.open(open, open);
    s.stop()
}

fn gave_up(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let c = s.js("billing", "--reconnect --tries 3 --sub b")?;
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server for good; the client tries 3 times, 0.5 s apart");
    server.wait()?;
    c.expect("CLOSED")?;
    pause(3000);
    s.all(&Expected::new(name("billing"), "fin", "server", "server_shutdown").then("gave_up|trying|unknown"));
    let refused = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(refused, "rst", "server", "server_not_listening|client_gave_up").times(3, 4));
    s.open(0, 0);
    Ok(())
}

pub(super) const LAME: &str = "lame_duck_grace_period: \"1s\"\nlame_duck_duration: \"30s\"";

fn lame_duck(s: &mut Stage) -> Result<()> {
    let mut server = s.server(LAME)?;
    let _clients = three(s)?;
    pause(300);
    server.signal(libc::SIGUSR2)?;
    s.did("server: kill -USR2 nats-server");
    s.confirm(&server, "lame duck")?;
    server.wait()?;
    pause(300);
    expect_three(s, "server_lame_duck");
    Ok(())
}

fn lame_duck_old(s: &mut Stage) -> Result<()> {
    let mut server = s.old_server(LAME)?;
    let _clients = three(s)?;
    pause(300);
    server.signal(libc::SIGUSR2)?;
    s.did("server: kill -USR2 nats-server");
    s.confirm(&server, "lame duck")?;
    server.wait()?;
    pause(300);
    expect_three(s, "server_lame_duck");
    Ok(())
}

fn midstream(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let mut a = s.py("early1", "--sub load")?;
    let b = s.js("early2", "--sub load")?;
    s.record_from_here()?;
    a.say("start load 20 30")?;
    pause(800);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    server.wait()?;
    pause(300);
    for c in [&a, &b] {
        let who = port(c.port).handshake("midstream");
        s.all(&Expected::new(who, "fin|rst", "server", "server_shutdown|server_crashed"));
    }
    s.open(0, 0);
    Ok(())
}

fn websocket(s: &mut Stage) -> Result<()> {
    let mut server = s.server("websocket { port: 8080, no_tls: true }")?;
    s.options("--port 8080");
    let mut c = s.dial(8080)?;
    c.send(
        "GET / HTTP/1.1\r\nHost: 10.77.2.2:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    c.expect("INFO {")?;
    let text = "CONNECT {\"name\":\"browser\",\"verbose\":false,\"lang\":\"raw\"}\r\nPING\r\n";
    c.send(frame(text.as_bytes()));
    c.expect("PONG")?;
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    c.drain(Duration::from_secs(5))?;
    server.wait()?;
    s.all(&Expected::new(port(c.port), "fin", "server", "server_shutdown"));
    s.open(0, 0);
    Ok(())
}

/// One masked binary WebSocket frame, at most 125 bytes (RFC 6455 section 5.2).
fn frame(payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let length = u8::try_from(payload.len()).unwrap_or(125) & 0x7f;
    let mut bytes = vec![0x82, 0x80 | length];
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    bytes
}

fn partial(s: &mut Stage) -> Result<()> {
    for vantage in ["client", "router", "server"] {
        s.forget(vantage)?;
    }
    s.tap_less("short", 96, "tcp")?;
    s.tap_less("answers", 0, "tcp src port 4222")?;
    s.tap_less("requests", 0, "tcp dst port 4222")?;
    let mut server = s.server("")?;
    let clients = three(s)?;
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    server.wait()?;
    pause(300);
    for c in &clients {
        s.at("short", &Expected::new(port(c.port), "fin", "server", "server_shutdown|server_crashed"));
        let causes = "server_shutdown|server_crashed|unknown";
        s.at("answers", &Expected::new(port(c.port), "fin", "server", causes));
        // The server's FIN is in the other direction: only the clients' ACK numbers tell that it came first.
        let causes = "server_shutdown|server_crashed|client_closed|client_process_exit|unknown";
        s.at("requests", &Expected::new(port(c.port), "fin", "server|client", causes));
    }
    s.open(0, 0);
    Ok(())
}

fn demo(s: &mut Stage) -> Result<()> {
    s.forget("client")?;
    s.forget("server")?;
    for host in [Host::Client, Host::Server, Host::Other] {
        s.net
            .sh(host, "sysctl -qw net.ipv4.tcp_rmem='4096 8192 16384' net.ipv4.tcp_wmem='4096 8192 16384'")?;
    }
    let mut server = s.server("write_deadline: \"1s\"")?;
    let slow = s.connected(Host::Other, Lang::Python, "reports", "--sub orders.new")?;
    let mut orders = s.py("orders", "--reconnect --wait 1")?;
    let billing = s.js("billing", "--reconnect --wait 1 --sub orders.new")?;
    pause(2600);
    slow.signal(libc::SIGSTOP)?;
    orders.say("start orders.new 40 400")?;
    s.confirm(&server, "Slow Consumer")?;
    pause(300);
    slow.signal(libc::SIGCONT)?;
    s.did("other: kill -STOP reports until its write deadline (1s) has passed, then -CONT");
    pause(800);
    orders.say("stop")?;
    pause(700);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server, started again 1.5 s later");
    server.wait()?;
    pause(1500);
    let _again = s.server("write_deadline: \"1s\"")?;
    for c in [&orders, &billing] {
        c.expect("RECONNECTED")?;
    }
    s.at("router server", &Expected::new(name("reports"), "fin", "server", "slow_consumer"));
    for who in ["orders", "billing"] {
        s.all(&Expected::new(name(who), "fin", "server", "server_shutdown").then("reconnected"));
    }
    let refused = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(refused, "rst", "server", "server_not_listening").times(1, 8));
    s.options("--assume write_deadline=1s");
    s.open(2, 2);
    s.stop()?;
    s.call("router", "demo.pcap")
}

fn sigterm_busy(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let mut a = s.py("writer", "")?;
    let _b = s.connected(Host::Other, Lang::Js, "reader", "--sub load")?;
    a.say("start load 200 60")?;
    pause(700);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server");
    server.wait()?;
    pause(300);
    // Bytes that come between the last read and the close make it a reset.
    s.all(&Expected::new(name("writer"), "fin|rst", "server", "server_shutdown"));
    s.at("router server", &Expected::new(name("reader"), "fin", "server", "server_shutdown"));
    s.open(0, 0);
    Ok(())
}

fn storm(s: &mut Stage) -> Result<()> {
    let mut server = s.server("")?;
    let _a = s.py("eager", "--reconnect --wait 0.05 --tries 1000 --sub a")?;
    pause(300);
    server.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM nats-server for good; the client tries again every 0.05 s");
    server.wait()?;
    pause(4000);
    s.all(&Expected::new(name("eager"), "fin", "server", "server_shutdown").then("trying|unknown|gave_up"));
    let refused = from(Host::Client.ip()).handshake("refused");
    let cause = "server_not_listening|reconnect_storm|client_gave_up";
    s.all(&Expected::new(refused, "rst", "server", cause).times(20, 120));
    s.open(0, 0);
    s.stop()
}
