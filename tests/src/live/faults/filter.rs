//! Filters on the hosts themselves.
use super::{SILENCE, attempt, attempts, close};
use crate::lab::Host;
use crate::lab::client::Client;
use crate::lab::stage::pause;
use crate::live::scene::{ANYHOW, CLIENT, EVERYWHERE, KERNEL, SERVER, WIRE};
use crate::live::want::{Owner, Want};
use crate::live::{Fault, Mode, Scene};
use crate::truth::Expected;
use anyhow::Result;

/// What is here.
pub const LIST: &[Fault] = &[
    Fault { name: "nft_input", what: "the server's host drops what one client sends (nft)", play: nft_input },
    Fault {
        name: "nft_output",
        what: "the server's host drops what it sends to one client (nft)",
        play: nft_output,
    },
    Fault { name: "nft_syn", what: "the server's host drops one host's SYNs (nft)", play: nft_syn },
    Fault {
        name: "iptables_input",
        what: "the server's host drops what one client sends (iptables)",
        play: iptables_input,
    },
    Fault { name: "nft_syn_out", what: "the client's host drops its own SYNs (nft)", play: nft_syn_out },
    Fault {
        name: "reject_reset",
        what: "the server's host resets a running connection (REJECT with tcp-reset)",
        play: reject_reset,
    },
    Fault {
        name: "reject_icmp",
        what: "the server's host answers SYNs with ICMP port unreachable (REJECT)",
        play: reject_icmp,
    },
];

const SYN: &str = "tcp flags & (syn | ack) == syn";

/// Adds a rule for NATS among others that have nothing to do with it.
fn nft(s: &mut Scene, host: Host, hook: &str, rule: &str, comment: &str) -> Result<()> {
    let add = |text: &str| format!("nft 'add rule inet lab {hook} {text}'; ");
    let decoys = add("tcp dport 8222 counter drop comment \"no monitoring\"")
        + &add("ip saddr 192.0.2.0/24 counter drop comment \"not from there\"");
    s.stage.net.sh(
        host,
        &format!("nft add table inet lab; nft 'add chain inet lab {hook} {{ type filter hook {hook} priority 0; }}'; {decoys}"),
    )?;
    s.now();
    s.stage.fault(host, &add(&format!("{rule} counter drop comment \"{comment}\"")))
}

/// The host's own kernel drops, its rule is read.
fn proven(want: Want, rule: &[&str]) -> Want {
    want.says("kernel", &["NETFILTER_DROP"]).says("kernel|host", rule)
}

fn nft_input(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (victim, owner, _lucky) = s.two()?;
    nft(s, Host::Server, "input", "ip saddr 10.77.1.2 tcp dport 4222", "block nats")?;
    input_dropped(s, &victim, &owner, &["block nats", "4222", "handle"]);
    Ok(())
}

/// The server's host drops what `victim` sends; its rule shows these words.
fn input_dropped(s: &mut Scene, victim: &Client, owner: &Owner, rule: &[&str]) {
    let here = close(victim, "firewall_drop", "server", "firewall_drop");
    s.want(SERVER, KERNEL, &proven(here.clone(), rule));
    // It saw the packets arrive, and the host go on talking without them.
    s.want(SERVER, &[Mode::Packets], &here);
    // The server's messages still come, and what it is sent stays unanswered.
    let there = close(victim, "firewall_drop", "server|network", "firewall_drop|one_way_path");
    s.want(CLIENT, WIRE, &there.by(owner));
    let guess = close(victim, "timeout|firewall_drop", "server|network", SILENCE);
    s.want(CLIENT, &[Mode::Probes], &guess.by(owner));
    s.done();
}

/// What is to be said of the attempts of [`attempt`].
fn late(owner: &Owner, kind: &str, side: &str, cause: &str) -> Want {
    Want::new(Expected::new(attempts(), kind, side, cause)).times(1, 3).by(owner)
}

fn nft_output(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (victim, owner, _lucky) = s.two()?;
    nft(s, Host::Server, "output", "ip daddr 10.77.1.2 tcp sport 4222", "quiet nats")?;
    let here = close(&victim, "firewall_drop", "server", "firewall_drop");
    s.want(SERVER, KERNEL, &proven(here, &["quiet nats", "4222", "handle"]));
    let guess = close(&victim, "firewall_drop", "server|network", "firewall_drop");
    s.want(SERVER, &[Mode::Packets], &guess);
    let guess = close(&victim, "timeout|firewall_drop", "server|network", SILENCE);
    s.want(CLIENT, ANYHOW, &guess.by(&owner));
    s.done();
    Ok(())
}

