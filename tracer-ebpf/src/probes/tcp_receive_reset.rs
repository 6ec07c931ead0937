//! `tcp:tcp_receive_reset`: a socket takes an arriving reset.
use crate::field::{Event, places};
use crate::ring;
use crate::sock::{self, Ends};
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::Kind;

places!(
    RECEIVE_RESET_SKADDR,
    RECEIVE_RESET_SPORT,
    RECEIVE_RESET_DPORT,
    RECEIVE_RESET_SADDR_V6,
    RECEIVE_RESET_DADDR_V6
);

const ENDS: Ends = Ends {
    sport: &RECEIVE_RESET_SPORT,
    dport: &RECEIVE_RESET_DPORT,
    saddr: &RECEIVE_RESET_SADDR_V6,
    daddr: &RECEIVE_RESET_DADDR_V6,
};

#[tracepoint]
fn tcp_receive_reset(ctx: TracePointContext) -> Option<()> {
    let event = Event::read(&ctx)?;
    let ports = ENDS.traced(&event)?;
    ring::write(Kind::ReceiveReset, |record| {
        ENDS.fill(&event, ports, record);
        record.netns = sock::netns(event.get(&RECEIVE_RESET_SKADDR).unwrap_or(0));
    });
    Some(())
}
