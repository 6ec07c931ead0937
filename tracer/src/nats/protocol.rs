//! What a connection speaks, told from its bytes.
use serde::{Deserialize, Serialize};

/// Which protocol a connection speaks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum Protocol {
    /// A NATS client.
    Client,
    /// Cluster route.
    Route,
    /// Gateway.
    Gateway,
    /// Leafnode.
    Leafnode,
    /// NATS over WebSocket.
    WebSocket,
    /// MQTT.
    Mqtt,
    /// TLS is all that was seen.
    Tls,
    /// Not told by the bytes.
    #[default]
    Unknown,
}

impl Protocol {
    /// The contract's word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Route => "route",
            Self::Gateway => "gateway",
            Self::Leafnode => "leafnode",
            Self::WebSocket => "websocket",
            Self::Mqtt => "mqtt",
            Self::Tls => "tls",
            Self::Unknown => "unknown",
        }
    }

    /// Whether both ends are servers.
    #[must_use]
    pub const fn is_link(self) -> bool {
        matches!(self, Self::Route | Self::Gateway | Self::Leafnode)
    }
}

/// Bytes that are not NATS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Foreign {
    /// An HTTP request (no WebSocket upgrade).
    Http,
    /// SSH banner.
    Ssh,
    /// TLS records where none were expected (TLS to a plain listener).
    Tls,
    /// A PROXY header.
    Proxy,
    /// Anything else.
    Other,
}

impl Foreign {
    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTP",
            Self::Ssh => "SSH",
            Self::Tls => "TLS",
            Self::Proxy => "a PROXY header",
            Self::Other => "bytes that are not NATS",
        }
    }
}
