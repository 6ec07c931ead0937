//! Two servers in a cluster, n1 on the server's host and n2 on the other one: clients move from one to the other.
use super::super::client::Lang;
use super::super::server::Server;
use super::super::stage::pause;
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from, name};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "lame_duck_cluster",
        what: "one of two servers goes into lame duck mode; its clients move on to the other",
        play: lame_duck,
    },
    Scenario {
        name: "cluster_sigkill",
        what: "one of two servers is killed (SIGKILL); its clients move on to the other",
        play: killed,
    },
];

/// A member of the cluster on `host`, with a route to `other`.
fn member(s: &mut Stage, host: Host, name: &str, other: Host) -> Result<Server> {
    let (here, there) = (host.ip(), other.ip());
    let config = format!(
        "server_name: {name}\nlisten: \"{here}:4222\"\n{}\n\
         cluster {{ name: lab, listen: \"{here}:6222\", routes: [\"nats://{there}:6222\"], pool_size: 1 }}\n",
        super::stop::LAME
    );
    s.server_on(host, &config)
}

/// Both servers, and clients of three libraries at the first.
fn three(s: &mut Stage) -> Result<(Server, Server, Vec<super::super::client::Client>)> {
    s.tap("any", Host::Router, "any")?;
    let first = member(s, Host::Server, "n1", Host::Other)?;
    let second = member(s, Host::Other, "n2", Host::Server)?;
    // INFO names the second server from here on.
    first.saw("Route connection created")?;
    pause(500);
    let mut clients = Vec::new();
    for (who, lang) in [("orders", Lang::Python), ("billing", Lang::Js), ("stock", Lang::Rust)] {
        let args = if lang == Lang::Rust { "--sub a" } else { "--sub a --reconnect" };
        clients.push(s.connected(Host::Client, lang, who, args)?);
    }
    pause(1500);
    Ok((first, second, clients))
}

/// What is true of all three: seen where both servers are, and where only the first is.
fn moved(s: &mut Stage, kind: &str, cause: &str, gone: &str) -> Result<()> {
    for who in ["orders", "billing", "stock"] {
        let lost = Expected::new(name(who), kind, "server", cause);
        s.at("client any", &lost.clone().then("reconnected"));
        // Nobody comes back here: whether they are well elsewhere can't be seen.
        s.at(
            "router server",
            &lost.then("-|unknown|trying").because("who comes back elsewhere isn't seen here"),
        );
    }
    // Some try the old server first.
    let refused = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(refused, "rst", "server", &format!("server_not_listening|{gone}")).times(0, 6));
    let early = from(Host::Client.ip()).handshake("complete");
    let early = Expected::new(early, "fin|rst", "server", cause).times(0, 3);
    s.all(&early.because("an attempt that its kernel had taken, and its process had not, as that ended"));
    for (vantage, open) in [("client", 3), ("any", 3), ("router", 0), ("server", 0)] {
        s.open_at(vantage, open);
    }
    s.stop()
}

fn lame_duck(s: &mut Stage) -> Result<()> {
    let (mut first, _second, clients) = three(s)?;
    first.signal(libc::SIGUSR2)?;
    s.did("server: kill -USR2 nats-server (n1)");
    s.confirm(&first, "lame duck")?;
    for client in &clients {
        client.expect("RECONNECTED")?;
    }
    first.wait()?;
    pause(1000);
    moved(s, "fin|rst", "server_lame_duck", "server_lame_duck")
}

fn killed(s: &mut Stage) -> Result<()> {
    let (mut first, _second, clients) = three(s)?;
    first.signal(libc::SIGKILL)?;
    s.did("server: kill -KILL nats-server (n1)");
    first.wait()?;
    for client in &clients {
        client.expect("RECONNECTED")?;
    }
    pause(1000);
    // On the wire a stop of idle connections looks the same.
    moved(s, "fin", "server_crashed|server_shutdown", "server_crashed")
}
