//! Arguments in, exit code out.

use std::process::ExitCode;

/// Small allocations dominate here, and a small request's answer costs several.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Gives pages of freed blocks back to the system.
#[allow(unsafe_code, reason = "the allocator's own function, which takes no pointer")]
fn give_back() {
    // SAFETY: `mi_collect` may be called at any time from any thread; it touches only mimalloc's own
    // state, and mimalloc is this program's allocator.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

fn main() -> ExitCode {
    tidegate::sync::memory::on_release(give_back);
    tidegate::cli::run()
}
