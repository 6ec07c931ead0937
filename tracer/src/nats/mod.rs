//! F1: NATS protocol decode. Owns no socket; takes bytes, gives operations.
mod blanks;
pub mod connz;
mod conversation;
mod eights;
mod hello;
mod hellos;
mod http;
mod jetstream;
mod json;
mod line;
mod lines;
mod listener;
mod mqtt;
mod op;
mod opening;
mod protocol;
mod read;
mod recurring;
mod s2;
pub mod server_log;
mod session;
mod status;
mod tls;
mod ws;

#[cfg(test)]
mod tests;

/// Where a text ends that was not captured whole.
pub const CUT: char = '…';

pub use conversation::Conversation;
pub use hello::{Connect, Info};
pub use hellos::Hellos;
pub use listener::Listener;
pub use op::{Fault, LinkVerb, MqttPacket, Op, TlsRecord};
pub use protocol::{Foreign, Protocol};
