//! Filters that appear under running connections.
use super::super::client::{Client, Lang};
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, name};
use anyhow::Result;
use std::time::Duration;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "filter_server_input",
        what: "the server's host drops what one client sends (nft input)",
        play: server_input,
    },
    Scenario {
        name: "filter_server_output",
        what: "the server's host drops what it sends to one client (nft output)",
        play: server_output,
    },
    Scenario {
        name: "filter_client_input",
        what: "the client's host drops what the server sends (nft input)",
        play: client_input,
    },
    Scenario {
        name: "filter_client_output",
        what: "the client's host drops what it sends to the server (iptables output)",
        play: client_output,
    },
    Scenario {
        name: "filter_router_both",
        what: "a router drops one client's packets both ways",
        play: router_both,
    },
    Scenario {
        name: "filter_router_one_way",
        what: "a router drops one client's packets towards the server only",
        play: router_one_way,
    },
    Scenario {
        name: "filter_router_one_flow",
        what: "a router drops one of two connections between the same hosts",
        play: one_flow,
    },
    Scenario {
        name: "filter_reject_reset",
        what: "a router resets a running connection (REJECT with tcp-reset)",
        play: reject_reset,
    },
    Scenario {
        name: "filter_idle_forgotten",
        what: "a stateful router forgets an idle connection and drops it",
        play: idle_forgotten,
    },
    Scenario {
        name: "injected_reset_client",
        what: "someone on the path forges a reset to the client",
        play: injected_client,
    },
    Scenario {
        name: "injected_reset_both",
        what: "someone on the path forges resets to both ends",
        play: injected_both,
    },
];

/// One client under load both ways, another on another host that lives on.
fn two(s: &mut Stage, args: &str) -> Result<(Client, Client)> {
    let mut victim = s.py("victim", &format!("--sub load {args}"))?;
    let mut lucky = s.connected(Host::Other, Lang::Js, "lucky", "--sub load")?;
    lucky.say("start load 6 40")?;
    victim.say("start load 6 40")?;
    pause(1000);
    Ok((victim, lucky))
}

const ANY: &str = "firewall_drop|one_way_path|path_blackhole|peer_vanished";

fn server_input(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s, "")?;
    s.drop_packets(Host::Server, "input", "ip saddr 10.77.1.2 tcp dport 4222")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    // Server and router see what the client repeats, and the server's host alive with both.
    s.all(&Expected::new(name("victim"), "firewall_drop", "server|network", "firewall_drop"));
    s.open(1, 0);
    s.stop()
}

fn server_output(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s, "")?;
    s.drop_packets(Host::Server, "output", "ip daddr 10.77.1.2 tcp sport 4222")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.at("router server", &Expected::new(name("victim"), "firewall_drop", "server|network", "firewall_drop"));
    s.at("client", &Expected::new(name("victim"), "timeout|firewall_drop", "server|network", ANY));
    s.open(1, 0);
    s.stop()
}

fn client_input(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s, "")?;
    s.drop_packets(Host::Client, "input", "tcp sport 4222")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.at("client", &Expected::new(name("victim"), "firewall_drop", "client|network", "firewall_drop"));
    let one_way = "firewall_drop|one_way_path";
    s.at("router server", &Expected::new(name("victim"), "timeout|firewall_drop", "client|network", one_way));
    s.open(1, 0);
    s.stop()
}

fn client_output(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s, "")?;
    s.fault(Host::Client, "iptables -A OUTPUT -p tcp --dport 4222 -j DROP")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    // What the filter eats is in no capture: the client falls silent, on its own host, too.
    s.all(&Expected::new(name("victim"), "timeout|firewall_drop", "client|network", ANY));
    s.open(1, 0);
    s.stop()
}

fn router_both(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let (victim, _lucky) = two(s, "--ping 1")?;
    s.drop_packets(Host::Router, "forward", "ip saddr 10.77.1.2")?;
    s.drop_packets(Host::Router, "forward", "ip daddr 10.77.1.2")?;
    victim.expect("CLOSED")?;
    pause(6000);
    s.options("--idle-timeout 4s");
    // The client closes at last, into the hole: that decides nothing.
    s.at("client", &Expected::new(name("victim"), "timeout|firewall_drop", "server|network", ANY));
    s.at("router server", &Expected::new(name("victim"), "timeout|firewall_drop", "client|network", ANY));
    s.open(1, 0);
    s.stop()
}

