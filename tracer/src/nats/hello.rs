//! The two JSON lines that introduce the ends: INFO (server) and CONNECT (client). Unknown fields are passed over,
//! fields of the wrong type count as absent, secrets are noted as present and dropped.
use super::json::{self, Value};
use ecow::EcoString;
use serde::{Deserialize, Serialize};

/// What an INFO says (fields and releases: nats-server `server/server.go`, `Info`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Info {
    /// New at every server start.
    pub server_id: EcoString,
    /// Configured name; the id where none is.
    pub server_name: EcoString,
    /// Server version.
    pub version: EcoString,
    /// Go version the server was built with; empty on gateway INFO.
    pub go: EcoString,
    /// Protocol level.
    pub proto: i64,
    /// Listen address.
    pub host: EcoString,
    /// Listen port.
    pub port: u16,
    /// Largest message in bytes, headers included; 0 where absent.
    pub max_payload: i64,
    /// Credentials are wanted.
    pub auth_required: bool,
    /// TLS must follow.
    pub tls_required: bool,
    /// A client certificate is wanted.
    pub tls_verify: bool,
    /// TLS may follow.
    pub tls_available: bool,
    /// The `cid` of logs and /connz; 0 where absent.
    pub client_id: u64,
    /// The client's address as the server sees it.
    pub client_ip: EcoString,
    /// Headers are supported.
    pub headers: bool,
    /// JetStream is on.
    pub jetstream: bool,
    /// Cluster name.
    pub cluster: EcoString,
    /// Where clients can connect: the cluster's nodes.
    pub connect_urls: Vec<String>,
    /// Lame duck mode is announced.
    pub ldm: bool,
    /// Gateway name: this is a gateway port.
    pub gateway: EcoString,
    /// Present on leafnode ports.
    pub leafnode_urls: Vec<String>,
    /// Present on route ports.
    pub lnoc: bool,
    /// Route pool size: a route port (2.10 on).
    pub route_pool_size: i64,
    /// Compression offered on routes and leafs.
    pub compression: EcoString,
    /// The account a client landed in (second INFO, 2.12 on).
    pub remote_account: EcoString,
    /// Marks the second INFO, sent right after the first PONG (2.12 on): the CONNECT was accepted.
    pub connect_info: bool,
    /// A server-made challenge is present.
    pub nonce: bool,
    /// This INFO comes from a leaf or asks for info on connect.
    pub info_on_connect: bool,
}

/// What a CONNECT says (nats-server `server/client.go`, `ClientOpts`), without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Connect {
    /// Client name.
    pub name: EcoString,
    /// Library language.
    pub lang: EcoString,
    /// Library version.
    pub version: EcoString,
    /// User name; a name is no secret. Nkey users: the public key.
    pub user: EcoString,
    /// Public nkey.
    pub nkey: EcoString,
    /// +OK wanted; the server's default is true.
    pub verbose: bool,
    /// Strict subject checks.
    pub pedantic: bool,
    /// The client insists on TLS.
    pub tls_required: bool,
    /// 1: understands asynchronous INFO.
    pub protocol: i64,
    /// Headers understood.
    pub headers: bool,
    /// Wants 503 where nobody listens.
    pub no_responders: bool,
    /// Route dialling: its cluster.
    pub cluster: EcoString,
    /// Gateway dialling: its name.
    pub gateway: EcoString,
    /// Leaf dialling: its server id.
    pub server_id: EcoString,
    /// A password came along.
    pub has_password: bool,
    /// A token came along.
    pub has_token: bool,
    /// A JWT came along.
    pub has_jwt: bool,
    /// A signature came along.
    pub has_signature: bool,
}

impl Info {
    /// Reads the JSON of an INFO line; `None` where it is no JSON object.
    #[must_use]
    pub fn decode(json: &[u8]) -> Option<Self> {
        filled(json)
    }
}

impl Connect {
    /// Reads the JSON of a CONNECT line; `None` where it is no JSON object.
    #[must_use]
    pub fn decode(json: &[u8]) -> Option<Self> {
        filled(json)
    }
}

/// What is made of an object's members.
pub(super) trait Members: Clone + Default {
    /// Members whose values differ among the lines of one server, or of one kind of clients.
    const VARY: &[&[u8]] = &[];
    /// Members whose values nobody may keep.
    const SECRET: &[&[u8]] = &[];

    /// Takes one in.
    fn take(&mut self, key: &[u8], value: Value<'_>);
}

/// Two things made of the same members; the first says which vary and which are secret.
impl<A: Members, B: Members> Members for (A, B) {
    const VARY: &[&[u8]] = A::VARY;
    const SECRET: &[&[u8]] = A::SECRET;

    #[inline]
    fn take(&mut self, key: &[u8], value: Value<'_>) {
        self.0.take(key, value);
        self.1.take(key, value);
    }
}

impl Members for Info {
    const VARY: &[&[u8]] = &[b"client_id", b"client_ip", b"nonce"];

