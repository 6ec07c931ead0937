//! `tcp:tcp_send_reset`: TCP answers with a reset, or aborts with one. The source is always this host.
use crate::field::{self, Event, places};
use crate::sock::{self, Ends};
use crate::{ring, task};
use aya_ebpf::Global;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::{Kind, NO_REASON};

places!(
    SEND_RESET_SKADDR,
    SEND_RESET_SKBADDR,
    SEND_RESET_STATE,
    SEND_RESET_REASON,
    // Layout up to 6.6: ports and addresses apart.
    SEND_RESET_SPORT,
    SEND_RESET_DPORT,
    SEND_RESET_SADDR_V6,
    SEND_RESET_DADDR_V6,
    // Layout since: a `sockaddr_in` or `sockaddr_in6` each.
    SEND_RESET_SOURCE,
    SEND_RESET_DESTINATION
);

const ENDS: Ends = Ends {
    sport: &SEND_RESET_SPORT,
    dport: &SEND_RESET_DPORT,
    saddr: &SEND_RESET_SADDR_V6,
    daddr: &SEND_RESET_DADDR_V6,
};

const INET: u16 = 2;
const CLOSE: i32 = 7;

/// The start of `sockaddr_in` and `sockaddr_in6`: family in host order, port in network order, IPv4 address or flow.
type Start = (u16, [u8; 2], [u8; 4]);

#[tracepoint]
fn tcp_send_reset(ctx: TracePointContext) -> Option<()> {
    let event = Event::read(&ctx)?;
    if let Some(source) = event.get::<Start>(&SEND_RESET_SOURCE) {
        let destination = event.get::<Start>(&SEND_RESET_DESTINATION)?;
        let ports = (u16::from_be_bytes(source.1), u16::from_be_bytes(destination.1));
        if !ring::traced(ports.0, ports.1) {
            return None;
        }
        ring::write(Kind::SendReset, |record| {
            (record.local_port, record.remote_port) = ports;
            address(&ctx, &SEND_RESET_SOURCE, source, &mut record.local);
            address(&ctx, &SEND_RESET_DESTINATION, destination, &mut record.remote);
            rest(&event, record);
        });
    } else {
        let ports = ENDS.traced(&event)?;
        ring::write(Kind::SendReset, |record| {
            ENDS.fill(&event, ports, record);
            rest(&event, record);
        });
    }
    Some(())
}

#[inline(always)]
fn address(ctx: &TracePointContext, place: &Global<i32>, start: Start, to: &mut [u8; 16]) {
    use aya_ebpf::EbpfContext;
    if start.0 == INET {
        (to[10], to[11]) = (0xff, 0xff);
        (to[12], to[13], to[14], to[15]) = (start.2[0], start.2[1], start.2[2], start.2[3]);
    } else {
        // SAFETY: the pointer is only handed to the helper, which checks it.
        field::copy(to, unsafe { ctx.as_ptr().add(place.load() as usize + 8) } as u64);
    }
}

#[inline(always)]
fn rest(event: &Event<'_>, record: &mut tracer_ebpf::Record) {
    record.first = event.get(&SEND_RESET_REASON).unwrap_or(NO_REASON);
    let skb = event.get::<u64>(&SEND_RESET_SKBADDR).unwrap_or(0);
    record.netns = sock::netns(event.get(&SEND_RESET_SKADDR).unwrap_or(0));
    if record.netns == 0 {
        // A segment that met no socket is answered where it came in.
        record.netns = sock::netns_of_packet(skb);
    }
    // close() with unread data or linger, and disconnect(), put the socket into CLOSE first and answer no packet. The
    // timers and softirq that reset too answer one, or the socket is still in its state.
    let answers = skb != 0;
    let closed = event.get::<i32>(&SEND_RESET_STATE) == Some(CLOSE);
    if !answers && closed && task::fill(record) {
        task::remember(record);
    }
}
