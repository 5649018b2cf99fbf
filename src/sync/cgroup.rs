//! Control groups: the one of this process and those around it, where the system shows them.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the system shows its control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// The version of control groups, which says how a group's files are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    First,
    Second,
}

/// One group that bounds this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    pub version: Version,
    path: PathBuf,
}

impl Group {
    /// The text of one of its files; nothing where the group, or the file, is not seen.
    pub fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    /// The number that is all of a file's text. A word such as `max` is none.
    pub fn number(&self, file: &str) -> Option<u64> {
        self.read(file)?.trim().parse().ok()
    }
}

/// The groups of this process in which `controller` bounds it, the innermost of each place first.
pub fn found(controller: &str) -> Vec<Group> {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    groups(Path::new(ROOT), &own, controller)
}

/// `own` is the process's `/proc/self/cgroup`, with a line `NUMBER:CONTROLLERS:PATH` per hierarchy. A
/// container may see its own group in the place of the root.
pub fn groups(root: &Path, own: &str, controller: &str) -> Vec<Group> {
    let mut groups = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let (version, roots) = match controllers {
            "" => (Version::Second, vec![root.to_owned()]),
            some if some.split(',').any(|one| one == controller) => {
                let mut roots = vec![root.join(controller), root.join(some)];
                roots.dedup();
                (Version::First, roots)
            }
            _ => continue,
        };
        let inside = Path::new(path.trim_start_matches('/'));
        let paths = roots.iter().flat_map(|root| inside.ancestors().map(|group| root.join(group)));
        groups.extend(paths.map(|path| Group { version, path }));
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_and_those_around_it_are_named_in_both_versions() {
        let own = "4:memory:/elsewhere\n2:cpu,cpuacct:/one\n0::/pods/two\n";
        let named = |controller: &str| -> Vec<(Version, String)> {
            let groups = groups(Path::new("/r"), own, controller);
            groups.into_iter().map(|group| (group.version, group.path.display().to_string())).collect()
        };
        let (first, second) = (|path: &str| (Version::First, path.into()), |path: &str| (Version::Second, path.into()));
        let unified = [second("/r/pods/two"), second("/r/pods"), second("/r/")];
        assert_eq!(
            named("memory"),
            [[first("/r/memory/elsewhere"), first("/r/memory/")].as_slice(), &unified].concat()
        );
        let (short, long) = ("/r/cpu", "/r/cpu,cpuacct");
        let cpu = [short, long].map(|root| [first(&format!("{root}/one")), first(&format!("{root}/"))]).concat();
        assert_eq!(named("cpu"), [cpu.as_slice(), &unified].concat());
        assert_eq!(named("pids"), unified);
    }
}
