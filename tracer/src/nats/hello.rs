//! The two JSON lines that introduce the ends: INFO (server) and CONNECT (client). Unknown fields are passed over,
//! fields of the wrong type count as absent, secrets are noted as present and dropped.
use serde::{Deserialize, Deserializer, Serialize};

/// What an INFO says (fields and releases: nats-server `server/server.go`, `Info`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Info {
    /// New at every server start.
    #[serde(deserialize_with = "lenient")]
    pub server_id: String,
    /// Configured name; the id where none is.
    #[serde(deserialize_with = "lenient")]
    pub server_name: String,
    /// Server version.
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    /// Go version the server was built with; empty on gateway INFO.
    #[serde(deserialize_with = "lenient")]
    pub go: String,
    /// Protocol level.
    #[serde(deserialize_with = "lenient")]
    pub proto: i64,
    /// Listen address.
    #[serde(deserialize_with = "lenient")]
    pub host: String,
    /// Listen port.
    #[serde(deserialize_with = "lenient")]
    pub port: u16,
    /// Largest message in bytes, headers included; 0 where absent.
    #[serde(deserialize_with = "lenient")]
    pub max_payload: i64,
    /// Credentials are wanted.
    #[serde(deserialize_with = "lenient")]
    pub auth_required: bool,
    /// TLS must follow.
    #[serde(deserialize_with = "lenient")]
    pub tls_required: bool,
    /// A client certificate is wanted.
    #[serde(deserialize_with = "lenient")]
    pub tls_verify: bool,
    /// TLS may follow.
    #[serde(deserialize_with = "lenient")]
    pub tls_available: bool,
    /// The `cid` of logs and /connz; 0 where absent.
    #[serde(deserialize_with = "lenient")]
    pub client_id: u64,
    /// The client's address as the server sees it.
    #[serde(deserialize_with = "lenient")]
    pub client_ip: String,
    /// Headers are supported.
    #[serde(deserialize_with = "lenient")]
    pub headers: bool,
    /// JetStream is on.
    #[serde(deserialize_with = "lenient")]
    pub jetstream: bool,
    /// Cluster name.
    #[serde(deserialize_with = "lenient")]
    pub cluster: String,
    /// Where clients can connect: the cluster's nodes.
    #[serde(deserialize_with = "lenient")]
    pub connect_urls: Vec<String>,
    /// Lame duck mode is announced.
    #[serde(deserialize_with = "lenient")]
    pub ldm: bool,
    /// Gateway name: this is a gateway port.
    #[serde(deserialize_with = "lenient")]
    pub gateway: String,
    /// Present on leafnode ports.
    #[serde(deserialize_with = "lenient")]
    pub leafnode_urls: Vec<String>,
    /// Present on route ports.
    #[serde(deserialize_with = "lenient")]
    pub lnoc: bool,
    /// Route pool size: a route port (2.10 on).
    #[serde(deserialize_with = "lenient")]
    pub route_pool_size: i64,
    /// Compression offered on routes and leafs.
    #[serde(deserialize_with = "lenient")]
    pub compression: String,
    /// The account a client landed in (second INFO, 2.12 on).
    #[serde(deserialize_with = "lenient")]
    pub remote_account: String,
    /// Marks the second INFO, sent right after the first PONG (2.12 on): the CONNECT was accepted.
    #[serde(deserialize_with = "lenient")]
    pub connect_info: bool,
    /// A server-made challenge is present.
    #[serde(deserialize_with = "present")]
    pub nonce: bool,
    /// This INFO comes from a leaf or asks for info on connect.
    #[serde(deserialize_with = "lenient")]
    pub info_on_connect: bool,
}

/// What a CONNECT says (nats-server `server/client.go`, `ClientOpts`), without its secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Connect {
    /// Client name.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// Library language.
    #[serde(deserialize_with = "lenient")]
    pub lang: String,
    /// Library version.
    #[serde(deserialize_with = "lenient")]
    pub version: String,
    /// User name; a name is no secret. Nkey users: the public key.
    #[serde(deserialize_with = "lenient")]
    pub user: String,
    /// Public nkey.
    #[serde(deserialize_with = "lenient")]
    pub nkey: String,
    /// +OK wanted; the server's default is true.
    #[serde(deserialize_with = "lenient")]
    pub verbose: bool,
    /// Strict subject checks.
    #[serde(deserialize_with = "lenient")]
    pub pedantic: bool,
    /// The client insists on TLS.
    #[serde(deserialize_with = "lenient")]
    pub tls_required: bool,
    /// 1: understands asynchronous INFO.
    #[serde(deserialize_with = "lenient")]
    pub protocol: i64,
    /// Headers understood.
    #[serde(deserialize_with = "lenient")]
    pub headers: bool,
    /// Wants 503 where nobody listens.
    #[serde(deserialize_with = "lenient")]
    pub no_responders: bool,
    /// Route dialling: its cluster.
    #[serde(deserialize_with = "lenient")]
    pub cluster: String,
    /// Gateway dialling: its name.
    #[serde(deserialize_with = "lenient")]
    pub gateway: String,
    /// Leaf dialling: its server id.
    #[serde(deserialize_with = "lenient")]
    pub server_id: String,
    /// A password came along.
    #[serde(deserialize_with = "present", rename = "pass")]
    pub has_password: bool,
    /// A token came along.
    #[serde(deserialize_with = "present", rename = "auth_token")]
    pub has_token: bool,
    /// A JWT came along.
    #[serde(deserialize_with = "present", rename = "jwt")]
    pub has_jwt: bool,
    /// A signature came along.
    #[serde(deserialize_with = "present", rename = "sig")]
    pub has_signature: bool,
}

impl Info {
    /// Reads the JSON of an INFO line; `None` where it is no JSON object.
    #[must_use]
    pub fn decode(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

impl Connect {
    /// Reads the JSON of a CONNECT line; `None` where it is no JSON object.
    #[must_use]
    pub fn decode(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

/// A value of the wrong type is as good as none: a passive reader has nobody to complain to.
fn lenient<'de, D: Deserializer<'de>, T: Default + serde::de::DeserializeOwned>(d: D) -> Result<T, D::Error> {
    if !d.is_human_readable() {
        return T::deserialize(d);
    }
    let value = serde_json::Value::deserialize(d)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Whether a secret is there and not empty; the secret itself is dropped here.
fn present<'de, D: Deserializer<'de>>(d: D) -> Result<bool, D::Error> {
    if !d.is_human_readable() {
        return bool::deserialize(d);
    }
    let value = serde_json::Value::deserialize(d)?;
    Ok(!value.is_null() && value.as_str() != Some(""))
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
    }

    #[test]
    fn info_takes_what_is_there() {
        let info = Info::decode(
            br#"{"server_id":"N1","version":"2.15.1","connect_urls":["a:1"],"nonce":"x","ldm":true}"#,
        )
        .unwrap();
        assert!(info.ldm && info.nonce && info.connect_urls == ["a:1"] && info.max_payload == 0);
    }
}
