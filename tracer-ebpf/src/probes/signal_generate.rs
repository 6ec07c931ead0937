//! `signal:signal_generate`: somebody, or the kernel, sends a signal to a process that owns traced sockets.
use crate::field::{self, places};
use crate::{ring, task};
use aya_ebpf::Global;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::Kind;

places!(SIGNAL_SIG, SIGNAL_CODE, SIGNAL_COMM, SIGNAL_PID, SIGNAL_RESULT);

/// Signals that matter, a bit each (bit 9: SIGKILL); user space sets it.
#[unsafe(no_mangle)]
static SIGNALS: Global<u64> = Global::new(0);

// include/trace/events/signal.h: what became of it.
const DELIVERED: i32 = 0;
const DELIVERED_WITHOUT_INFO: i32 = 4;
// include/uapi/asm-generic/siginfo.h: codes of a signal that a process sent, and did it itself.
const SI_USER: i32 = 0;
const SI_QUEUE: i32 = -1;
const SI_TKILL: i32 = -6;

#[tracepoint]
fn signal_generate(ctx: TracePointContext) -> Option<()> {
    let signal = field::of_event::<i32>(&ctx, &SIGNAL_SIG)?;
    if !(1..64).contains(&signal) || SIGNALS.load() >> signal & 1 == 0 {
        return None;
    }
    let owner = task::owner(field::of_event(&ctx, &SIGNAL_PID)?)?;
    let result = field::of_event::<i32>(&ctx, &SIGNAL_RESULT).unwrap_or(DELIVERED);
    if result != DELIVERED && result != DELIVERED_WITHOUT_INFO {
        return None;
    }
    let code = field::of_event::<i32>(&ctx, &SIGNAL_CODE).unwrap_or(SI_USER);
    ring::write(Kind::Signal, |record| {
        (record.first, record.second) = (signal, code);
        record.target = owner;
        field::copy_of_event(&ctx, &SIGNAL_COMM, &mut record.target_comm);
        if matches!(code, SI_USER | SI_QUEUE | SI_TKILL) {
            task::fill(record);
        }
    });
    Some(())
}
