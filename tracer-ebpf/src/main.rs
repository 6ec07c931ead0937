//! natstrace's kernel probes: a file a tracepoint in `probes`, what they share in `ring`, `field`, `task`, `sock`.
//!
//! Rules all of them keep: no position of anything is known here (user space sets every `Global` from the tracepoint's
//! format file and the kernel's BTF; -1: this kernel lacks it); what isn't traced is left as early as possible; a
//! process is named only where the code runs in its context and for its own doing.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod field;
#[cfg(target_arch = "bpf")]
mod probes;
#[cfg(target_arch = "bpf")]
mod ring;
#[cfg(target_arch = "bpf")]
mod sock;
#[cfg(target_arch = "bpf")]
mod task;

#[cfg(not(target_arch = "bpf"))]
fn main() {}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// Some helpers (`bpf_probe_read_kernel`, `bpf_ktime_get_ns`) are for GPL compatible programs; we are MIT or Apache-2.0
/// and offer these programs under the GPL too, as the kernel's word for it says.
#[cfg(target_arch = "bpf")]
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
