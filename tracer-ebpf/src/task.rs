//! The current process: its number and name, and the map of those that own traced sockets.
use crate::field::{self, places};
use aya_ebpf::Global;
use aya_ebpf::bindings::bpf_pidns_info;
use aya_ebpf::helpers::generated::{
    bpf_get_current_cgroup_id, bpf_get_current_task, bpf_get_ns_current_pid_tgid,
};
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_pid_tgid};
use aya_ebpf::macros::map;
use aya_ebpf::maps::LruHashMap;
use tracer_ebpf::{OWN_NAMESPACE, OWNERS_MOST, Record};

places!(
    TASK_LEADER,
    TASK_COMM,
    TASK_FLAGS,
    TASK_THREAD_PID,
    PID_LEVEL,
    PID_NUMBERS,
    UPID_NR,
    UPID_NS,
    UPID_SIZE,
    PIDNS_INUM
);

/// Inode and device of the reader's pid namespace; 0: it is the first one, whose numbers the kernel uses itself.
#[unsafe(no_mangle)]
static OWN_PIDNS_INODE: Global<u64> = Global::new(0);
#[unsafe(no_mangle)]
static OWN_PIDNS_DEVICE: Global<u64> = Global::new(0);

/// Processes that own traced sockets: pid in the first pid namespace, or (with `OWN_NAMESPACE` set, from user space)
/// in the reader's. The value is the pid in the reader's namespace.
#[map]
static OWNERS: LruHashMap<u64, u32> = LruHashMap::with_max_entries(OWNERS_MOST, 0);

/// `PF_EXITING` and `PF_KTHREAD` of the kernel's `include/linux/sched.h`, unchanged since 2.6.27.
const EXITING: u32 = 0x4;
const KERNEL_THREAD: u32 = 0x20_0000;
/// Pid namespaces on the way to the reader's; the kernel allows 32, nobody nests that deep.
const LEVELS: u32 = 8;

/// Number of the current process in the first pid namespace.
#[inline(always)]
pub fn tgid() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Writes the current process into a record, unless it is a kernel thread (which closes sockets for others).
/// Whether it is a process.
#[inline(always)]
pub fn fill(record: &mut Record) -> bool {
    // SAFETY: no precondition.
    let task = unsafe { bpf_get_current_task() };
    if field::of_kernel::<u32>(task, &TASK_FLAGS).is_some_and(|flags| flags & KERNEL_THREAD != 0) {
        return false;
    }
    let leader = field::of_kernel::<u64>(task, &TASK_LEADER).unwrap_or(task);
    record.pid = own_pid(leader);
    if TASK_COMM.load() < 0
        || TASK_LEADER.load() < 0
        || !field::copy(&mut record.comm, leader + TASK_COMM.load() as u64)
    {
        // The thread's name is better than none: most programs name no threads.
        if let Ok(comm) = bpf_get_current_comm() {
            record.comm = comm;
        }
    }
    // SAFETY: no precondition.
    record.cgroup = unsafe { bpf_get_current_cgroup_id() };
    true
}

/// Number of the current process in the reader's pid namespace; 0: it can't be seen from there.
#[inline(always)]
fn own_pid(leader: u64) -> u32 {
    let inode = OWN_PIDNS_INODE.load();
    if inode == 0 {
        return tgid();
    }
    if PID_NUMBERS.load() < 0 || TASK_THREAD_PID.load() < 0 || PIDNS_INUM.load() < 0 {
        let mut seen = bpf_pidns_info { pid: 0, tgid: 0 };
        // SAFETY: `seen` is as long as said. Answers only for processes of that very namespace, not of those inside it.
        let told = unsafe {
            bpf_get_ns_current_pid_tgid(
                OWN_PIDNS_DEVICE.load(),
                inode,
                &raw mut seen,
                size_of::<bpf_pidns_info>() as u32,
            )
        };
        return if told == 0 { seen.tgid } else { 0 };
    }
    let Some(pid) = field::of_kernel::<u64>(leader, &TASK_THREAD_PID) else { return 0 };
    let deepest = field::of_kernel::<u32>(pid, &PID_LEVEL).unwrap_or(0);
    for level in 0..LEVELS {
        if level > deepest {
            break;
        }
        let upid = pid + PID_NUMBERS.load() as u64 + u64::from(level) * UPID_SIZE.load() as u64;
        let space = field::of_kernel::<u64>(upid, &UPID_NS).unwrap_or(0);
        if field::of_kernel::<u32>(space, &PIDNS_INUM).is_some_and(|found| u64::from(found) == inode) {
            return field::of_kernel(upid, &UPID_NR).unwrap_or(0);
        }
    }
    0
}

/// Remembers the current process, written in `record`, as an owner of traced sockets.
#[inline(always)]
pub fn remember(record: &Record) {
    let key = u64::from(tgid());
    // SAFETY: the value is only compared.
    if unsafe { OWNERS.get(key) }.is_some() {
        return;
    }
    // SAFETY: no precondition.
    let task = unsafe { bpf_get_current_task() };
    if field::of_kernel::<u32>(task, &TASK_FLAGS).is_none_or(|flags| flags & EXITING == 0) {
        let _ = OWNERS.insert(key, record.pid, 0);
    }
}

/// The owner with this number in the first pid namespace: its number in the reader's.
#[inline(always)]
pub fn owner(tgid: u32) -> Option<u32> {
    // SAFETY: a torn or reused value is a wrong pid at worst.
    unsafe { OWNERS.get(u64::from(tgid)) }.copied()
}

/// Whether user space named the current process, by its number in the reader's pid namespace.
#[inline(always)]
pub fn named_by_reader() -> bool {
    if OWN_PIDNS_INODE.load() == 0 {
        return false;
    }
    // SAFETY: no precondition.
    let task = unsafe { bpf_get_current_task() };
    let pid = own_pid(field::of_kernel::<u64>(task, &TASK_LEADER).unwrap_or(task));
    // SAFETY: only whether it is there counts.
    pid != 0 && unsafe { OWNERS.get(u64::from(pid) | OWN_NAMESPACE) }.is_some()
}

/// The current process has ended: its number may soon be another's.
#[inline(always)]
pub fn forget(pid: u32) {
    let _ = OWNERS.remove(u64::from(tgid()));
    let _ = OWNERS.remove(u64::from(pid) | OWN_NAMESPACE);
}
