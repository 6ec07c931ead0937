//! `sock:inet_sk_error_report`: a socket tells its owner an error. It names no socket, hence no network namespace.
use crate::field::{Event, places};
use crate::ring;
use crate::sock::Ends;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::Kind;

places!(
    SK_ERROR_ERROR,
    SK_ERROR_PROTOCOL,
    SK_ERROR_SPORT,
    SK_ERROR_DPORT,
    SK_ERROR_SADDR_V6,
    SK_ERROR_DADDR_V6
);

const ENDS: Ends = Ends {
    sport: &SK_ERROR_SPORT,
    dport: &SK_ERROR_DPORT,
    saddr: &SK_ERROR_SADDR_V6,
    daddr: &SK_ERROR_DADDR_V6,
};

const TCP: u16 = 6;

#[tracepoint]
fn inet_sk_error_report(ctx: TracePointContext) -> Option<()> {
    let event = Event::read(&ctx)?;
    let ports = ENDS.traced(&event)?;
    if event.get::<u16>(&SK_ERROR_PROTOCOL).is_some_and(|protocol| protocol != TCP) {
        return None;
    }
    let errno = event.get::<i32>(&SK_ERROR_ERROR)?;
    ring::write(Kind::ErrorReport, |record| {
        ENDS.fill(&event, ports, record);
        record.first = errno;
    });
    Some(())
}
