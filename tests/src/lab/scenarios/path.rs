//! Paths and hosts that vanish without a word.
use super::super::client::{Client, Lang};
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from, name};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "client_vanished",
        what: "the client's link goes down; others live on",
        play: client_vanished,
    },
    Scenario {
        name: "server_vanished",
        what: "the server's link goes down, for all clients",
        play: server_vanished,
    },
    Scenario {
        name: "path_blackhole",
        what: "a router loses the routes both ways, silently",
        play: blackhole,
    },
    Scenario { name: "path_blackhole_ipv6", what: "the same over IPv6", play: blackhole_v6 },
    Scenario { name: "mtu_blackhole", what: "a link takes 1300 bytes only, and nobody is told", play: mtu },
    Scenario {
        name: "one_way_path",
        what: "a router loses the route back to one client, silently",
        play: one_way,
    },
    Scenario {
        name: "filter_any_iface",
        what: "as path_blackhole, recorded on all of the router's interfaces",
        play: any_iface,
    },
    Scenario {
        name: "loss_client_gave_up",
        what: "half of all packets are lost; nats-py gives up on its PONGs",
        play: loss_client,
    },
    Scenario {
        name: "loss_server_gave_up",
        what: "half of all packets are lost; the server gives up on PONGs",
        play: loss_server,
    },
    Scenario { name: "link_flap", what: "the path is away for 1.5 s; the connections survive", play: flap },
];

/// Silent routers: no ICMP errors of their own.
fn silence(s: &Stage) -> Result<()> {
    s.net.sh(
        Host::Router,
        "iptables -A OUTPUT -p icmp -j DROP; ip6tables -A OUTPUT -p icmpv6 --icmpv6-type 1 -j DROP",
    )?;
    Ok(())
}

fn two(s: &mut Stage) -> Result<(Client, Client)> {
    let mut victim = s.py("victim", "--sub load")?;
    let mut lucky = s.connected(Host::Other, Lang::Js, "lucky", "--sub load")?;
    lucky.say("start load 6 40")?;
    victim.say("start load 6 40")?;
    pause(1000);
    Ok((victim, lucky))
}

fn client_vanished(s: &mut Stage) -> Result<()> {
    silence(s)?;
    // Its own recording ends with its interface.
    s.forget("client")?;
    let _server = s.server("")?;
    let _clients = two(s)?;
    s.fault(Host::Client, "ip link set eth0 down")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.all(&Expected::new(name("victim"), "timeout", "client|network", "peer_vanished|path_blackhole"));
    s.open(1, 0);
    s.stop()
}

fn server_vanished(s: &mut Stage) -> Result<()> {
    silence(s)?;
    s.forget("server")?;
    let _server = s.server("")?;
    let _clients = two(s)?;
    s.fault(Host::Server, "ip link set eth0 down")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.all(&Expected::new(name("victim"), "timeout", "server|network", "peer_vanished|path_blackhole"));
    // The router's link to the server has no carrier: only what was sent before is in its recording.
    s.forget("router")?;
    s.open(0, 0);
    s.stop()
}

fn blackhole(s: &mut Stage) -> Result<()> {
    // PINGs make sure that the server, too, is owed something.
    let _server = s.server("ping_interval: \"1s\"\nping_max: 30\n")?;
    let _clients = two(s)?;
    s.fault(Host::Router, "ip route add blackhole 10.77.1.2/32; ip route add blackhole 10.77.2.2/32")?;
    pause(12_000);
    s.options("--idle-timeout 4s");
    let cause = "path_blackhole|peer_vanished";
    s.at("client", &Expected::new(name("victim"), "timeout", "network|server", cause));
    // Both clients fall silent at once, on two hosts.
    s.at("router server", &Expected::new(name("victim"), "timeout", "network|client", cause));
    s.at("router server", &Expected::new(name("lucky"), "timeout", "network|client", cause));
    s.open(0, 0);
    s.stop()
}

