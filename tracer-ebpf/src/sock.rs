//! What the socket and TCP tracepoints share: ports, addresses, the socket's network namespace.
use crate::field::{self, Event, places};
use crate::ring;
use aya_ebpf::Global;
use tracer_ebpf::Record;

places!(SOCK_NET, NET_INUM, SKB_SK, SKB_DEV, DEV_NET);

/// Where a tracepoint has both ends. The ports are in host order, the addresses are mapped into IPv6 where need be.
pub struct Ends {
    pub sport: &'static Global<i32>,
    pub dport: &'static Global<i32>,
    pub saddr: &'static Global<i32>,
    pub daddr: &'static Global<i32>,
}

impl Ends {
    /// The ports, where one of them is traced.
    #[inline(always)]
    pub fn traced(&self, event: &Event<'_>) -> Option<(u16, u16)> {
        let sport = event.get(self.sport)?;
        let dport = event.get(self.dport)?;
        ring::traced(sport, dport).then_some((sport, dport))
    }

    /// Writes ports and addresses into a record.
    #[inline(always)]
    pub fn fill(&self, event: &Event<'_>, ports: (u16, u16), record: &mut Record) {
        (record.local_port, record.remote_port) = ports;
        event.copy(self.saddr, &mut record.local);
        event.copy(self.daddr, &mut record.remote);
    }
}

/// Inode of a socket's network namespace; 0 where it can't be read.
#[inline(always)]
pub fn netns(sock: u64) -> u32 {
    field::of_kernel::<u64>(sock, &SOCK_NET).map_or(0, inode)
}

/// That of a packet's socket, else of its device.
#[inline(always)]
pub fn netns_of_packet(skb: u64) -> u32 {
    let of_sock = field::of_kernel::<u64>(skb, &SKB_SK).map_or(0, netns);
    if of_sock != 0 {
        return of_sock;
    }
    let device = field::of_kernel::<u64>(skb, &SKB_DEV).unwrap_or(0);
    field::of_kernel::<u64>(device, &DEV_NET).map_or(0, inode)
}

/// Inode of a network namespace.
#[inline(always)]
pub fn inode(net: u64) -> u32 {
    field::of_kernel(net, &NET_INUM).unwrap_or(0)
}
