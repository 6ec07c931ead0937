//! What both directions of a connection know together: which protocol it is, who offered TLS.
use super::hello::Members;
use super::hellos::{self, Hellos};
use super::json::Value;
use super::op::{LinkVerb, Op};
use super::{Connect, Info, Protocol};
use crate::base::{PerSide, Side};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Shared by both directions. Every clue is kept, so that exchanged roles can be judged anew.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Session {
    protocol: Protocol,
    /// What the shape of each side's first INFO says.
    by_info: PerSide<Option<Protocol>>,
    /// What the shape of the CONNECT says.
    by_connect: Option<Protocol>,
    /// What the verbs say; a guess.
    by_verb: Option<Protocol>,
    /// What carries the NATS: WebSocket with its path, MQTT.
    carrier: Option<Protocol>,
    /// TLS records were seen.
    tls: bool,
    /// TLS was offered by an INFO.
    tls_offered: bool,
    /// TLS to a listener that does not speak it was told.
    mismatch_told: bool,
    /// A route for one account: its lines leave the account out.
    dedicated: bool,
    /// Observation began in the middle.
    pub midstream: bool,
}

/// Keys of an INFO that tell ports apart: which are there, and what some say.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct InfoShape {
    gateway: bool,
    leafnode_urls: bool,
    lnoc: bool,
    route_pool_size: bool,
    info_on_connect: bool,
    client_id: bool,
    route_account: bool,
    no_server_id: bool,
    offers_tls: bool,
}

impl Members for InfoShape {
    fn take(&mut self, key: &[u8], value: Value<'_>) {
        let there = !matches!(value, Value::Null);
        match key {
            b"server_id" => self.no_server_id = matches!(value, Value::Text(id) if id.is_empty()),
            b"gateway" => self.gateway = there,
            b"leafnode_urls" => self.leafnode_urls = there,
            b"lnoc" => self.lnoc = there,
            b"route_pool_size" => self.route_pool_size = there,
            b"info_on_connect" => self.info_on_connect = there,
            b"client_id" => self.client_id = there,
            b"route_account" => self.route_account = there,
            b"tls_required" | b"tls_available" => self.offers_tls |= matches!(value, Value::Bool(true)),
            _ => {}
        }
    }
}

/// Keys of a CONNECT that tell who dials.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct ConnectShape {
    lang: bool,
    cluster: bool,
    gateway: bool,
    leafnode: bool,
}

impl Members for ConnectShape {
    fn take(&mut self, key: &[u8], value: Value<'_>) {
        let there = !matches!(value, Value::Null);
        match key {
            b"lang" => self.lang = matches!(value, Value::Text(lang) if !lang.is_empty()),
            b"cluster" => self.cluster = there,
            b"gateway" => self.gateway = there,
            b"server_id" | b"compress_mode" | b"is_hub" => self.leafnode |= there,
            _ => {}
        }
    }
}

