//! Nothing is wrong, though it may look so: every close here is a client's own, and of good order.
use super::super::client::{Client, Lang};
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name, port};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "healthy_heavy_loss",
        what: "30 % of all packets are lost for 5 s, the connections survive and close later",
        play: heavy_loss,
    },
    Scenario {
        name: "healthy_full_tilt",
        what: "a publisher sends as fast as it can; recorded with a small snaplen",
        play: full_tilt,
    },
    Scenario { name: "healthy_idle", what: "idle clients exchange PINGs for half a minute", play: idle },
    Scenario {
        name: "healthy_drain",
        what: "clients of two libraries drain or close, one after another, while others work on",
        play: drain,
    },
    Scenario {
        name: "healthy_rolling",
        what: "each client is replaced by a new one, as in a rolling update",
        play: rolling,
    },
    Scenario {
        name: "healthy_commands",
        what: "many short connections: connect, publish, close",
        play: commands,
    },
    Scenario {
        name: "healthy_midstream_loss",
        what: "the recording begins later, 10 % are lost, then the clients close",
        play: midstream_loss,
    },
    Scenario {
        name: "healthy_capture_loss",
        what: "the captures lose frames for a second or two on their way to the file; the connections notice nothing",
        play: capture_loss,
    },
];

fn closed(s: &mut Stage, who: &str) {
    s.all(&Expected::new(name(who), "fin", "client", "client_closed"));
}

fn close(s: &mut Stage, client: &mut Client, who: &str, word: &str) -> Result<()> {
    client.say(word)?;
    client.wait()?;
    closed(s, who);
    Ok(())
}

fn heavy_loss(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut lossy = s.py("lossy", "--sub load")?;
    let mut quiet = s.js("quiet", "--sub load")?;
    s.drop_packets(Host::Router, "forward", "numgen random mod 100 < 30")?;
    lossy.say("start load 10 60")?;
    pause(5000);
    s.fault(Host::Router, "nft flush ruleset")?;
    lossy.say("stop")?;
    // Repeats at doubling gaps may still be waiting.
    pause(4000);
    close(s, &mut lossy, "lossy", "close")?;
    close(s, &mut quiet, "quiet", "close")?;
    s.open(0, 0);
    Ok(())
}

fn full_tilt(s: &mut Stage) -> Result<()> {
    for vantage in ["client", "router", "server"] {
        s.forget(vantage)?;
    }
    s.tap_less("server", 80, "tcp port 4222")?;
    let _server = s.server("")?;
    let mut reader = s.connected(Host::Client, Lang::Js, "reader", "--sub load")?;
    let mut writer = s.connected(Host::Other, Lang::Js, "writer", "")?;
    let (from_reader, from_writer) = (reader.port, writer.port);
    writer.say("start load 1000 900")?;
    pause(400);
    writer.say("stop")?;
    pause(300);
    for client in [&mut writer, &mut reader] {
        client.say("close")?;
        client.wait()?;
    }
    // The names in CONNECT are cut off.
    for client in [from_reader, from_writer] {
        s.all(&Expected::new(port(client), "fin", "client", "client_closed"));
    }
    s.open(0, 0);
    Ok(())
}

fn idle(s: &mut Stage) -> Result<()> {
    let _server = s.server("ping_interval: \"2s\"")?;
    let _py = s.py("a", "--sub x --ping 5")?;
    let _js = s.js("b", "--sub y --ping 3")?;
    let _other = s.connected(Host::Other, Lang::Python, "c", "--sub z")?;
    pause(30_000);
    s.open(3, 2);
    s.stop()
}

fn drain(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut busy = s.connected(Host::Client, Lang::Python, "busy", "--sub load")?;
    busy.say("start load 20 40")?;
    let words = [
        ("p1", Lang::Python, "drain"),
        ("j1", Lang::Js, "drain"),
        ("p2", Lang::Python, "close"),
        ("j2", Lang::Js, "close"),
    ];
    let mut clients = Vec::new();
    for (who, lang, word) in words {
        // Who closes with messages unread is reset by its kernel: those that don't drain get none.
        let subjects = if word == "drain" { "--sub load --sub other" } else { "--sub other" };
        clients.push((s.connected(Host::Client, lang, who, subjects)?, who, word));
    }
    pause(500);
    for (mut client, who, word) in clients {
        close(s, &mut client, who, word)?;
        pause(300);
    }
    s.open(1, 1);
    s.stop()
}

fn rolling(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut old = Vec::new();
    for who in ["old1", "old2", "old3"] {
        old.push((s.js(who, "--sub load")?, who));
    }
    let mut new = Vec::new();
    for ((mut client, who), next) in old.into_iter().zip(["new1", "new2", "new3"]) {
        new.push(s.py(next, "--sub load")?);
        close(s, &mut client, who, "drain")?;
        pause(400);
    }
    s.open(3, 3);
    s.stop()
}

fn commands(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    for who in ["c1", "c2", "c3", "c4", "c5", "c6"] {
        let mut client =
            s.connected(Host::Client, if who > "c3" { Lang::Js } else { Lang::Python }, who, "")?;
        client.say("pub news 30")?;
        client.say("flush")?;
        client.expect("FLUSHED")?;
        close(s, &mut client, who, "close")?;
    }
    s.open(0, 0);
    Ok(())
}

fn midstream_loss(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut early = s.py("early", "--sub load")?;
    let mut second = s.js("second", "--sub load")?;
    early.say("start load 20 60")?;
    pause(500);
    s.record_from_here()?;
    s.drop_packets(Host::Router, "forward", "numgen random mod 100 < 10")?;
    pause(2500);
    early.say("stop")?;
    s.fault(Host::Router, "nft flush ruleset")?;
    pause(1500);
    for client in [&mut early, &mut second] {
        client.say("close")?;
        client.wait()?;
        // No CONNECT in the recording: the port tells which it is.
        s.all(&Expected::new(port(client.port), "fin", "client", "client_closed"));
    }
    s.open(0, 0);
    Ok(())
}

fn capture_loss(s: &mut Stage) -> Result<()> {
    s.small_rings(256)?;
    let _server = s.server("")?;
    let mut busy = s.py("busy", "--sub load")?;
    let mut quiet = s.js("quiet", "--sub other")?;
    let mut unseen = s.js("unseen", "--sub other")?;
    busy.say("start load 40 60")?;
    pause(800);
    s.deaf(true)?;
    s.did("all hosts: kill -STOP tcpdump for 3.3 s: its ring runs over, the kernel drops what comes then");
    pause(2600);
    // Nothing of this end is in any recording, and nothing is owed before it.
    unseen.say("close")?;
    unseen.wait()?;
    pause(700);
    s.deaf(false)?;
    pause(1000);
    busy.say("stop")?;
    pause(500);
    close(s, &mut busy, "busy", "drain")?;
    close(s, &mut quiet, "quiet", "close")?;
    s.open(1, 1);
    Ok(())
}
