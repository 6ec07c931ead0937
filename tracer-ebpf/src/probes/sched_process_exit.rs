//! `sched:sched_process_exit`: a process that owned traced sockets has ended, its last thread with it.
use crate::field::{self, places};
use crate::ring;
use crate::task::{self, TASK_LEADER};
use aya_ebpf::helpers::generated::bpf_get_current_task;
use aya_ebpf::macros::tracepoint;
use aya_ebpf::programs::TracePointContext;
use tracer_ebpf::{Kind, NO_REASON};

places!(EXIT_GROUP_DEAD, TASK_SIGNAL, TASK_EXIT_CODE, SIGNAL_LIVE, SIGNAL_GROUP_EXIT_CODE);

#[tracepoint]
fn sched_process_exit(ctx: TracePointContext) -> Option<()> {
    if task::owner(task::tgid()).is_none() && !task::named_by_reader() {
        return None;
    }
    // SAFETY: no precondition.
    let current = unsafe { bpf_get_current_task() };
    let shared = field::of_kernel::<u64>(current, &TASK_SIGNAL);
    let last = match field::of_event::<u8>(&ctx, &EXIT_GROUP_DEAD) {
        Some(dead) => dead != 0,
        // How many threads live; this one was taken off before.
        None => shared.and_then(|shared| field::of_kernel::<i32>(shared, &SIGNAL_LIVE))? == 0,
    };
    if !last {
        return None;
    }
    // A signal, or exit_group, leaves its word for all threads; else the first thread's counts.
    let together = shared.and_then(|shared| field::of_kernel::<i32>(shared, &SIGNAL_GROUP_EXIT_CODE));
    let code = match together {
        Some(code) if code != 0 => code,
        _ => field::of_kernel::<u64>(current, &TASK_LEADER)
            .and_then(|leader| field::of_kernel(leader, &TASK_EXIT_CODE))
            .unwrap_or(NO_REASON),
    };
    ring::write(Kind::Exit, |record| {
        record.first = code;
        task::fill(record);
        task::forget(record.pid);
    });
    Some(())
}