fn router_one_way(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _clients = two(s, "")?;
    s.drop_packets(Host::Router, "forward", "ip saddr 10.77.1.2")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.at(
        "client",
        &Expected::new(
            name("victim"),
            "timeout|firewall_drop",
            "server|network",
            "firewall_drop|one_way_path",
        ),
    );
    s.at("router server", &Expected::new(name("victim"), "timeout|firewall_drop", "client|network", ANY));
    s.open(1, 0);
    s.stop()
}

fn one_flow(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let mut victim = s.py("victim", "--sub load")?;
    let mut lucky = s.js("lucky", "--sub load")?;
    for c in [&mut victim, &mut lucky] {
        c.say("start load 6 40")?;
    }
    pause(1000);
    let port = victim.port;
    s.drop_packets(Host::Router, "forward", &format!("tcp sport {port}"))?;
    s.drop_packets(Host::Router, "forward", &format!("tcp dport {port}"))?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.all(&Expected::new(name("victim"), "firewall_drop", "network|server|client", "firewall_drop"));
    s.open(1, 1);
    s.stop()
}

fn reject_reset(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let (victim, _lucky) = two(s, "")?;
    s.fault(
        Host::Router,
        "iptables -A FORWARD -p tcp -s 10.77.1.2 --dport 4222 -j REJECT --reject-with tcp-reset",
    )?;
    victim.expect("CLOSED")?;
    pause(8000);
    s.options("--idle-timeout 4s");
    s.at("client", &Expected::new(name("victim"), "rst", "network", "firewall_reject"));
    // Beyond the router the client just falls silent.
    s.at("router server", &Expected::new(name("victim"), "timeout|firewall_drop", "client|network", ANY));
    s.open(1, 0);
    s.stop()
}

fn idle_forgotten(s: &mut Stage) -> Result<()> {
    s.fault(
        Host::Router,
        "nft add table inet lab; nft 'add chain inet lab forward { type filter hook forward priority 0; policy drop; }'; \
         nft 'add rule inet lab forward ct state established,related accept'; \
         nft 'add rule inet lab forward tcp flags & (syn | ack) == syn ct state new accept'; \
         sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_established=3 net.netfilter.nf_conntrack_tcp_loose=0",
    )?;
    let _server = s.server("")?;
    let mut victim = s.py("victim", "")?;
    let mut lucky = s.js("lucky", "--sub load")?;
    lucky.say("start load 5 40")?;
    pause(8000);
    victim.say("start load 5 40")?;
    pause(7000);
    s.options("--idle-timeout 4s");
    let idle = "idle_timeout_middlebox|firewall_drop";
    s.at("client", &Expected::new(name("victim"), "firewall_drop", "network|server", idle));
    // Nothing of it comes through: seen from behind, the connection is just idle.
    s.open(2, 1);
    s.stop()
}

fn injected(s: &mut Stage, whom: &str) -> Result<Client> {
    let (victim, lucky) = two(s, "")?;
    let script = crate::lab::tools::root().join("tests/lab/reset.py");
    let port = victim.port.to_string();
    let mut command = s.net.command(Host::Router, "python3");
    command.arg(script).args(["c0", "s0", "10.77.1.2", &port, "10.77.2.2", "4222", whom]);
    let forger = crate::lab::process::Process::start("reset.py", command)?;
    forger.expect("DONE", Duration::from_secs(5))?;
    s.did(&format!("router: tests/lab/reset.py forges an RST (TTL 128) to {whom}"));
    victim.expect("CLOSED")?;
    pause(1500);
    Ok(lucky)
}

fn injected_client(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _lucky = injected(s, "client")?;
    s.at("client", &Expected::new(name("victim"), "rst", "network", "injected_reset"));
    // The server's next segment gets the reset of a client that knows nothing of the connection any more.
    s.at(
        "router server",
        &Expected::new(
            name("victim"),
            "rst",
            "client|network",
            "injected_reset|client_process_exit|client_closed",
        ),
    );
    s.open(1, 0);
    s.stop()
}

fn injected_both(s: &mut Stage) -> Result<()> {
    let _server = s.server("")?;
    let _lucky = injected(s, "both")?;
    s.at("client", &Expected::new(name("victim"), "rst", "network", "injected_reset"));
    s.at("router server", &Expected::new(name("victim"), "rst", "network", "injected_reset"));
    s.open(1, 0);
    s.stop()
}
