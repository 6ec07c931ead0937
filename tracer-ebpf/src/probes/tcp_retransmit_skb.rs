//! `tcp:tcp_retransmit_skb`: a segment is sent again.
use crate::field::{Event, places};
use crate::ring;
use crate::sock::{self, Ends};
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::Kind;

places!(RETRANSMIT_SKADDR, RETRANSMIT_SPORT, RETRANSMIT_DPORT, RETRANSMIT_SADDR_V6, RETRANSMIT_DADDR_V6);

const ENDS: Ends = Ends {
    sport: &RETRANSMIT_SPORT,
    dport: &RETRANSMIT_DPORT,
    saddr: &RETRANSMIT_SADDR_V6,
    daddr: &RETRANSMIT_DADDR_V6,
};

#[tracepoint]
fn tcp_retransmit_skb(ctx: TracePointContext) -> Option<()> {
    let event = Event::read(&ctx)?;
    let ports = ENDS.traced(&event)?;
    ring::write(Kind::Retransmit, |record| {
        ENDS.fill(&event, ports, record);
        record.netns = sock::netns(event.get(&RETRANSMIT_SKADDR).unwrap_or(0));
    });
    Some(())
}
