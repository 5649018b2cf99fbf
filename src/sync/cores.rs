//! Cores: how many this process may use, and by whose word. Threads are counted by them.

use super::cgroup::{self, Group, Version};

/// What the process may use, as it was when asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Cores {
    /// Whole cores: the lesser of the two below, a quota rounded down, at least 1.
    pub usable: usize,
    /// Those that its threads may run on: all of the machine, or fewer by `taskset` or a cpuset.
    pub allowed: Option<usize>,
    /// Time on cores that its control group may take per time, such as 1.5, where that is bounded.
    pub quota: Option<f64>,
}

impl Cores {
    pub fn found() -> Self {
        Self { usable: usable(), allowed: allowed(), quota: quota(&cgroup::found("cpu")) }
    }

    /// Whose word it is that no more are usable.
    pub fn limited_by(&self) -> &'static str {
        match (self.quota, self.allowed) {
            (Some(quota), Some(allowed)) if quota < allowed as f64 => "the CPU quota of its container",
            _ => "the cores that it may run on",
        }
    }
}

/// Whole cores that the process may use. The standard library asks both: the cores that this thread
/// may run on, and the quotas of its control groups of either version.
pub fn usable() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn allowed() -> Option<usize> {
    let set = rustix::thread::sched_getaffinity(None).ok()?;
    usize::try_from(set.count()).ok()
}

/// The least quota of the process's control groups.
fn quota(groups: &[Group]) -> Option<f64> {
    let of = |group: &Group| match group.version {
        Version::First => first_version(group),
        Version::Second => second_version(group),
    };
    groups.iter().filter_map(of).min_by(f64::total_cmp)
}

/// `cpu.max` holds `QUOTA PERIOD`, or `max PERIOD` where there is no bound.
fn second_version(group: &Group) -> Option<f64> {
    let text = group.read("cpu.max")?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota, period)
}

/// A quota of -1 stands for none.
fn first_version(group: &Group) -> Option<f64> {
    share(group.read("cpu.cfs_quota_us")?.trim(), group.read("cpu.cfs_period_us")?.trim())
}

fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<u32>().ok()?, period.parse::<u32>().ok()?);
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn quota(root: &Path, own: &str) -> Option<f64> {
        super::quota(&cgroup::groups(root, own, "cpu"))
    }

    fn write(root: &Path, file: &str, text: &str) {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }

    #[test]
    fn the_least_quota_around_the_process_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        let own = "0::/pods/one\n";
        assert_eq!(quota(root, own), None);
        write(root, "cpu.max", "max 100000\n");
        write(root, "pods/cpu.max", "150000 100000\n");
        write(root, "pods/one/cpu.max", "max 100000\n");
        assert_eq!(quota(root, own), Some(1.5));
        write(root, "pods/one/cpu.max", "50000 100000\n");
        assert_eq!(quota(root, own), Some(0.5));
        assert_eq!(quota(root, "0::/pods/two\n"), Some(1.5), "a group that is not seen says nothing");
    }

    #[test]
    fn the_first_version_of_control_groups_is_read_too() {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path();
        let own = "4:memory:/elsewhere\n2:cpu,cpuacct:/one\n0::/\n";
        write(root, "cpu,cpuacct/one/cpu.cfs_quota_us", "-1\n");
        write(root, "cpu,cpuacct/one/cpu.cfs_period_us", "100000\n");
        assert_eq!(quota(root, own), None);
        write(root, "cpu,cpuacct/one/cpu.cfs_quota_us", "250000\n");
        assert_eq!(quota(root, own), Some(2.5));
        write(root, "cpu/one/cpu.cfs_quota_us", "100000\n");
        write(root, "cpu/one/cpu.cfs_period_us", "0\n");
        assert_eq!(quota(root, own), Some(2.5), "a period of nothing bounds nothing");
    }

    #[test]
    fn the_word_is_that_of_the_lesser() {
        let by = |allowed, quota| Cores { usable: 1, allowed: Some(allowed), quota }.limited_by();
        assert_eq!(by(2, None), "the cores that it may run on");
        assert_eq!(by(2, Some(2.0)), "the cores that it may run on");
        assert_eq!(by(2, Some(1.5)), "the CPU quota of its container");
    }

    #[test]
    fn what_is_found_agrees_with_itself() {
        let found = Cores::found();
        let quota = found.quota.map_or(usize::MAX, |quota| (quota as usize).max(1));
        assert_eq!(found.usable, found.allowed.map_or(1, |allowed| allowed.min(quota)), "{found:?}");
    }
}
