//! Cores: how many this process may use, and by whose word. Threads are counted by them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the system shows its control groups.
const CGROUPS: &str = "/sys/fs/cgroup";

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
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self { usable: usable(), allowed: allowed(), quota: quota(Path::new(CGROUPS), &own) }
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

/// The least quota of the process's control groups and those around them. `own` is its
/// `/proc/self/cgroup`, with a line `NUMBER:CONTROLLERS:PATH` per hierarchy.
fn quota(root: &Path, own: &str) -> Option<f64> {
    let quotas = own.lines().flat_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        match controllers {
            "" => around(&[root.to_owned()], path, second_version),
            some if some.split(',').any(|one| one == "cpu") => {
                around(&[root.join("cpu"), root.join(some)], path, first_version)
            }
            _ => None,
        }
    });
    quotas.min_by(f64::total_cmp)
}

/// The least of what `read` finds in the group at `path` and in those around it. A container may see
/// its own group in the place of the root; the groups that it does not see say nothing.
fn around(roots: &[PathBuf], path: &str, read: impl Fn(&Path) -> Option<f64>) -> Option<f64> {
    let path = Path::new(path.trim_start_matches('/'));
    let groups = roots.iter().flat_map(|root| path.ancestors().map(|group| root.join(group)));
    groups.filter_map(|group| read(&group)).min_by(f64::total_cmp)
}

/// `cpu.max` holds `QUOTA PERIOD`, or `max PERIOD` where there is no bound.
fn second_version(group: &Path) -> Option<f64> {
    let text = fs::read_to_string(group.join("cpu.max")).ok()?;
    let (quota, period) = text.trim().split_once(' ')?;
    share(quota, period)
}

/// A quota of -1 stands for none.
fn first_version(group: &Path) -> Option<f64> {
    let read = |file| fs::read_to_string(group.join(file)).ok();
    share(read("cpu.cfs_quota_us")?.trim(), read("cpu.cfs_period_us")?.trim())
}

fn share(quota: &str, period: &str) -> Option<f64> {
    let (quota, period) = (quota.parse::<u32>().ok()?, period.parse::<u32>().ok()?);
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

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
