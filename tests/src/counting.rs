//! A global allocator that counts: calls, octets alive, and the most that were alive. For programs that measure; a library
//! must not install it.
#![allow(unsafe_code, reason = "an allocator can't be had otherwise; it hands everything to the system's")]
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// The counting allocator; install it with `#[global_allocator]`.
#[derive(Debug)]
pub struct Counting;

static CALLS: AtomicU64 = AtomicU64::new(0);
static ALIVE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with what came in.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ALIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        more(size);
        ALIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}

fn more(size: usize) {
    CALLS.fetch_add(1, Relaxed);
    let alive = ALIVE.fetch_add(size, Relaxed) + size;
    MOST.fetch_max(alive, Relaxed);
}

/// Allocations so far, growing ones included.
#[must_use]
pub fn calls() -> u64 {
    CALLS.load(Relaxed)
}

/// Octets that are allocated now.
#[must_use]
pub fn alive() -> usize {
    ALIVE.load(Relaxed)
}

/// The most octets that were allocated since the last call; begins anew.
#[must_use]
pub fn most() -> usize {
    MOST.swap(ALIVE.load(Relaxed), Relaxed)
}
