//! nftables' trace messages (`NFT_MSG_TRACE`, `enum nft_trace_attributes`): which packet met which rule, and what became of it.
use super::super::netlink::{Message, attributes, fixed, messages, text};
use super::table::NAME;
use crate::base::{Addr, Endpoint, Timestamp};
use crate::kernel::ruleset::Family;
use std::collections::VecDeque;

/// `NFT_MSG_TRACE`.
const TRACE: u16 = 17;
/// `NFT_TRACETYPE_POLICY`.
const POLICY: u32 = 1;
/// `NFT_TRACETYPE_RULE`.
const RULE: u32 = 3;
/// `NF_DROP`.
const DROP: u32 = 0;
/// TCP's protocol number.
const TCP: u8 = 6;
/// Packets on their way whose headers are remembered: only the first message of a packet in a chain has them.
const REMEMBERED_MAX: usize = 256;

/// A packet that was discarded, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Dropped {
    pub src: Endpoint,
    pub dst: Endpoint,
    pub at: Timestamp,
    pub family: Family,
    pub table: String,
    pub chain: String,
    /// None: the chain's policy.
    pub handle: Option<u64>,
}

/// Ends of the packets being traced, by trace id, the newest last.
#[derive(Default)]
pub(super) struct Headers(VecDeque<(u32, (Endpoint, Endpoint))>);

impl Headers {
    fn remember(&mut self, id: u32, ends: (Endpoint, Endpoint)) {
        self.0.retain(|(known, _)| *known != id);
        if self.0.len() >= REMEMBERED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, ends));
    }

    fn of(&self, id: u32) -> Option<(Endpoint, Endpoint)> {
        self.0.iter().rev().find(|(known, _)| *known == id).map(|(_, ends)| *ends)
    }
}

/// What a datagram says of discarded TCP packets.
pub(super) fn read(datagram: &[u8], at: Timestamp, headers: &mut Headers) -> Vec<Dropped> {
    let traces = messages(datagram).filter_map(|message| match message {
        Message::Nftables { kind: TRACE, family, attributes } => Some((family, attributes)),
        _ => None,
    });
    traces.filter_map(|(family, attributes)| one(family, attributes, at, headers)).collect()
}

/// The attributes wanted of one message.
#[derive(Default)]
struct Told<'a> {
    table: &'a str,
    chain: &'a str,
    handle: Option<u64>,
    kind: u32,
    verdict: Option<u32>,
    policy: Option<u32>,
    id: u32,
    network: &'a [u8],
    transport: &'a [u8],
}

fn one(family: u8, octets: &[u8], at: Timestamp, headers: &mut Headers) -> Option<Dropped> {
    let number = |value: &[u8]| fixed(value, 0).map(u32::from_be_bytes);
    let mut told = Told::default();
    for (kind, value) in attributes(octets) {
        match kind {
            1 => told.table = text(value),
            2 => told.chain = text(value),
            3 => told.handle = fixed(value, 0).map(u64::from_be_bytes),
            4 => told.kind = number(value).unwrap_or(0),
            5 => {
                told.verdict =
                    attributes(value).find(|(kind, _)| *kind == 1).and_then(|(_, code)| number(code))
            }
            6 => told.id = number(value).unwrap_or(0),
            8 => told.network = value,
            9 => told.transport = value,
            16 => told.policy = number(value),
            _ => {}
        }
    }
    if let Some(ends) = ends(told.network, told.transport) {
        headers.remember(told.id, ends);
    }
    let handle = match told.kind {
        RULE if told.verdict == Some(DROP) => Some(told.handle?),
        POLICY if told.policy == Some(DROP) => None,
        _ => return None,
    };
    let (src, dst) = headers.of(told.id)?;
    let family = Family::from_number(family)?;
    if told.table.starts_with(NAME) {
        return None;
    }
    Some(Dropped { src, dst, at, family, table: told.table.into(), chain: told.chain.into(), handle })
}

/// Both ends, from the heads of IP (RFC 791, RFC 8200; TCP straight behind) and TCP.
fn ends(network: &[u8], transport: &[u8]) -> Option<(Endpoint, Endpoint)> {
    let port = |at| fixed(transport, at).map(u16::from_be_bytes);
    let (src, dst) = match network.first()? >> 4 {
        4 if network.get(9) == Some(&TCP) => (Addr::v4(fixed(network, 12)?), Addr::v4(fixed(network, 16)?)),
        6 if network.get(6) == Some(&TCP) => (Addr::v6(fixed(network, 8)?), Addr::v6(fixed(network, 24)?)),
        _ => return None,
    };
    Some((Endpoint { addr: src, port: port(0)? }, Endpoint { addr: dst, port: port(2)? }))
}

#[cfg(test)]
mod tests {
    use super::super::super::netlink::Batch;
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(5);

    fn message(kind: u32, verdict: u32, with_packet: bool) -> Vec<u8> {
        let mut ip = [0; 20];
        (ip[0], ip[9]) = (0x45, TCP);
        ip[12..].copy_from_slice(&[10, 0, 0, 1, 10, 0, 0, 2]);
        let mut batch = Batch::new(1);
        batch.add(TRACE, 0, |a| {
            a.text(1, "filter");
            a.text(2, "input");
            a.long(3, 7);
            a.number(4, kind);
            a.nest(5, |a| a.number(1, verdict));
            a.number(6, 99);
            if with_packet {
                a.octets(8, &ip);
                a.octets(9, &[0xc3, 0x50, 0x10, 0x7e, 0, 0, 0, 0]);
            }
            if kind == POLICY {
                a.number(16, verdict);
            }
        });
        batch.finish().0
    }

    #[test]
    fn drops_are_read_and_nothing_else() {
        let mut headers = Headers::default();
        assert!(read(&message(RULE, DROP, false), NOW, &mut headers).is_empty());
        assert!(read(&message(RULE, 1, true), NOW, &mut headers).is_empty());
        let dropped = read(&message(RULE, DROP, false), NOW, &mut headers);
        assert_eq!(dropped.len(), 1);
        assert_eq!(dropped[0].src.to_string(), "10.0.0.1:50000");
        assert_eq!(dropped[0].dst.to_string(), "10.0.0.2:4222");
        assert_eq!((dropped[0].chain.as_str(), dropped[0].handle), ("input", Some(7)));
        assert_eq!(read(&message(POLICY, DROP, false), NOW, &mut headers)[0].handle, None);
    }

    proptest! {
        #[test]
        fn no_octets_break_us(at in any::<prop::sample::Index>(), octet in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut octets = message(RULE, DROP, true);
            let at = at.index(octets.len());
            octets[at] = octet;
            octets.truncate(cut.index(octets.len()) + 1);
            prop_assert!(read(&octets, NOW, &mut Headers::default()).len() <= 1);
        }

        #[test]
        fn the_memory_is_bounded(ids in prop::collection::vec(any::<u32>(), 0..600)) {
            let mut headers = Headers::default();
            for id in &ids {
                headers.remember(*id, Default::default());
            }
            prop_assert!(headers.0.len() <= REMEMBERED_MAX);
            prop_assert!(ids.last().is_none_or(|id| headers.of(*id).is_some()));
        }
    }
}
