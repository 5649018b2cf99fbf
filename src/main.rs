//! Arguments in, exit code out.

use std::process::ExitCode;

/// Small allocations dominate here, and a small request's answer costs several.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidegate::cli::run()
}
