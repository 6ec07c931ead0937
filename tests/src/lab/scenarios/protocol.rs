//! Clients that speak wrongly, too much, or to the wrong port.
use super::super::client::Lang;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from, name, port};
use anyhow::Result;
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "parser_error", what: "a verb that doesn't exist", play: parser_error },
    Scenario { name: "http_on_4222", what: "an HTTP request to the client port", play: http },
    Scenario { name: "max_control_line", what: "a SUB longer than max_control_line", play: control_line },
    Scenario { name: "bad_connect_json", what: "CONNECT with broken JSON", play: bad_json },
    Scenario {
        name: "no_responders_no_headers",
        what: "CONNECT with no_responders, without headers",
        play: no_responders,
    },
    Scenario { name: "max_payload_line", what: "PUB announces more than max_payload", play: payload_line },
    Scenario {
        name: "max_payload_data",
        what: "PUB over max_payload with its payload: reset",
        play: payload_data,
    },
    Scenario { name: "max_payload_2_9", what: "the same with a 2.9 server", play: payload_old },
    Scenario { name: "max_connections", what: "one client more than max_connections", play: max_connections },
    Scenario { name: "route_port", what: "a client connects to the route port", play: route_port },
    Scenario {
        name: "permissions_violation",
        what: "a forbidden publish: -ERR, but the connection lives",
        play: permissions,
    },
    Scenario {
        name: "known_bug_proxy_header",
        what: "nats-server 2.12.4 drops what comes behind a PROXY header in the same segment",
        play: proxy_header,
    },
    Scenario {
        name: "accept_queue_full",
        what: "the server hangs and its accept queue is full",
        play: accept_queue,
    },
];

/// A bare client that has logged in, says `text`, and hears the server close.
fn violates(s: &mut Stage, text: &[u8], cause: &str) -> Result<()> {
    let mut c = s.dial(4222)?;
    c.login("{\"name\":\"odd\",\"verbose\":false,\"lang\":\"raw\"}")?;
    c.send(text);
    let said = c.drain(Duration::from_secs(4))?;
    heard(s, &said);
    s.all(&Expected::new(name("odd"), "fin|rst", "server", cause));
    s.open(0, 0);
    Ok(())
}

/// What the server said before it closed goes on record.
fn heard(s: &mut Stage, said: &str) {
    if let Some(line) = said.lines().find(|l| l.starts_with("-ERR")) {
        s.truth.made.confirmed.push(line.trim_end().to_owned());
    }
}

fn parser_error(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    violates(s, b"FETCH everything\r\n", "protocol_error")
}

fn control_line(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    violates(s, format!("SUB {} 1\r\n", "a".repeat(5000)).as_bytes(), "protocol_error")
}

/// https://github.com/nats-io/nats-server/pull/7962: 2.12.2 up to 2.12.5.
fn proxy_header(s: &mut Stage) -> Result<()> {
    let settings = "proxy_protocol: true\nauthorization { user: u, password: p }";
    let _server = s.server_of("2.12.4", settings)?;
    let mut c = s.dial(4222)?;
    c.send(
        "PROXY TCP4 10.9.9.9 10.77.2.2 50000 4222\r\n\
         CONNECT {\"name\":\"behind\",\"user\":\"u\",\"pass\":\"p\",\"verbose\":false,\"lang\":\"raw\"}\r\nPING\r\n",
    );
    s.did("client: PROXY header, CONNECT with the right password and PING in one segment");
    let said = c.drain(Duration::from_secs(6))?;
    heard(s, &said);
    // Where CONNECT is not captured, the server's word is all there is.
    s.all(&Expected::new(port(c.port), "fin|rst", "server", "known_bug|authorization_violation"));
    s.open(0, 0);
    Ok(())
}

fn http(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.dial(4222)?;
    c.send("GET /healthz HTTP/1.1\r\nHost: nats:4222\r\nUser-Agent: kube-probe/1.30\r\n\r\n");
    let said = c.drain(Duration::from_secs(4))?;
    heard(s, &said);
    s.all(&Expected::new(port(c.port), "fin|rst", "server", "wrong_port"));
    s.open(0, 0);
    Ok(())
}

