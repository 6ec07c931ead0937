//! `oom:mark_victim`: the kernel is out of memory and kills a process that owns traced sockets.
use crate::field::{self, places};
use crate::{ring, task};
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::Kind;

places!(VICTIM_PID);

#[tracepoint]
fn mark_victim(ctx: TracePointContext) -> Option<()> {
    let owner = task::owner(field::of_event(&ctx, &VICTIM_PID)?)?;
    ring::write(Kind::OomVictim, |record| record.target = owner);
    Some(())
}
