//! The directory of the cache: private to the user who runs the server, and bounded.
//!
//! It is opened once and then spoken to through that handle, so that nobody can put another one in
//! its place. Several processes may share it: files appear and go as wholes.

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    handle: OwnedFd,
    path: PathBuf,
}

/// A file in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub bytes: u64,
    /// When it was last used, in nanoseconds since 1970.
    pub used: i128,
}

impl Directory {
    /// Opens the directory, and makes it where it is not there. Refused where others can look into
    /// it or where it is another's.
    pub fn open(path: &Path) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| told(&error))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let handle = fs::open(path, flags, Mode::empty()).map_err(|error| told(&error))?;
        let stat = fs::fstat(&handle).map_err(|error| told(&error))?;
        let (owner, us) = (stat.st_uid, rustix::process::geteuid().as_raw());
        if owner != us {
            return Err(told(&format!("expected a directory of user {us}, got one of user {owner}")));
        }
        let mode = stat.st_mode & 0o7777;
        if mode & 0o077 != 0 || mode & 0o700 != 0o700 {
            return Err(told(&format!("expected mode 0700, got {mode:04o}; run: chmod 700 {}", path.display())));
        }
        Ok(Self { handle, path: path.to_owned() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a file to be read; one that others can write is refused.
    pub fn read(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let handle = fs::openat(&self.handle, name, flags, Mode::empty())?;
        let stat = fs::fstat(&handle)?;
        let ours = stat.st_uid == rustix::process::geteuid().as_raw() && stat.st_mode & 0o022 == 0;
        match ours && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            true => Ok(handle.into()),
            false => Err(io::Error::other("expected a plain file of our own that nobody else can write")),
        }
    }

    /// Makes a file that is not there yet.
    pub fn create(&self, name: &str) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Puts a file in another's place, and sees to it that this outlasts a loss of power.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::renameat(&self.handle, from, &self.handle, to)?;
        Ok(fs::fsync(&self.handle)?)
    }

    /// Removes a file; one that is gone already is as good.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        match fs::unlinkat(&self.handle, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Notes that a file has been used now.
    pub fn used(file: &File) -> io::Result<()> {
        let at = |nanoseconds| Timespec { tv_sec: 0, tv_nsec: nanoseconds };
        let times = Timestamps { last_access: at(UTIME_OMIT), last_modification: at(UTIME_NOW) };
        Ok(fs::futimens(file, &times)?)
    }

    /// The files that are there, the one whose use is longest ago first.
    pub fn list(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for entry in fs::Dir::read_from(&self.handle)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            // It may have gone meanwhile.
            let Ok(stat) = fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
                let used = i128::from(stat.st_mtime) * 1_000_000_000 + i128::from(stat.st_mtime_nsec);
                found.push(Found { name: name.to_owned(), bytes: u64::try_from(stat.st_size).unwrap_or(0), used });
            }
        }
        found.sort_by(|a, b| (a.used, &a.name).cmp(&(b.used, &b.name)));
        Ok(found)
    }
}

/// Which files must go so that the rest is at most `limit` bytes: those whose use is longest ago,
/// never `keep`.
pub fn to_remove<'a>(found: &'a [Found], keep: &str, limit: u64) -> Vec<&'a Found> {
    let mut bytes: u64 = found.iter().map(|file| file.bytes).sum();
    let mut gone = Vec::new();
    for file in found.iter().filter(|file| file.name != keep) {
        if bytes <= limit {
            break;
        }
        bytes -= file.bytes;
        gone.push(file);
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn refusal(path: &Path) -> String {
        Directory::open(path).expect_err("refused")
    }

    #[test]
    fn a_directory_is_made_private_and_refused_where_it_is_not() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("a/b");
        Directory::open(&path).expect("made");
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o700);
        for wrong in [0o755, 0o770, 0o701, 0o500] {
            mode(wrong);
            assert!(refusal(&path).contains(&format!("expected mode 0700, got {wrong:04o}")), "{}", refusal(&path));
        }
        mode(0o700);
        Directory::open(&path).expect("private again");
        std::fs::write(parent.path().join("file"), "").expect("written");
        assert!(refusal(&parent.path().join("file")).contains("file"));
    }

    #[test]
    fn files_that_others_could_write_are_not_read() {
        let parent = tempfile::tempdir().expect("a directory");
        let directory = Directory::open(&parent.path().join("cache")).expect("made");
        drop(directory.create("x").expect("new"));
        assert!(directory.read("x").is_ok());
        assert!(directory.create("x").is_err(), "it is there");
        let path = directory.path().join("x");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o620)).expect("set");
        assert!(directory.read("x").is_err());
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("y")).expect("a link");
        assert!(directory.read("y").is_err(), "no link is followed");
        assert!(directory.remove("gone").is_ok());
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let file = |name: &str, bytes, used| Found { name: name.into(), bytes, used };
        let found = [file("a", 10, 1), file("b", 20, 2), file("c", 30, 3)];
        let gone = |keep, limit| to_remove(&found, keep, limit).iter().map(|file| &file.name[..]).collect::<Vec<_>>();
        assert_eq!(gone("c", 60), [""; 0]);
        assert_eq!(gone("c", 59), ["a"]);
        assert_eq!(gone("a", 45), ["b"]);
        assert_eq!(gone("c", 0), ["a", "b"]);
    }
}
