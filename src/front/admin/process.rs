//! The process about itself: its threads, its memory, its limits.

use crate::front::Settings;
use crate::registry::LOADER_THREADS;
use crate::sync::cores::Cores;
use crate::sync::memory;
use serde_json::{Value, json};
use std::fs;
use std::time::Instant;

/// What the process was started with.
pub struct Facts {
    /// I/O threads, and as many compute threads.
    pub threads: usize,
    /// As they were at the start, when the threads were counted by them.
    pub cores: Cores,
    pub settings: Settings,
}

/// The page, with `null` for what the system does not tell.
pub fn page(facts: &Facts, started: Instant) -> Value {
    let status = read("/proc/self/status");
    let memory_bytes = |name| field(&status, name).and_then(|text| kilobytes(&text));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": started.elapsed().as_secs_f64(),
        "threads": {
            "io": facts.threads,
            "compute": facts.threads,
            "admin": 1,
            "loader": LOADER_THREADS,
            // With the registry's own thread, and whatever else runs in this process.
            "running": field(&status, "Threads").and_then(|text| text.parse::<u64>().ok()),
        },
        "memory_bytes": memory_bytes("VmRSS"),
        "memory_peak_bytes": memory_bytes("VmHWM"),
        "limits": limits(facts),
    })
}

fn limits(facts: &Facts) -> Value {
    let Facts { cores, settings, .. } = facts;
    let available = memory::available();
    json!({
        "cores": cores.usable,
        "cores_allowed": cores.allowed,
        "cores_quota": cores.quota,
        "cores_limited_by": cores.limited_by(),
        "memory_available_bytes": available.map(|available| available.bytes),
        "memory_limited_by": available.map(|available| available.limit),
        "open_files": open_files(&read("/proc/self/limits")),
        "connections": settings.limits.connections,
        "header_bytes": settings.limits.header_bytes,
        "body_bytes": settings.max_body,
        "json_depth": settings.max_json_depth,
    })
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The value of a line such as `VmRSS: 1234 kB`.
fn field(status: &str, name: &str) -> Option<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

fn kilobytes(text: &str) -> Option<u64> {
    text.strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The soft limit in a line such as `Max open files            1024    4096    files`.
fn open_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system_are_read() {
        let status = "Name:\ttidegate\nVmHWM:\t    2048 kB\nVmRSS:\t    1234 kB\nThreads:\t9\n";
        assert_eq!(field(status, "VmRSS").and_then(|text| kilobytes(&text)), Some(1234 * 1024));
        assert_eq!(field(status, "Threads").as_deref(), Some("9"));
        assert_eq!(field("", "VmRSS"), None);
        assert_eq!(
            open_files("Max open files            1024                 524288               files\n"),
            Some(1024)
        );
        assert_eq!(open_files("Max open files            unlimited            unlimited            files\n"), None);
    }
}