fn nft_syn(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (_old, _, _lucky) = s.two()?;
    nft(s, Host::Server, "input", &format!("ip saddr 10.77.1.2 tcp dport 4222 {SYN}"), "no new clients")?;
    s.now();
    let (client, owner) = attempt(&mut s.stage)?;
    client.expect("FAILED")?;
    let here = late(&owner, "firewall_drop", "server", "firewall_drop");
    s.want(SERVER, KERNEL, &proven(here.clone(), &["no new clients", "4222", "handle"]));
    s.want(SERVER, &[Mode::Packets], &here);
    // Its old connection lives meanwhile.
    s.want(CLIENT, WIRE, &late(&owner, "firewall_drop", "server|network", "firewall_drop"));
    let guess = format!("{SILENCE}|connect_timeout");
    s.want(CLIENT, &[Mode::Probes], &late(&owner, "timeout|firewall_drop", "server|network", &guess));
    s.done();
    Ok(())
}

fn nft_syn_out(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    nft(s, Host::Client, "output", &format!("tcp dport 4222 {SYN}"), "no nats out")?;
    s.now();
    let (client, owner) = attempt(&mut s.stage)?;
    client.expect("FAILED")?;
    // No packet leaves: nobody else has anything to tell.
    let here = late(&owner, "firewall_drop", "client", "firewall_drop");
    let want = proven(here, &["no nats out", "4222", "handle"]);
    s.want(CLIENT, KERNEL, &want);
    s.done();
    Ok(())
}

fn iptables_input(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (victim, owner, _lucky) = s.two()?;
    s.stage.net.sh(Host::Server, "iptables -A INPUT -p tcp --dport 8222 -j DROP")?;
    s.now();
    let rule = "iptables -A INPUT -s 10.77.1.2 -p tcp --dport 4222 -m comment --comment 'block nats' -j DROP";
    s.stage.fault(Host::Server, rule)?;
    input_dropped(s, &victim, &owner, &["block nats", "4222", "INPUT"]);
    Ok(())
}

fn reject_reset(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let (victim, owner, _lucky) = s.two()?;
    s.now();
    let rule = "iptables -A INPUT -s 10.77.1.2 -p tcp --dport 4222 -m comment --comment 'kick nats' -j REJECT \
                --reject-with tcp-reset";
    s.stage.fault(Host::Server, rule)?;
    victim.expect("CLOSED")?;
    let named = ["kick nats", "4222", "INPUT"];
    let here = close(&victim, "rst", "network", "firewall_reject");
    s.want(SERVER, &[Mode::Both], &here.says("kernel|host", &named));
    // No packet shows the reset, but the rule says that there was one.
    let probes = close(&victim, "rst|firewall_drop", "network|server", "firewall_reject");
    s.want(SERVER, &[Mode::Probes], &probes.says("kernel|host", &named));
    // A reset in the server's name, and the server goes on sending: whoever made it, it wasn't the server.
    let made = close(&victim, "rst", "network", "firewall_reject|injected_reset");
    s.want(SERVER, &[Mode::Packets], &made);
    s.want(CLIENT, WIRE, &made.by(&owner));
    let guess = "firewall_reject|injected_reset|server_crashed|server_shutdown|unknown";
    let guess = close(&victim, "rst", "network|server|unknown", guess);
    s.want(CLIENT, &[Mode::Probes], &guess.by(&owner));
    s.done();
    Ok(())
}

fn reject_icmp(s: &mut Scene) -> Result<()> {
    let _server = s.server("")?;
    s.watch("")?;
    let rule = "iptables -A INPUT -s 10.77.1.2 -p tcp --dport 4222 -m comment --comment 'go away' -j REJECT";
    s.stage.fault(Host::Server, rule)?;
    s.now();
    let (client, owner) = attempt(&mut s.stage)?;
    client.expect("FAILED")?;
    let told = late(&owner, "firewall_drop", "server", "firewall_reject");
    s.want(EVERYWHERE, &[Mode::Packets], &told);
    s.want(CLIENT, &[Mode::Both], &told);
    s.want(SERVER, KERNEL, &told.says("kernel|host", &["go away", "4222", "INPUT"]));
    // Its kernel was told, by no reset: connection refused.
    let guess = "firewall_reject|server_not_listening|host_unreachable";
    s.want(CLIENT, &[Mode::Probes], &late(&owner, "firewall_drop|rst|timeout", "server|network", guess));
    pause(100);
    s.done();
    Ok(())
}
