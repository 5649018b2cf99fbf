//! Whose panic it is: tract's are caught where models are loaded and run, ours are findings.

use crate::memory;
use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;
use std::sync::Once;

/// From now on a panic ends the process, unless it is one of tract. Cheap to call again.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(judge)));
}

fn judge(panic: &PanicHookInfo<'_>) {
    if panic.location().is_some_and(|location| location.file().contains("/tract-")) {
        return;
    }
    memory::lift();
    // Crates that both use panic too: the caller nearest to the panic counts.
    let trace = Backtrace::force_capture().to_string();
    let nearest = |names: &[&str]| names.iter().filter_map(|name| trace.find(name)).min().unwrap_or(usize::MAX);
    if nearest(&["/tract-"]) < nearest(&["/src/engine/", "/src/json/", "/src/tensor/"]) {
        return;
    }
    eprintln!("{panic}\n{trace}");
    std::process::abort();
}
