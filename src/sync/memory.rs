//! Memory: how much is left to the process, and giving back what it no longer uses.

use super::cgroup::{self, Group, Version};
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

/// What the process may still take: the least that its cgroups and the machine leave it. `None`
/// where neither can be read.
pub fn available() -> Option<Available> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| mem_available(&text));
    let container = cgroup::found("memory").iter().filter_map(left).min();
    let found = [(container, "the memory limit of its container"), (machine, "the machine's memory")];
    found
        .into_iter()
        .filter_map(|(bytes, limit)| bytes.map(|bytes| Available { bytes, limit }))
        .min_by_key(|available| available.bytes)
}

/// What a control group leaves. Its use counts the pages of every file that was read, model files
/// among them; the system gives those up before it refuses or kills anything.
fn left(group: &Group) -> Option<u64> {
    let (limit, used, files) = match group.version {
        Version::First => {
            ("memory.limit_in_bytes", "memory.usage_in_bytes", ["total_inactive_file", "total_active_file"])
        }
        Version::Second => ("memory.max", "memory.current", ["inactive_file", "active_file"]),
    };
    let stat = group.read("memory.stat").unwrap_or_default();
    let files: u64 = files.iter().filter_map(|name| counter(&stat, name)).sum();
    Some(group.number(limit)?.saturating_sub(group.number(used)?.saturating_sub(files)))
}

/// A line `NAME NUMBER` of a control group's statistics.
fn counter(stat: &str, name: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn mem_available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const MIB: u64 = 1 << 20;

    fn put(root: &Path, files: &[(&str, String)]) {
        fs::create_dir_all(root).expect("made");
        files.iter().for_each(|(file, text)| fs::write(root.join(file), text).expect("written"));
    }

    #[test]
    fn pages_of_files_that_were_read_are_left_to_be_taken() {
        let dir = tempfile::tempdir().expect("a directory");
        let own = "0::/pod\n3:memory:/pod\n";
        let least = || cgroup::groups(dir.path(), own, "memory").iter().filter_map(left).min();
        assert_eq!(least(), None);
        put(dir.path(), &[("memory.max", "max\n".into()), ("memory.current", "7\n".into())]);
        assert_eq!(least(), None, "no bound leaves everything");
        let stat = format!("anon 5\ninactive_file {}\nactive_file {}\nfile_mapped 9\n", 300 * MIB, 100 * MIB);
        let second = [("memory.max", 512 * MIB), ("memory.current", 500 * MIB)].map(|(file, n)| (file, n.to_string()));
        put(&dir.path().join("pod"), &second);
        assert_eq!(least(), Some(12 * MIB), "without statistics everything counts as used");
        put(&dir.path().join("pod"), &[("memory.stat", stat)]);
        assert_eq!(least(), Some(412 * MIB));
        let first = [("limit_in_bytes", 256 * MIB), ("usage_in_bytes", 255 * MIB)];
        let first = first.map(|(file, n)| (format!("memory.{file}"), n.to_string()));
        let first: Vec<(&str, String)> = first.iter().map(|(file, n)| (file.as_str(), n.clone())).collect();
        put(&dir.path().join("memory/pod"), &first);
        assert_eq!(least(), Some(MIB), "the least of both versions");
        let stat = format!("inactive_file 1\ntotal_inactive_file {}\ntotal_active_file 0\n", 55 * MIB);
        put(&dir.path().join("memory/pod"), &[("memory.stat", stat)]);
        assert_eq!(least(), Some(56 * MIB));
    }

    #[test]
    fn meminfo_is_read() {
        let text = "MemTotal:       24689792 kB\nMemFree: 1 kB\nMemAvailable:   20000000 kB\n";
        assert_eq!(mem_available(text), Some(20_000_000 * 1024));
        assert_eq!(mem_available("nothing"), None);
    }
}