impl Session {
    /// As far as it can be told.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether nothing tells the protocol so far.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.protocol == Protocol::Unknown
    }

    /// Whether lines of a route leave the account out.
    pub fn dedicated(&self) -> bool {
        self.dedicated
    }

    /// NATS comes in something else; its path says what.
    pub fn carried_by(&mut self, carrier: Protocol) {
        self.carrier = Some(carrier);
        self.refresh();
    }

    /// Whether MQTT was seen.
    pub fn is_mqtt(&self) -> bool {
        self.carrier == Some(Protocol::Mqtt)
    }

    /// TLS records begin.
    pub fn saw_tls(&mut self) {
        self.tls = true;
        self.refresh();
    }

    /// Whether TLS was seen from either side.
    pub fn has_tls(&self) -> bool {
        self.tls
    }

    /// True once: TLS was sent to a listener whose INFO did not offer it.
    pub fn tls_mismatch(&mut self) -> bool {
        let new = self.tls && !self.tls_offered && !self.mismatch_told && self.by_info.server.is_some();
        self.mismatch_told |= new;
        new
    }

    /// Roles were guessed wrong.
    pub fn swap_sides(&mut self) {
        self.by_info.swap();
        self.refresh();
    }

    /// Reads an INFO, and learns from it.
    pub fn info(&mut self, from: Side, json: &[u8], known: Option<&mut Hellos>) -> Option<Arc<Info>> {
        let (info, shape) = known.map_or_else(|| hellos::once(json), |known| known.info(json))?;
        self.learn_info(from, &shape);
        self.refresh();
        Some(info)
    }

    /// Reads a CONNECT, and learns from it.
    pub fn connect(&mut self, json: &[u8], known: Option<&mut Hellos>) -> Option<Arc<Connect>> {
        let (connect, shape) = known.map_or_else(|| hellos::once(json), |known| known.connect(json))?;
        self.learn_connect(&shape);
        self.refresh();
        Some(connect)
    }

    /// Learns from any other operation. Called for those that can tell something, and for all while nothing is known.
    #[cold]
    pub fn learn(&mut self, op: &Op<'_>) {
        match op {
            Op::Pub { .. } | Op::Msg { .. } | Op::Sub { .. } | Op::Unsub { .. } => {
                self.by_verb = Some(Protocol::Client);
            }
            Op::LinkSub { verb: LinkVerb::AccountSub | LinkVerb::AccountUnsub, .. } => {
                self.by_verb = Some(Protocol::Gateway);
            }
            Op::LinkSub { verb: LinkVerb::LeafSub | LinkVerb::LeafUnsub, args } => {
                // On a leaf link `LS+ subject [queue weight]`; on a route the origin comes first.
                let words = args.split(|b| b.is_ascii_whitespace()).filter(|w| !w.is_empty()).count();
                self.by_verb = Some(if words == 1 { Protocol::Leafnode } else { Protocol::Route });
            }
            Op::LinkSub { .. } | Op::Routed { .. } => {
                self.by_verb.get_or_insert(Protocol::Route);
            }
            _ => return,
        }
        self.refresh();
    }

    fn learn_info(&mut self, from: Side, shape: &InfoShape) {
        self.tls_offered |= shape.offers_tls;
        self.dedicated |= shape.route_account;
        let route = shape.lnoc || shape.route_pool_size;
        let protocol = if shape.gateway {
            Protocol::Gateway
        } else if route && !shape.client_id {
            Protocol::Route
        } else if shape.leafnode_urls || shape.info_on_connect {
            Protocol::Leafnode
        } else if route {
            Protocol::Route
        } else if shape.no_server_id {
            // The dialling leaf's short INFO that asks for compression.
            Protocol::Leafnode
        } else {
            Protocol::Client
        };
        self.by_info[from].get_or_insert(protocol);
    }

    fn learn_connect(&mut self, shape: &ConnectShape) {
        let protocol = if shape.lang {
            Protocol::Client
        } else if shape.gateway {
            Protocol::Gateway
        } else if shape.leafnode {
            Protocol::Leafnode
        } else if shape.cluster {
            Protocol::Route
        } else {
            Protocol::Client
        };
        self.by_connect.get_or_insert(protocol);
    }

    /// The listener's INFO says which port it is, whoever dials it. Only gateways and leafs, which read it before they
    /// speak, may know better than its shape (releases differ); routes dial without looking.
    fn refresh(&mut self) {
        let dialled = self.by_connect;
        let by_server = match (self.by_info.server, dialled) {
            (Some(Protocol::Client), Some(p @ (Protocol::Gateway | Protocol::Leafnode))) => Some(p),
            (by_info, _) => by_info,
        };
        let dialling = self.by_info.client.filter(|p| p.is_link());
        let link = dialled.filter(|p| p.is_link());
        self.protocol = self
            .carrier
            .or(by_server)
            .or(link)
            .or(dialling)
            .or(dialled)
            .or(self.by_verb)
            .or(self.by_info.client)
            .unwrap_or(if self.tls { Protocol::Tls } else { Protocol::Unknown });
    }
}