fn blackhole_v6(s: &mut Stage) -> Result<()> {
    let _server = s.server_on(
        Host::Server,
        &super::super::stage::config("ping_interval: \"1s\"\nping_max: 30\n").replace("0.0.0.0", "[::]"),
    )?;
    let mut c = s.launch(Host::Client, Lang::Python, "six", "nats://[fd77:2::2]:4222", "--sub load")?;
    c.ready()?;
    c.say("start load 6 40")?;
    pause(800);
    s.fault(
        Host::Router,
        "ip -6 route add blackhole fd77:1::2/128; ip -6 route add blackhole fd77:2::2/128",
    )?;
    pause(12_000);
    s.options("--idle-timeout 4s");
    let cause = "path_blackhole|peer_vanished";
    s.at("client", &Expected::new(name("six"), "timeout", "network|server", cause));
    s.at("router server", &Expected::new(name("six"), "timeout", "network|client", cause));
    // Neighbour discovery may take longer than the first attempt waits: its RST then answers the SYN-ACK.
    let early = from("fd77:1::2").handshake("incomplete");
    s.all(&Expected::new(early, "rst", "client", "connect_timeout|client_closed").times(0, 2));
    s.open(0, 0);
    s.stop()
}

fn mtu(s: &mut Stage) -> Result<()> {
    silence(s)?;
    let _server = s.server("")?;
    let mut big = s.py("big", "--sub a")?;
    let mut small = s.connected(Host::Client, Lang::Js, "small", "--sub a")?;
    small.say("start a 5 40")?;
    pause(600);
    s.fault(Host::Router, "ip link set s0 mtu 1300")?;
    s.did("router: iptables -A OUTPUT -p icmp -j DROP (from the start)");
    big.say("pub a 6000")?;
    pause(8500);
    s.options("--idle-timeout 4s");
    s.at("client", &Expected::new(name("big"), "timeout|firewall_drop", "network", "mtu_blackhole"));
    // Behind the narrow link nothing of the large segments is seen; nothing is owed there.
    s.open(2, 1);
    s.stop()
}

fn one_way(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s)?;
    s.fault(Host::Router, "ip route add blackhole 10.77.1.2/32")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    let cause = "one_way_path|firewall_drop|path_blackhole|peer_vanished";
    s.at("client", &Expected::new(name("victim"), "timeout|firewall_drop", "network|server", cause));
    // The client's segments still come: the answers die on the way back.
    let cause = "one_way_path|firewall_drop";
    s.at("router server", &Expected::new(name("victim"), "timeout|firewall_drop", "network|client", cause));
    s.open(1, 0);
    s.stop()
}

fn any_iface(s: &mut Stage) -> Result<()> {
    for vantage in ["client", "router", "server"] {
        s.forget(vantage)?;
    }
    s.tap("any", Host::Router, "any")?;
    let _server = s.server("")?;
    let _clients = two(s)?;
    s.fault(Host::Router, "ip route add blackhole 10.77.1.2/32; ip route add blackhole 10.77.2.2/32")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    // Every packet is recorded as it comes in, and again as it leaves: what comes in and doesn't leave dies here.
    for who in ["victim", "lucky"] {
        s.all(&Expected::new(
            name(who),
            "timeout|firewall_drop",
            "network|client|server",
            "path_blackhole|firewall_drop|peer_vanished",
        ));
    }
    s.open(0, 0);
    s.stop()
}

/// Traffic both ways over a path that loses half of all packets, until one end has given up.
fn heavy_loss(s: &mut Stage, config: &str, ping: &str) -> Result<()> {
    let _server = s.server(config)?;
    let mut victim = s.py("victim", &format!("--sub load {ping}"))?;
    victim.say("start load 10 60")?;
    pause(1500);
    s.drop_packets(Host::Router, "forward", "numgen random mod 100 < 50")?;
    victim.expect("CLOSED")?;
    s.fault(Host::Router, "nft flush ruleset")?;
    pause(4000);
    s.options("--idle-timeout 8s");
    s.stop()
}

fn loss_client(s: &mut Stage) -> Result<()> {
    heavy_loss(s, "", "--ping 0.6")?;
    // The losses made it give up: its last PINGs were written an interval apart and could not leave. Which FIN or RST got through
    // is chance.
    s.all(&Expected::new(name("victim"), "fin|rst|timeout", "client|network", "packet_loss"));
    Ok(())
}

fn loss_server(s: &mut Stage) -> Result<()> {
    heavy_loss(s, "ping_interval: \"600ms\"\nping_max: 2", "")?;
    // Both directions lose, and both go on to the end: half of all arrives. Which FIN or RST got through is chance.
    s.all(&Expected::new(name("victim"), "fin|rst|timeout", "server|client|network", "packet_loss"));
    Ok(())
}

fn flap(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s)?;
    s.fault(
        Host::Router,
        "ip route add blackhole 10.77.1.2/32; sleep 1.5; ip route del blackhole 10.77.1.2/32",
    )?;
    pause(3500);
    s.open(2, 1);
    s.stop()
}
