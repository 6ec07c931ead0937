//! Where the capture was taken, from what one connection shows of it.
use crate::base::{Addr, PerSide, Span};
use crate::event::{TcpFacts, Vantage};

/// Initial TTLs in use: a segment that still has one was not routed yet.
const fn unrouted(ttl: u8) -> bool {
    matches!(ttl, 64 | 128 | 255)
}

/// Both ends are on one host, as their addresses alone show.
#[must_use]
pub fn is_one_host(client: Addr, server: Addr) -> bool {
    client == server || client.is_loopback()
}

/// TTLs first; where both ends are one hop away, the split of the handshake's round trip.
#[must_use]
pub fn find(
    tcp: &PerSide<TcpFacts>,
    client: Addr,
    server: Addr,
    syn_to_synack: Option<Span>,
    synack_to_ack: Option<Span>,
) -> Vantage {
    if is_one_host(client, server) {
        return Vantage::Both;
    }
    match (tcp.client.ttl.map(unrouted), tcp.server.ttl.map(unrouted)) {
        (Some(true), Some(false)) => Vantage::Client,
        (Some(false), Some(true)) => Vantage::Server,
        (Some(false), Some(false)) => Vantage::Between,
        (Some(true), Some(true)) => match (syn_to_synack, synack_to_ack) {
            (Some(far), Some(near)) if far.0 > near.0.saturating_mul(4) && far > Span::millis(1) => {
                Vantage::Client
            }
            (Some(near), Some(far)) if far.0 > near.0.saturating_mul(4) && far > Span::millis(1) => {
                Vantage::Server
            }
            _ => Vantage::Unknown,
        },
        _ => Vantage::Unknown,
    }
}
