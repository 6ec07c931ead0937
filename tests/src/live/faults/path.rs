//! Hosts that vanish without a word.
use super::{SILENCE, close, of};
use crate::lab::Host;
use crate::live::scene::{ANYHOW, CLIENT, SERVER, WIRE};
use crate::live::want::Want;
use crate::live::{Fault, Mode, Scene};
use crate::truth::Expected;
use anyhow::Result;

/// What is here.
pub const LIST: &[Fault] =
    &[Fault { name: "server_vanished", what: "the server's link goes down", play: server_vanished }];

fn server_vanished(s: &mut Scene) -> Result<()> {
    s.stage.net.sh(Host::Router, "iptables -A OUTPUT -p icmp -j DROP")?;
    let _server = s.server("")?;
    s.watch("")?;
    let (victim, owner, lucky) = s.two()?;
    s.now();
    s.stage.fault(Host::Server, "ip link set eth0 down")?;
    let gone = "peer_vanished|path_blackhole";
    s.want(CLIENT, WIRE, &close(&victim, "timeout", "server|network", gone).by(&owner));
    let guess = close(&victim, "timeout", "server|network", SILENCE).by(&owner);
    s.want(CLIENT, &[Mode::Probes], &guess);
    // Seen from the host that lost its link, the others are gone; whether anything is owed then, and by whom, is chance. What its
    // TCP answers or repeats never comes to the tap: sent once, it shows little.
    let cut = format!("{gone}|host_unreachable|unknown");
    for (host, client) in [(Host::Client, &victim), (Host::Other, &lucky)] {
        let want = Want::new(Expected::new(of(host, client), "timeout", "client|server|network", &cut));
        s.want(SERVER, ANYHOW, &want.times(0, 1));
    }
    s.done();
    Ok(())
}
