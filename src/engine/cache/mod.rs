//! The cache of prepared models: what takes long to make of a file is made once and kept on disk.
//!
//! It is an advantage and never a need. Whatever is wrong with it, from a full disk to a file that
//! somebody broke, costs the time to make the model again and a line in the log. What comes out of
//! it is checked as strictly as a model file: bytes by their digest, then every place that the
//! kernels will rely on.

mod archive;
mod directory;
mod entry;
mod mapping;
mod stored;

pub use archive::{Archivable, archive, unarchive};
pub use entry::{Entry, Section, Writer};
pub use stored::Stored;

#[cfg(test)]
pub use entry::seal;

use directory::{Directory, to_remove};
use mapping::Mapping;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use uuid::Uuid;

/// Where the cache lies, if there is one, and how large it may grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub directory: Option<PathBuf>,
    pub bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { directory: None, bytes: 1 << 30 }
    }
}

/// An open cache.
#[derive(Debug)]
pub struct Cache {
    directory: Directory,
    limit: u64,
}

/// Files that are being written, and those that were found to be wrong, end so.
const PART: &str = ".part";
const ASIDE: &str = ".bad";
/// An unfinished file of this age was left behind by a process that died.
const ABANDONED: i128 = 3_600_000_000_000;

impl Cache {
    /// Opens the directory that the settings name. One that cannot be used is logged and done without.
    pub fn open(settings: &Settings) -> Option<Self> {
        let path = settings.directory.as_deref()?;
        match Directory::open(path) {
            Ok(directory) => Some(Self { directory, limit: settings.bytes as u64 }),
            Err(reason) => {
                tracing::warn!(reason, "the cache is not used");
                None
            }
        }
    }

    /// Makes something of the entry of this name. `None` where there is none; one that is wrong in
    /// any way is set aside.
    pub fn load<T>(&self, name: &str, make: impl FnOnce(&Entry) -> Result<T, String>) -> Option<T> {
        let file = match self.directory.read(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => return self.set_aside(name, &error.to_string()),
        };
        let made = Mapping::of(&file).map_err(|error| format!("it cannot be mapped: {error}"));
        match made.and_then(|mapping| Entry::open(mapping, name)).and_then(|entry| make(&entry)) {
            Ok(made) => {
                // What was not noted is removed a little too early.
                let _ = Directory::used(&file);
                Some(made)
            }
            Err(reason) => self.set_aside(name, &reason),
        }
    }

    /// The file is kept for whoever wants to know what became of it; it counts as any other, so it
    /// goes when room is needed.
    fn set_aside<T>(&self, name: &str, reason: &str) -> Option<T> {
        let file = self.directory.path().join(name);
        let aside = format!("{name}{ASIDE}");
        match self.directory.rename(name, &aside) {
            Ok(()) => tracing::warn!(file = %file.display(), reason, aside, "set a file of the cache aside"),
            Err(error) => tracing::warn!(file = %file.display(), reason, %error, "passed a file of the cache over"),
        }
        None
    }

    /// Writes an entry: `fill` writes its sections and answers its head.
    pub fn store<T: Archivable>(&self, name: &str, fill: impl FnOnce(&mut Writer<'_>) -> io::Result<T>) {
        // Process numbers do not tell writers apart: in containers that share a volume all are 1.
        let part = format!("{name}.{}{PART}", Uuid::now_v7().simple());
        let written = self.directory.create(&part).and_then(|file| {
            self.write(&file, name, &part, fill).inspect_err(|_| {
                let _ = self.directory.remove(&part);
            })
        });
        match written {
            Ok(bytes) => tracing::info!(file = name, bytes, "kept a prepared model in the cache"),
            Err(error) => {
                let directory = self.directory.path().display();
                tracing::warn!(%directory, %error, "a prepared model is not kept in the cache");
            }
        }
    }

    fn write<T: Archivable>(
        &self,
        file: &File,
        name: &str,
        part: &str,
        fill: impl FnOnce(&mut Writer<'_>) -> io::Result<T>,
    ) -> io::Result<u64> {
        let mut writer = Writer::new(file, self.limit)?;
        let head = fill(&mut writer)?;
        let bytes = writer.finish(&archive::bytes(&head)?, name)?;
        self.make_room(part)?;
        self.directory.rename(part, name)?;
        Ok(bytes)
    }

    /// Removes what was used longest ago until the rest fits. Files that other processes are
    /// writing count, but are left alone.
    fn make_room(&self, part: &str) -> io::Result<()> {
        let mut found = self.directory.list()?;
        let newest = found.last().map_or(0, |file| file.used);
        found.sort_by_key(|file| !(file.name.ends_with(PART) && newest - file.used > ABANDONED));
        for file in to_remove(&found, part, self.limit) {
            if !file.name.ends_with(PART) || newest - file.used > ABANDONED {
                self.directory.remove(&file.name)?;
            }
        }
        Ok(())
    }
}

/// A model file as the cache knows it.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub cache: &'a Cache,
    /// The digest of the model file, in hexadecimal.
    pub content: &'a str,
}

impl Place<'_> {
    /// The name of what was made of the file for this purpose. The layout is part of it, so that
    /// programs of different ages can share a directory.
    pub fn name(&self, purpose: &str) -> String {
        format!("{}-{purpose}-{}", self.content, entry::LAYOUT)
    }
}

#[cfg(test)]
mod tests;
