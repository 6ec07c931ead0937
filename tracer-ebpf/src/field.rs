//! Reading fields whose position is known only when the programs are loaded.
use aya_ebpf::Global;
use aya_ebpf::helpers::{bpf_probe_read_kernel, generated};
use aya_ebpf::programs::TracePointContext;

/// Declares positions: `i32` globals that user space sets by name, -1 for what this kernel lacks.
macro_rules! places {
    ($($name:ident),* $(,)?) => { $(
        #[unsafe(no_mangle)]
        pub static $name: aya_ebpf::Global<i32> = aya_ebpf::Global::new(-1);
    )* };
}
pub(crate) use places;

/// A field of the tracepoint's record.
#[inline(always)]
pub fn of_event<T>(ctx: &TracePointContext, place: &Global<i32>) -> Option<T> {
    let at = place.load();
    if at < 0 {
        return None;
    }
    // SAFETY: the helper checks the address; a bad one is an error.
    unsafe { ctx.read_at::<T>(at as usize) }.ok()
}

/// A field of a kernel structure at `base`.
#[inline(always)]
pub fn of_kernel<T>(base: u64, place: &Global<i32>) -> Option<T> {
    let at = place.load();
    if at < 0 || base == 0 {
        return None;
    }
    at_address(base + at as u64)
}

/// What lies at a kernel address.
#[inline(always)]
pub fn at_address<T>(address: u64) -> Option<T> {
    // SAFETY: the helper checks the address; a bad one is an error.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}

/// Copies from a kernel address into a place of a record.
#[inline(always)]
pub fn copy<const N: usize>(to: &mut [u8; N], from: u64) -> bool {
    // SAFETY: `to` is N octets long; the helper checks the source and clears `to` where it can't be read.
    unsafe { generated::bpf_probe_read_kernel(to.as_mut_ptr().cast(), N as u32, from as *const _) == 0 }
}

/// Copies a field of the tracepoint's record into a place of ours.
#[inline(always)]
pub fn copy_of_event<const N: usize>(ctx: &TracePointContext, place: &Global<i32>, to: &mut [u8; N]) {
    use aya_ebpf::EbpfContext;
    let at = place.load();
    if at >= 0 {
        // SAFETY: the pointer is only handed to the helper, which checks it.
        copy(to, unsafe { ctx.as_ptr().add(at as usize) } as u64);
    }
}
