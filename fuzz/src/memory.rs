//! Counts what is allocated and ends the process where an input asks for more than its share.
//!
//! libFuzzer's own limit looks at the whole process once a second; this one names the place.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

static HELD: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator, counted.
struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size.saturating_sub(layout.size()));
        HELD.fetch_sub(layout.size().saturating_sub(size), Relaxed);
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(old, layout) }
    }
}

/// Lets the process tell of what it found, which allocates too.
pub fn lift() {
    LIMIT.store(usize::MAX, Relaxed);
}

fn grow(bytes: usize) {
    // Wraps where a file asks for half the address space; the limit is passed all the same.
    let held = HELD.fetch_add(bytes, Relaxed).saturating_add(bytes);
    let limit = LIMIT.load(Relaxed);
    if held > limit {
        lift();
        eprintln!("{bytes} bytes more make {held}, where {limit} were allowed");
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }
}

/// Bytes that an input may cost for each of its own, and whatever its size.
const PER_BYTE: usize = 64;
const BASE: usize = 64 << 20;

/// Runs `work` on an input of so many bytes, which may hold memory in proportion and no more.
pub fn bounded<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    LIMIT.store(HELD.load(Relaxed) + PER_BYTE * bytes + BASE, Relaxed);
    let done = work();
    lift();
    done
}
