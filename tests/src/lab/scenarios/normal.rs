//! Good order: clients that close, and connections that live.
use super::super::client::Lang;
use super::super::stage::{config, pause};
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name, port};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "clean_close_py", what: "a nats-py client closes", play: clean_close_py },
    Scenario { name: "clean_close_js", what: "a nats.js client closes", play: clean_close_js },
    Scenario { name: "client_killed_idle", what: "an idle client is killed (SIGKILL)", play: killed_idle },
    Scenario {
        name: "client_killed_unread",
        what: "a client dies with unread bytes: its kernel resets",
        play: killed_unread,
    },
    Scenario { name: "client_abort", what: "a client aborts (SO_LINGER 0)", play: abort },
    Scenario {
        name: "client_leaves_unread",
        what: "a client leaves without having read INFO: reset",
        play: leaves_unread,
    },
    Scenario { name: "alive_idle", what: "two idle clients live on", play: alive_idle },
    Scenario {
        name: "alive_busy",
        what: "publisher and subscriber exchange messages and live on",
        play: alive_busy,
    },
    Scenario {
        name: "alive_under_loss",
        what: "5 % of all packets are lost, the connections survive",
        play: alive_loss,
    },
    Scenario {
        name: "clean_close_under_loss",
        what: "clients close in good order while 5 % are lost",
        play: close_loss,
    },
    Scenario { name: "clean_close_ipv6", what: "a nats.js client closes, over IPv6", play: close_v6 },
    Scenario {
        name: "port_reused",
        what: "a client closes; the next connection has the same port",
        play: port_reused,
    },
    Scenario {
        name: "midstream_close",
        what: "the recording begins later, then the client closes",
        play: midstream,
    },
    Scenario {
        name: "client_fin_then_rst",
        what: "a client says FIN and resets right after (as nats.c closes)",
        play: fin_then_rst,
    },
];

fn closed(who: &str) -> Expected {
    Expected::new(name(who), "fin", "client", "client_closed")
}

fn clean_close_py(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.py("orders", "--sub a")?;
    c.say("pub a 20")?;
    pause(300);
    c.say("close")?;
    c.wait()?;
    s.all(&closed("orders"));
    s.open(0, 0);
    Ok(())
}

fn clean_close_js(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.js("billing", "--sub a")?;
    c.say("pub a 20")?;
    pause(300);
    c.say("close")?;
    c.wait()?;
    s.all(&closed("billing"));
    s.open(0, 0);
    Ok(())
}

fn killed_idle(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.py("worker", "--sub a")?;
    c.signal(libc::SIGKILL)?;
    c.wait()?;
    s.did("client: kill -KILL the client");
    s.all(&Expected::new(name("worker"), "fin", "client", "client_closed|client_process_exit"));
    s.open(0, 0);
    Ok(())
}

fn killed_unread(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.py("worker", "--sub a")?;
    c.signal(libc::SIGSTOP)?;
    s.backstage("{}")?.send("PUB a 5\r\nhello\r\n");
    pause(300);
    c.signal(libc::SIGKILL)?;
    c.wait()?;
    s.did("client: kill -KILL the client, with a message in its receive queue");
    s.all(&Expected::new(name("worker"), "rst", "client", "client_process_exit|client_closed"));
    s.open(0, 0);
    Ok(())
}

fn abort(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.py("cart", "")?;
    c.say("abort")?;
    c.wait()?;
    s.did("client: SO_LINGER 0, exit");
    s.all(&Expected::new(name("cart"), "rst", "client", "client_closed|client_process_exit"));
    s.open(0, 0);
    Ok(())
}

fn leaves_unread(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let c = s.dial(4222)?;
    pause(200);
    s.did("client: close() with INFO unread (a port check)");
    s.all(&Expected::new(port(c.port), "rst", "client", "client_closed|client_process_exit|connect_timeout"));
    s.open(0, 0);
    Ok(())
}

