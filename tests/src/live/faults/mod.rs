//! The faults, by who is at fault.
mod client;
mod filter;
mod path;
mod server;

use super::Fault;
use crate::lab::client::Client;
use crate::lab::{Host, Stage};
use crate::truth::{Expected, Who};

/// All of them, those that take long first.
#[must_use]
pub fn all() -> Vec<&'static Fault> {
    [filter::LIST, server::LIST, path::LIST, client::LIST].into_iter().flatten().collect()
}

/// What a dead direction looks like from its other end.
const SILENCE: &str = "firewall_drop|one_way_path|path_blackhole|peer_vanished";

/// The connection of this client, which has connected. Probes alone know no names, so its address and port name it.
fn of(host: Host, client: &Client) -> Who {
    Who { address: Some(host.ip().to_owned()), port: Some(client.port), ..Who::default() }
}

/// Whatever else comes from the client's host.
fn attempts() -> Who {
    crate::truth::from(Host::Client.ip())
}

/// A close of the connection of `client`, on the client's host.
fn close(client: &Client, kind: &str, side: &str, cause: &str) -> super::want::Want {
    super::want::Want::new(Expected::new(of(Host::Client, client), kind, side, cause))
}

/// One try of nats-py to connect, not waited for.
fn attempt(stage: &mut Stage) -> anyhow::Result<(Client, super::want::Owner)> {
    let args = "--tries 1 --timeout 2";
    let lang = crate::lab::client::Lang::Python;
    let client = stage.launch(Host::Client, lang, "late", "nats://10.77.2.2:4222", args)?;
    // It isn't Python yet.
    let owner = super::want::Owner { pid: client.pid(), name: "python".to_owned() };
    Ok((client, owner))
}