    fn take(&mut self, key: &[u8], value: Value<'_>) {
        match key {
            b"server_id" => self.server_id = read(value),
            b"server_name" => self.server_name = read(value),
            b"version" => self.version = read(value),
            b"go" => self.go = read(value),
            b"proto" => self.proto = read(value),
            b"host" => self.host = read(value),
            b"port" => self.port = read(value),
            b"max_payload" => self.max_payload = read(value),
            b"auth_required" => self.auth_required = read(value),
            b"tls_required" => self.tls_required = read(value),
            b"tls_verify" => self.tls_verify = read(value),
            b"tls_available" => self.tls_available = read(value),
            b"client_id" => self.client_id = read(value),
            b"client_ip" => self.client_ip = read(value),
            b"headers" => self.headers = read(value),
            b"jetstream" => self.jetstream = read(value),
            b"cluster" => self.cluster = read(value),
            b"connect_urls" => self.connect_urls = read(value),
            b"ldm" => self.ldm = read(value),
            b"gateway" => self.gateway = read(value),
            b"leafnode_urls" => self.leafnode_urls = read(value),
            b"lnoc" => self.lnoc = read(value),
            b"route_pool_size" => self.route_pool_size = read(value),
            b"compression" => self.compression = read(value),
            b"remote_account" => self.remote_account = read(value),
            b"connect_info" => self.connect_info = read(value),
            b"info_on_connect" => self.info_on_connect = read(value),
            b"nonce" => self.nonce = present(value),
            _ => {}
        }
    }
}

impl Members for Connect {
    const VARY: &[&[u8]] = &[b"name"];
    const SECRET: &[&[u8]] = &[b"pass", b"auth_token", b"jwt", b"sig"];

    fn take(&mut self, key: &[u8], value: Value<'_>) {
        match key {
            b"name" => self.name = read(value),
            b"lang" => self.lang = read(value),
            b"version" => self.version = read(value),
            b"user" => self.user = read(value),
            b"nkey" => self.nkey = read(value),
            b"verbose" => self.verbose = read(value),
            b"pedantic" => self.pedantic = read(value),
            b"tls_required" => self.tls_required = read(value),
            b"protocol" => self.protocol = read(value),
            b"headers" => self.headers = read(value),
            b"no_responders" => self.no_responders = read(value),
            b"cluster" => self.cluster = read(value),
            b"gateway" => self.gateway = read(value),
            b"server_id" => self.server_id = read(value),
            b"pass" => self.has_password = present(value),
            b"auth_token" => self.has_token = present(value),
            b"jwt" => self.has_jwt = present(value),
            b"sig" => self.has_signature = present(value),
            _ => {}
        }
    }
}

pub(super) fn filled<T: Members>(json: &[u8]) -> Option<T> {
    let mut all = T::default();
    json::object(json, |key, value| all.take(key, value))?;
    Some(all)
}

/// What a field can be made of.
trait Field: Default {
    /// `None`: the value is of another type.
    fn of(value: Value<'_>) -> Option<Self>;
}

impl Field for EcoString {
    fn of(value: Value<'_>) -> Option<Self> {
        if let Value::Text(text) = value { Some((&*text.get()).into()) } else { None }
    }
}

impl Field for bool {
    fn of(value: Value<'_>) -> Option<Self> {
        if let Value::Bool(on) = value { Some(on) } else { None }
    }
}

impl Field for Vec<String> {
    fn of(value: Value<'_>) -> Option<Self> {
        if let Value::List(list) = value { json::texts(list) } else { None }
    }
}

macro_rules! whole_numbers {
    ($($number:ty),+) => {
        $(impl Field for $number {
            fn of(value: Value<'_>) -> Option<Self> {
                if let Value::Number(octets) = value { str::from_utf8(octets).ok()?.parse().ok() } else { None }
            }
        })+
    };
}

whole_numbers!(u16, i64, u64);

/// A value of the wrong type is as good as none: a passive reader has nobody to complain to.
fn read<T: Field>(value: Value<'_>) -> T {
    T::of(value).unwrap_or_default()
}

/// Whether a secret is there and not empty; the secret itself is dropped here.
fn present(value: Value<'_>) -> bool {
    match value {
        Value::Null => false,
        Value::Text(text) => !text.is_empty(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_only_noted() {
        let connect =
            Connect::decode(br#"{"user":"a","pass":"s3cr3t","jwt":null,"lang":"go","protocol":"x","zz":1}"#)
                .unwrap();
        assert!(connect.has_password && !connect.has_jwt && connect.protocol == 0);
        assert!(!format!("{connect:?}").contains("s3cr3t"));
        assert_eq!(Connect::decode(b"[1"), None);
        assert_eq!(Connect::decode(b"{\"lang\":\"go\""), None);
    }

    #[test]
    fn info_takes_what_is_there() {
        let info = Info::decode(
            br#"{"server_id":"N1","version":"2.15.1","connect_urls":["a:1"],"nonce":"x","ldm":true}"#,
        )
        .unwrap();
        assert!(info.ldm && info.nonce && info.connect_urls == ["a:1"] && info.max_payload == 0);
    }

    #[test]
    fn wrong_types_count_as_absent() {
        let info = Info::decode(
            br#"{"server_id":7,"port":65536,"proto":1.0,"client_id":-1,"ldm":"true","connect_urls":["a",1],"nonce":""}"#,
        );
        assert_eq!(info, Some(Info::default()));
    }
}
