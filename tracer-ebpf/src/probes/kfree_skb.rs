//! `skb:kfree_skb`: a packet is discarded. Addresses and ports are the packet's: a filtered SYN has no socket.
use crate::field::{self, places};
use crate::{ring, sock};
use aya_ebpf::macros::{map, tracepoint};
use aya_ebpf::maps::Array;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::{Kind, NO_REASON, QUIET_REASONS, Record};

places!(KFREE_SKBADDR, KFREE_LOCATION, KFREE_PROTOCOL, KFREE_REASON, SKB_HEAD, SKB_NETWORK_HEADER);

/// Reasons that tell of no loss, by number: user space fills it by name.
#[map]
static QUIET: Array<u8> = Array::with_max_entries(QUIET_REASONS, 0);

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
/// `skb->network_header` where none was set.
const UNSET: u16 = 0xffff;

/// What is read of a TCP header: ports, sequence number, acknowledgement, data offset, flags.
type Tcp = [u8; 14];

#[tracepoint]
fn kfree_skb(ctx: TracePointContext) -> Option<()> {
    let protocol = field::of_event::<u16>(&ctx, &KFREE_PROTOCOL);
    if protocol.is_some_and(|p| p != IPV4 && p != IPV6) {
        return None;
    }
    let reason = field::of_event::<i32>(&ctx, &KFREE_REASON).unwrap_or(NO_REASON);
    if reason >= 0 && QUIET.get(reason as u32).is_some_and(|&quiet| quiet != 0) {
        return None;
    }
    let skb = field::of_event::<u64>(&ctx, &KFREE_SKBADDR)?;
    let head = field::of_kernel::<u64>(skb, &SKB_HEAD)?;
    let offset = field::of_kernel::<u16>(skb, &SKB_NETWORK_HEADER)?;
    if offset == UNSET {
        return None;
    }
    let ip = head + u64::from(offset);
    let start = field::at_address::<[u8; 20]>(ip)?;
    match start[0] >> 4 {
        // No fragment but a first one has ports.
        4 if start[9] == TCP && start[6] & 0x1f == 0 && start[7] == 0 => {
            let length = u64::from(start[0] & 15) * 4;
            let tcp = traced(ip + length)?;
            write(&ctx, reason, skb, &tcp, |record| {
                (record.local[10], record.local[11], record.remote[10], record.remote[11]) =
                    (0xff, 0xff, 0xff, 0xff);
                record.local[12..16].copy_from_slice(&start[12..16]);
                record.remote[12..16].copy_from_slice(&start[16..20]);
            });
        }
        // Extension headers are not followed.
        6 if start[6] == TCP => {
            let tcp = traced(ip + 40)?;
            write(&ctx, reason, skb, &tcp, |record| {
                field::copy(&mut record.local, ip + 8);
                field::copy(&mut record.remote, ip + 24);
            });
        }
        _ => {}
    }
    Some(())
}

/// The TCP header there, where a port of it is traced.
#[inline(always)]
fn traced(at: u64) -> Option<Tcp> {
    let tcp = field::at_address::<Tcp>(at)?;
    let (source, destination) = ports(&tcp);
    ring::traced(source, destination).then_some(tcp)
}

#[inline(always)]
fn ports(tcp: &Tcp) -> (u16, u16) {
    (u16::from_be_bytes([tcp[0], tcp[1]]), u16::from_be_bytes([tcp[2], tcp[3]]))
}

#[inline(always)]
fn write(ctx: &TracePointContext, reason: i32, skb: u64, tcp: &Tcp, addresses: impl FnOnce(&mut Record)) {
    ring::write(Kind::Drop, |record| {
        (record.local_port, record.remote_port) = ports(tcp);
        addresses(record);
        record.first = reason;
        record.seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        record.tcp_flags = u32::from(tcp[13]);
        record.place = field::of_event(ctx, &KFREE_LOCATION).unwrap_or(0);
        record.netns = sock::netns_of_packet(skb);
    });
}
