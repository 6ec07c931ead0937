//! Links between servers: routes and leafs.
use super::super::stage::{config, pause};
use super::super::{Host, Scenario, Stage};
use crate::truth::{Expected, from};
use anyhow::Result;

/// What is here.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "route_sigterm",
        what: "one of two clustered servers is stopped (SIGTERM)",
        play: route_sigterm,
    },
    Scenario {
        name: "cluster_name_conflict",
        what: "a route between clusters of different names",
        play: name_conflict,
    },
    Scenario { name: "leaf_wrong_port", what: "a leaf node dials a client port", play: leaf_wrong_port },
    Scenario {
        name: "leaf_sigterm",
        what: "a hub is stopped (SIGTERM) under its leaf node",
        play: leaf_sigterm,
    },
    Scenario {
        name: "leaf_duplicate",
        what: "two leaf nodes with one server name replace each other",
        play: leaf_duplicate,
    },
];

fn member(cluster: &str, server: &str, dials: bool) -> String {
    let routes = if dials { "routes: [\"nats://10.77.2.2:6222\"]" } else { "" };
    config(&format!("cluster {{ name: {cluster}, listen: \"0.0.0.0:6222\", {routes} }}"))
        .replace("server_name: n1", &format!("server_name: {server}"))
}

fn route_sigterm(s: &mut Stage) -> Result<()> {
    s.options("--port 4222,6222");
    let mut a = s.server_on(Host::Server, &member("c1", "n1", false))?;
    let b = s.server_on(Host::Client, &member("c1", "n2", true))?;
    b.saw("Route connection created")?;
    pause(2000);
    a.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM n1; n2 had dialled its routes");
    a.wait()?;
    pause(1600);
    let routes = from(Host::Client.ip()).handshake("complete");
    s.all(&Expected::new(routes, "fin", "server", "server_shutdown").times(4, 4));
    let again = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(again, "rst", "server", "server_not_listening").times(1, 16));
    s.open(0, 0);
    s.stop()
}

fn name_conflict(s: &mut Stage) -> Result<()> {
    s.options("--port 4222,6222");
    let a = s.server_on(Host::Server, &member("c1", "n1", false))?;
    let _b = s.server_on(Host::Client, &member("c2", "n2", true))?;
    s.confirm(&a, "luster name")?;
    pause(2500);
    s.all(
        &Expected::new(from(Host::Client.ip()), "fin|rst", "server|client", "cluster_conflict").times(1, 12),
    );
    s.stop()
}

fn leaf(port: u16) -> String {
    config(&format!("leafnodes {{ remotes: [{{ url: \"nats://10.77.2.2:{port}\" }}] }}"))
        .replace("server_name: n1", "server_name: leaf")
}

fn leaf_wrong_port(s: &mut Stage) -> Result<()> {
    let _hub = s.server("")?;
    let leaf = s.server_on(Host::Client, &leaf(4222))?;
    s.confirm(&leaf, "rong")?;
    pause(1800);
    // The leaf sees by the INFO where it is, and leaves without a word.
    s.all(
        &Expected::new(from(Host::Client.ip()), "fin|rst", "client", "wrong_port|client_closed").times(1, 6),
    );
    s.stop()
}

fn leaf_sigterm(s: &mut Stage) -> Result<()> {
    s.options("--port 4222,7422");
    let mut hub = s.server("leafnodes { listen: \"0.0.0.0:7422\" }")?;
    let _leaf = s.server_on(Host::Client, &leaf(7422))?;
    hub.saw("Leafnode connection created")?;
    pause(1200);
    hub.signal(libc::SIGTERM)?;
    s.did("server: kill -TERM the hub");
    hub.wait()?;
    pause(1500);
    let link = from(Host::Client.ip()).handshake("complete");
    s.all(&Expected::new(link, "fin", "server", "server_shutdown"));
    let again = from(Host::Client.ip()).handshake("refused");
    s.all(&Expected::new(again, "rst", "server", "server_not_listening").times(1, 6));
    s.open(0, 0);
    s.stop()
}

fn leaf_duplicate(s: &mut Stage) -> Result<()> {
    s.options("--port 4222,7422");
    let hub = s.server("leafnodes { listen: \"0.0.0.0:7422\" }")?;
    let _one = s.server_on(Host::Client, &leaf(7422))?;
    hub.saw("Leafnode connection created")?;
    let _two = s.server_on(Host::Other, &leaf(7422))?;
    s.confirm(&hub, "Duplicate Remote LeafNode Connection")?;
    pause(2500);
    let conflict = |who| Expected::new(from(who), "fin|rst", "server", "cluster_conflict").times(1, 8);
    s.all(&conflict(Host::Client.ip()));
    s.at("router server", &conflict(Host::Other.ip()).times(0, 8));
    s.stop()
}
