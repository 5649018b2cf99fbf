//! Memory: how much is left to the process, and giving back what it no longer uses.

use std::fs;
use std::sync::OnceLock;

static RELEASE: OnceLock<fn()> = OnceLock::new();

/// Says how the allocator of this program gives unused memory back. The first word counts.
pub fn on_release(release: fn()) {
    let _ = RELEASE.set(release);
}

/// Gives unused memory of this thread back to the system: after a load, whose peak is several times
/// what stays, and after a version has gone.
pub fn release() {
    if let Some(release) = RELEASE.get() {
        release();
    }
}

/// What may still be taken, and by whose word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    pub bytes: u64,
    pub limit: &'static str,
}

/// What the process may still take: the least that its cgroup and the machine leave it. `None`
/// where neither can be read.
pub fn available() -> Option<Available> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let number = |path: &str| read(path).and_then(|text| text.trim().parse::<u64>().ok());
    let left = |limit: &str, used: &str| Some(number(limit)?.saturating_sub(number(used)?));
    let v2 = left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
    let v1 = left("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes");
    let machine = read("/proc/meminfo").and_then(|text| mem_available(&text));
    let found = [(v2.or(v1), "the memory limit of its container"), (machine, "the machine's memory")];
    found
        .into_iter()
        .filter_map(|(bytes, limit)| bytes.map(|bytes| Available { bytes, limit }))
        .min_by_key(|available| available.bytes)
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:       24689792 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(mem_available(text), Some(20_000_000 * 1024));
        assert_eq!(mem_available("nothing"), None);
    }
}