fn alive_idle(s: &mut Stage) -> Result<()> {
    let _server = s.server("ping_interval: \"1s\"")?;
    let _py = s.py("a", "--sub x --ping 1")?;
    let _js = s.js("b", "--sub y")?;
    pause(3500);
    s.open(2, 2);
    s.stop()
}

fn alive_busy(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _sub = s.connected(Host::Other, Lang::Js, "reader", "--sub load")?;
    let mut publisher = s.py("writer", "")?;
    publisher.say("start load 40 60")?;
    pause(2500);
    s.open(2, 1);
    s.stop()
}

fn alive_loss(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.py("lossy", "--sub load")?;
    let _other = s.connected(Host::Other, Lang::Python, "quiet", "--sub load")?;
    s.drop_packets(Host::Router, "forward", "numgen random mod 100 < 5")?;
    c.say("start load 15 60")?;
    pause(4000);
    s.fault(Host::Router, "nft flush ruleset")?;
    c.say("stop")?;
    pause(1500);
    s.open(2, 1);
    s.stop()
}

fn close_loss(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    s.drop_packets(Host::Router, "forward", "numgen random mod 100 < 5")?;
    for who in ["l1", "l2", "l3"] {
        let mut c = s.py(who, "--sub load --timeout 10")?;
        c.say("start load 60 60")?;
        pause(700);
        c.say("stop")?;
        c.say("close")?;
        c.wait()?;
        s.all(&closed(who));
    }
    s.fault(Host::Router, "nft flush ruleset")?;
    pause(2500);
    s.open(0, 0);
    Ok(())
}

fn close_v6(s: &mut Stage) -> Result<()> {
    let _server = s.server_on(Host::Server, &config("").replace("0.0.0.0", "[::]"))?;
    let mut c = s.launch(Host::Client, Lang::Js, "six", "nats://[fd77:2::2]:4222", "--sub a")?;
    c.ready()?;
    c.say("pub a 10")?;
    pause(300);
    c.say("close")?;
    c.wait()?;
    s.all(&closed("six"));
    s.open(0, 0);
    Ok(())
}

fn port_reused(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    s.fault(Host::Client, "sysctl -qw net.ipv4.ip_local_port_range='45000 45000'")?;
    // The server closes first, so the client's port is free at once; the first has no name to keep them apart.
    let mut first = s.dial(4222)?;
    first.send("CONNECT {\"name\":\"first\",\"verbose\":false}\r\nNONSENSE\r\n");
    first.drain(std::time::Duration::from_secs(3))?;
    drop(first);
    pause(500);
    let mut second = s.dial(4222)?;
    second.login("{\"name\":\"second\",\"verbose\":false}")?;
    assert_eq!(second.port, 45000);
    drop(second);
    s.did("client: a bad verb on the first connection, an orderly close of the second, both from port 45000");
    s.all(&Expected::new(name("first"), "fin|rst", "server", "protocol_error"));
    s.all(&closed("second"));
    s.open(0, 0);
    Ok(())
}

fn midstream(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.py("early", "--sub load")?;
    s.record_from_here()?;
    c.say("start load 20 30")?;
    pause(800);
    c.say("stop")?;
    c.say("close")?;
    c.wait()?;
    // No CONNECT in the recording: the port tells which it is.
    s.all(&Expected::new(port(c.port).handshake("midstream"), "fin", "client", "client_closed"));
    s.open(0, 0);
    Ok(())
}

fn fin_then_rst(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut c = s.dial(4222)?;
    c.login("{\"name\":\"sensor\",\"verbose\":false,\"lang\":\"C\"}")?;
    c.finish()?;
    c.abort();
    s.did("client: shutdown(SHUT_WR), then close with SO_LINGER 0");
    pause(300);
    s.all(&Expected::new(name("sensor"), "fin", "client", "client_closed"));
    s.open(0, 0);
    Ok(())
}
