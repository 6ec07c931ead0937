//! The ring buffer to user space, its counters, the port filter.
use aya_ebpf::Global;
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP};
use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, PerCpuArray, RingBuf};
use tracer_ebpf::{COUNTERS, Kind, LOST, PORT_WORDS, RECORD_SIZE, RING_SIZE, Record, WRITTEN};

#[map]
static RING: RingBuf = RingBuf::with_byte_size(RING_SIZE, 0);
#[map]
static COUNTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(COUNTERS, 0);
#[map]
static PORTS: Array<u64> = Array::with_max_entries(PORT_WORDS, 0);

/// Octets that may wait in the ring before the reader is woken; until then it comes by itself.
#[unsafe(no_mangle)]
static WAKE_AT: Global<u32> = Global::new(RING_SIZE / 4);

/// Whether a connection between these ports is traced.
#[inline(always)]
pub fn traced(one: u16, other: u16) -> bool {
    bit(one) || bit(other)
}

#[inline(always)]
fn bit(port: u16) -> bool {
    PORTS.get(u32::from(port >> 6)).is_some_and(|word| word >> (port & 63) & 1 != 0)
}

/// Writes a record: zeros, time and kind, then what `fill` adds.
#[inline(always)]
pub fn write(kind: Kind, fill: impl FnOnce(&mut Record)) {
    let Some(mut entry) = RING.reserve::<Record>(0) else {
        count(LOST);
        return;
    };
    let words = entry.as_mut_ptr().cast::<u64>();
    for n in 0..RECORD_SIZE / 8 {
        // SAFETY: the entry is RECORD_SIZE octets long and aligned to 8.
        unsafe { words.add(n).write(0) };
    }
    // SAFETY: all zeros is a valid record.
    let record = unsafe { &mut *entry.as_mut_ptr() };
    // SAFETY: no precondition.
    record.at = unsafe { bpf_ktime_get_ns() };
    record.kind = kind as u32;
    fill(record);
    entry.submit(wake());
    count(WRITTEN);
}

/// Waking the reader costs microseconds, in whoever's context this runs: only when the ring fills, once on the way.
#[inline(always)]
fn wake() -> u64 {
    let waiting = RING.query(BPF_RB_AVAIL_DATA.into());
    let from = u64::from(WAKE_AT.load());
    let flag = if waiting >= from && waiting < from + 16 * RECORD_SIZE as u64 {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    flag.into()
}

#[inline(always)]
fn count(what: u32) {
    if let Some(counter) = COUNTS.get_ptr_mut(what) {
        // SAFETY: a counter of this CPU.
        unsafe { *counter += 1 };
    }
}
