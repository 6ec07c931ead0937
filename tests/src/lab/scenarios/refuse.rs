//! Attempts that get no connection.
use super::super::client::Lang;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario { name: "refused", what: "nobody listens", play: refused },
    Scenario {
        name: "syn_dropped",
        what: "the server's host drops SYNs to 4222 (nft input)",
        play: syn_dropped,
    },
    Scenario {
        name: "syn_dropped_one_client",
        what: "a filter drops the new connections of one host, its old one and others live",
        play: syn_dropped_one,
    },
    Scenario {
        name: "syn_reject_reset",
        what: "a router answers new connections with a reset while an old one lives",
        play: reject_reset,
    },
    Scenario {
        name: "syn_reject_admin",
        what: "a router answers SYNs with ICMP administratively prohibited",
        play: reject_admin,
    },
    Scenario {
        name: "syn_reject_port",
        what: "the server's host answers SYNs with ICMP port unreachable",
        play: reject_port,
    },
    Scenario {
        name: "syn_reject_ipv6",
        what: "a router answers SYNs with ICMPv6 administratively prohibited",
        play: reject_v6,
    },
    Scenario {
        name: "host_unreachable",
        what: "the router has no route to the server and says so",
        play: unreachable,
    },
    Scenario {
        name: "host_unreachable_arp",
        what: "the server's link is absent, the router says host unreachable",
        play: unreachable_arp,
    },
];

const ATTEMPTS: &str = "10.77.1.2";

fn refused(s: &mut Stage) -> Result<()> {
    let py = s.launch(Host::Client, Lang::Python, "early", "nats://10.77.2.2:4222", "--tries 1")?;
    py.expect("FAILED")?;
    let js = s.launch(Host::Client, Lang::Js, "early", "nats://10.77.2.2:4222", "")?;
    js.expect("FAILED")?;
    s.did("no server at all");
    let who = from(ATTEMPTS).handshake("refused");
    s.all(&Expected::new(who, "rst", "server", "server_not_listening|client_gave_up").times(2, 4));
    s.open(0, 0);
    Ok(())
}

fn syn_dropped(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    s.drop_packets(Host::Server, "input", "tcp dport 4222")?;
    let _ = s.try_dial(Host::Client, 2500);
    pause(3000);
    s.options("--idle-timeout 2s");
    // Silence alone: a filter, a dead path and a dead host look the same.
    let who = from(ATTEMPTS).handshake("unanswered");
    let causes = "firewall_drop|path_blackhole|one_way_path|peer_vanished|accept_queue_overflow|connect_timeout|unknown";
    s.all(&Expected::new(who, "timeout|firewall_drop", "server|network|unknown", causes));
    s.open(0, 0);
    s.stop()
}

fn syn_dropped_one(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut old = s.py("old", "--sub a")?;
    let mut other = s.connected(Host::Other, Lang::Js, "other", "--sub a")?;
    s.drop_packets(
        Host::Server,
        "input",
        "ip saddr 10.77.1.2 tcp dport 4222 tcp flags & (syn | ack) == syn",
    )?;
    old.say("start a 5 20")?;
    other.say("start a 5 20")?;
    let _ = s.try_dial(Host::Client, 2500);
    let _new = s.connected(Host::Other, Lang::Python, "new", "")?;
    pause(3000);
    s.options("--idle-timeout 2s");
    let who = from(ATTEMPTS).handshake("unanswered");
    s.all(&Expected::new(who, "firewall_drop", "server|network", "firewall_drop"));
    s.open(3, 1);
    s.stop()
}

fn reject_reset(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut old = s.py("old", "--sub a")?;
    s.fault(Host::Router, "iptables -A FORWARD -p tcp --dport 4222 --syn -j REJECT --reject-with tcp-reset")?;
    old.say("start a 10 20")?;
    for _ in 0..3 {
        let _ = s.try_dial(Host::Client, 1000);
        pause(400);
    }
    // Router and server see none of it.
    let who = from(ATTEMPTS).handshake("refused");
    s.at("client", &Expected::new(who, "rst", "network|server", "firewall_reject").times(3, 3));
    s.open(1, 1);
    s.stop()
}

fn reject_admin(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    s.fault(
        Host::Router,
        "iptables -A FORWARD -p tcp --dport 4222 -j REJECT --reject-with icmp-admin-prohibited",
    )?;
    let _ = s.try_dial(Host::Client, 2000);
    pause(300);
    s.options("--idle-timeout 2s");
    let who = from(ATTEMPTS).handshake("unanswered");
    s.at("client", &Expected::new(who, "firewall_drop", "network", "firewall_reject"));
    s.open(0, 0);
    s.forget("router")?;
    s.forget("server")?;
    s.stop()
}

fn reject_port(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    s.fault(Host::Server, "iptables -A INPUT -p tcp --dport 4222 -j REJECT")?;
    let _ = s.try_dial(Host::Client, 2000);
    pause(300);
    s.options("--idle-timeout 2s");
    let who = from(ATTEMPTS).handshake("unanswered");
    s.all(&Expected::new(who, "firewall_drop", "server", "firewall_reject"));
    s.open(0, 0);
    Ok(())
}

fn reject_v6(s: &mut Stage) -> Result<()> {
    s.fault(
        Host::Router,
        "ip6tables -A FORWARD -p tcp --dport 4222 -j REJECT --reject-with icmp6-adm-prohibited",
    )?;
    let c = s.launch(Host::Client, Lang::Js, "six", "nats://[fd77:2::2]:4222", "--timeout 1")?;
    c.expect("FAILED")?;
    pause(300);
    s.options("--idle-timeout 2s");
    let who = from(Host::Client.ip6()).handshake("unanswered");
    s.at("client", &Expected::new(who, "firewall_drop", "network", "firewall_reject"));
    s.open(0, 0);
    s.forget("router")?;
    s.forget("server")?;
    s.stop()
}

fn unreachable(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    s.fault(Host::Router, "ip route add unreachable 10.77.2.2/32")?;
    let _ = s.try_dial(Host::Client, 2000);
    pause(300);
    s.options("--idle-timeout 2s");
    let who = from(ATTEMPTS).handshake("unanswered");
    s.at("client", &Expected::new(who, "timeout", "network", "host_unreachable"));
    s.open(0, 0);
    s.forget("router")?;
    s.forget("server")?;
    s.stop()
}

fn unreachable_arp(s: &mut Stage) -> Result<()> {
    s.forget("server")?;
    s.forget("router")?;
    s.fault(Host::Server, "ip link set eth0 down")?;
    // Keep the router's end up: without carrier the route stays, ARP goes unanswered.
    let c = s.launch(Host::Client, Lang::Python, "lost", "nats://10.77.2.2:4222", "--timeout 5 --tries 1")?;
    c.expect("FAILED")?;
    pause(300);
    s.options("--idle-timeout 4s");
    let who = from(ATTEMPTS).handshake("unanswered");
    s.at("client", &Expected::new(who, "timeout", "network", "host_unreachable").times(1, 3));
    s.open(0, 0);
    s.stop()
}