fn bad_json(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.dial(4222)?;
    c.expect("INFO {")?;
    c.send("CONNECT {\"name\":\"odd\",\"verbose\":\r\n");
    c.drain(Duration::from_secs(4))?;
    s.all(&Expected::new(port(c.port), "fin|rst", "server", "protocol_error"));
    s.open(0, 0);
    Ok(())
}

fn no_responders(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.dial(4222)?;
    c.expect("INFO {")?;
    c.send("CONNECT {\"name\":\"odd\",\"verbose\":false,\"no_responders\":true,\"headers\":false}\r\n");
    let said = c.drain(Duration::from_secs(4))?;
    heard(s, &said);
    s.all(&Expected::new(name("odd"), "fin|rst", "server", "protocol_error"));
    s.open(0, 0);
    Ok(())
}

fn payload_line(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    violates(s, b"PUB a 2000000\r\n", "max_payload_exceeded")
}

fn payload(s: &mut Stage) -> Result<()> {
    s.options("--assume max_payload=4096");
    let mut text = b"PUB orders.new 20000\r\n".to_vec();
    text.extend(vec![b'x'; 20_000]);
    text.extend(b"\r\n");
    violates(s, &text, "max_payload_exceeded")
}

fn payload_data(s: &mut Stage) -> Result<()> {
    let _server = s.server("max_payload: 4096")?;
    payload(s)
}

fn payload_old(s: &mut Stage) -> Result<()> {
    let _server = s.old_server("max_payload: 4096")?;
    payload(s)
}

fn max_connections(s: &mut Stage) -> Result<()> {
    let _server = s.server("max_connections: 2")?;
    let _a = s.py("a", "")?;
    let _b = s.js("b", "")?;
    let c = s.launch(Host::Client, Lang::Python, "surplus", "nats://10.77.2.2:4222", "--tries 1")?;
    c.expect("FAILED")?;
    pause(300);
    // It leaves before its CONNECT: no name. Both ends close at once.
    let who = from(Host::Client.ip()).handshake("complete");
    s.all(&Expected::new(who, "fin|rst", "server|client", "max_connections"));
    s.open(2, 2);
    s.stop()
}

fn route_port(s: &mut Stage) -> Result<()> {
    let _server = s.server("cluster { name: c1, listen: \"0.0.0.0:6222\" }")?;
    s.options("--port 4222,6222");
    let mut c = s.dial(6222)?;
    c.expect("INFO {")?;
    c.send("CONNECT {\"name\":\"lost\",\"verbose\":false,\"lang\":\"go\",\"version\":\"1.31.0\",\"protocol\":1}\r\nPING\r\n");
    let said = c.drain(Duration::from_secs(4))?;
    heard(s, &said);
    s.all(&Expected::new(port(c.port), "fin|rst", "server", "wrong_port"));
    s.open(0, 0);
    Ok(())
}

fn permissions(s: &mut Stage) -> Result<()> {
    let users = "authorization { users: [{ user: u, password: p, permissions: { publish: \"ok.>\" } }] }";
    let _server = s.server(users)?;
    let mut c = s.py("limited", "--user u --password p")?;
    c.say("pub secret 10")?;
    s.truth.made.confirmed.push(c.expect("ermissions")?);
    pause(300);
    s.open(1, 1);
    s.stop()
}

fn accept_queue(s: &mut Stage) -> Result<()> {
    s.net.sh(Host::Server, "sysctl -qw net.core.somaxconn=2")?;
    let server = s.server("")?;
    let alive = s.connected(Host::Other, Lang::Js, "alive", "")?;
    server.signal(libc::SIGSTOP)?;
    s.did("server: net.core.somaxconn=2; kill -STOP nats-server; then connections until none is accepted");
    let mut waiting = Vec::new();
    while let Some(accepted) = s.try_dial(Host::Client, 2500) {
        waiting.push(accepted);
    }
    let _ = s.try_dial(Host::Client, 2500);
    pause(2500);
    s.options("--idle-timeout 2s");
    let who = from(Host::Client.ip()).handshake("unanswered");
    // SYNs reach the host and die in it: a full queue and a filter differ only in what else is seen.
    let causes = "accept_queue_overflow|firewall_drop";
    s.all(&Expected::new(who, "timeout|firewall_drop", "server|network", causes).times(2, 2));
    s.stop()?;
    drop((waiting, alive));
    Ok(())
}
