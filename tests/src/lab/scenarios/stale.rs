//! PINGs without an answer: hanging clients, hanging servers.
use super::super::client::{Client, Lang};
use super::super::server::Server;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name, port};
use anyhow::Result;
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "stale_client",
        what: "a client hangs (SIGSTOP), the server gives up on its PONGs",
        play: stale_client,
    },
    Scenario {
        name: "stale_client_2_9",
        what: "the same with a 2.9 server and nats.js",
        play: stale_client_old,
    },
    Scenario {
        name: "stale_server_py",
        what: "the server hangs (SIGSTOP), nats-py gives up on its PONGs",
        play: stale_server_py,
    },
    Scenario {
        name: "stale_server_js",
        what: "the server hangs (SIGSTOP), nats.js gives up on its PONGs",
        play: stale_server_js,
    },
    Scenario {
        name: "no_info",
        what: "the server hangs, the kernel accepts, no INFO comes; nats-py leaves",
        play: no_info,
    },
    Scenario {
        name: "mqtt_keepalive",
        what: "an MQTT client is silent for longer than its keepalive",
        play: mqtt_keepalive,
    },
    Scenario {
        name: "mqtt_duplicate",
        what: "a second MQTT client takes the id of the first",
        play: mqtt_duplicate,
    },
];

/// A server that soon gives up on PONGs.
pub(super) const QUICK: &str = "ping_interval: \"1s\"\nping_max: 2";

/// The client `sleeper` of a [`QUICK`] server hangs; so many others stay connected.
pub(super) fn client_hangs(s: &mut Stage, server: &Server, c: &Client, others: u64) -> Result<()> {
    pause(500);
    c.signal(libc::SIGSTOP)?;
    s.did("client: kill -STOP the client (server: ping_interval 1s, ping_max 2)");
    s.confirm(server, "Stale Connection")?;
    pause(300);
    s.options("--assume ping_interval=1s,ping_max=2");
    s.all(&Expected::new(name("sleeper"), "fin", "server", "stale_client"));
    s.open(others, 0);
    s.stop()
}

fn stale_client(s: &mut Stage) -> Result<()> {
    let server = s.server(QUICK)?;
    let c = s.py("sleeper", "--sub a")?;
    let _other = s.connected(Host::Other, Lang::Js, "awake", "--sub b")?;
    client_hangs(s, &server, &c, 1)
}

fn stale_client_old(s: &mut Stage) -> Result<()> {
    let server = s.old_server(QUICK)?;
    let c = s.js("sleeper", "--sub a")?;
    client_hangs(s, &server, &c, 0)
}

/// The server hangs under a client in that language.
pub(super) fn server_hangs(s: &mut Stage, lang: Lang) -> Result<()> {
    let server = s.server("")?;
    let c = s.connected(Host::Client, lang, "pinger", "--sub a --ping 1")?;
    pause(500);
    server.signal(libc::SIGSTOP)?;
    s.did("server: kill -STOP nats-server (client: ping interval 1 s, 2 outstanding)");
    c.expect("CLOSED")?;
    pause(500);
    s.all(&Expected::new(name("pinger"), "fin", "client", "stale_server"));
    s.open(0, 0);
    s.stop()
}

fn stale_server_py(s: &mut Stage) -> Result<()> {
    server_hangs(s, Lang::Python)
}

fn stale_server_js(s: &mut Stage) -> Result<()> {
    server_hangs(s, Lang::Js)
}

fn no_info(s: &mut Stage) -> Result<()> {
    let server = s.server("")?;
    server.signal(libc::SIGSTOP)?;
    s.did("server: kill -STOP nats-server, before the client connects with a timeout of 1 s");
    let c = s.launch(Host::Client, Lang::Python, "late", "nats://10.77.2.2:4222", "--timeout 1")?;
    c.expect("FAILED")?;
    pause(300);
    // The server's process hangs, its kernel answers: the client leaves before an INFO came.
    let who = crate::truth::from(Host::Client.ip()).handshake("complete");
    s.all(
        &Expected::new(who, "fin", "client", "connect_timeout|stale_server|accept_queue_overflow")
            .times(1, 2),
    );
    s.open(0, 0);
    s.stop()
}

/// An MQTT 3.1.1 CONNECT with a clean session.
fn mqtt_connect(id: &str, keepalive: u8) -> Vec<u8> {
    let id_length = u8::try_from(id.len()).unwrap_or(8);
    let mut packet = vec![0x10, 12 + id_length, 0, 4];
    packet.extend(b"MQTT\x04\x02");
    packet.extend([0, keepalive, 0, id_length]);
    packet.extend(id.as_bytes());
    packet
}

fn mqtt(s: &mut Stage) -> Result<Server> {
    let store = s.scratch().join("js");
    s.options("--port 1883");
    s.server(&format!("jetstream {{ store_dir: \"{}\" }}\nmqtt {{ port: 1883 }}", store.display()))
}

fn mqtt_keepalive(s: &mut Stage) -> Result<()> {
    let _server = mqtt(s)?;
    let mut c = s.dial(1883)?;
    c.send(mqtt_connect("meter", 1));
    c.drain(Duration::from_secs(6))?;
    s.did("client: MQTT CONNECT with keepalive 1 s, then silence");
    s.all(&Expected::new(port(c.port), "fin", "server", "idle_client_closed"));
    s.open(0, 0);
    Ok(())
}

fn mqtt_duplicate(s: &mut Stage) -> Result<()> {
    let server = mqtt(s)?;
    let mut first = s.dial(1883)?;
    first.send(mqtt_connect("meter", 60));
    pause(1000);
    let mut second = s.dial_from(Host::Other, 1883)?;
    second.send(mqtt_connect("meter", 60));
    first.drain(Duration::from_secs(5))?;
    pause(300);
    s.did("other: MQTT CONNECT with the client id that the client host uses");
    s.confirm(&server, "same client ID")?;
    // From the client's own host nothing tells why: the new connection isn't seen there.
    s.at("router server", &Expected::new(port(first.port), "fin", "server", "duplicate_client"));
    s.at(
        "client",
        &Expected::new(
            port(first.port),
            "fin",
            "server",
            "duplicate_client|kicked|idle_client_closed|unknown|server_shutdown",
        ),
    );
    s.open(1, 0);
    s.stop()
}
