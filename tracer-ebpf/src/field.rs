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

/// Words of a record that are read at once: `sock:inet_sock_set_state`, the longest of those with both ends, has nine.
const WORDS: usize = 10;

/// The start of a tracepoint's record, read at once: each call of the helper costs as much as all else about a field.
pub struct Event<'a> {
    ctx: &'a TracePointContext,
    words: [u64; WORDS],
}

impl<'a> Event<'a> {
    /// Reads it.
    #[inline(always)]
    pub fn read(ctx: &'a TracePointContext) -> Option<Self> {
        // SAFETY: the helper checks the address. What follows a shorter record in the kernel's buffer is never looked at.
        let words = unsafe { ctx.read_at(0) }.ok()?;
        Some(Self { ctx, words })
    }

    /// A field of integers, wherever in the record it lies.
    #[inline(always)]
    pub fn get<T>(&self, place: &Global<i32>) -> Option<T> {
        let at = place.load();
        if at < 0 {
            return None;
        }
        let at = at as usize;
        if at % align_of::<T>() != 0 || at > WORDS * 8 - size_of::<T>() {
            return of_event(self.ctx, place);
        }
        // SAFETY: inside `words` and aligned, as was just looked at; any octets are integers.
        Some(unsafe { self.words.as_ptr().cast::<u8>().add(at).cast::<T>().read() })
    }

    /// Copies an IPv6 address, in which an IPv4 one is mapped.
    #[inline(always)]
    pub fn copy(&self, place: &Global<i32>, to: &mut [u8; 16]) {
        if let Some(words) = self.get::<[u64; 2]>(place) {
            // SAFETY: integers of the same length.
            *to = unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(words) };
        }
    }
}

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
