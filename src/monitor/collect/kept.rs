//! What of a version outlives the process: its history, and the references made of it.
//!
//! ```text
//! DIRECTORY/MODEL/VERSION-DIGEST.recent, .hours     panes
//!                               .own.json           the first rows, for columns that no reference knows
//!                               .promoted.json      a window that was made the reference
//!                               .rows.json          what was learnt of rows as a whole
//! ```

use super::baseline::is_blank;
use crate::monitor::Column;
use crate::monitor::handle::Subject;
use crate::monitor::history::History;
use crate::monitor::history::keep::{Keeper, Label, Named};
use crate::monitor::reference::{self, Profile};
use crate::monitor::rows;
use crate::monitor::sketch::Shape;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What has not been written for longer than this is of no use to anybody: the last week is told from it.
const OLDEST: Duration = Duration::from_secs(9 * 24 * 3600);
/// Letters of the digest in a file's name.
const DIGEST: usize = 12;
/// How the names of files end: those that are written again with every pane, and those that are not.
const PANES: [&str; 2] = ["recent", "hours"];
const REFERENCES: [&str; 3] = ["own.json", "promoted.json", "rows.json"];

/// Which reference a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    Own,
    Promoted,
}

/// The files of one version; without a directory there are none.
#[derive(Debug)]
pub struct Files {
    base: Option<PathBuf>,
    keeper: Option<Keeper>,
    /// Whether the last write failed: said once, not every minute.
    failing: bool,
}

impl Files {
    pub fn new(directory: Option<&Path>, subject: &Subject) -> Self {
        let digest: String = subject.digest.chars().filter(char::is_ascii_alphanumeric).take(DIGEST).collect();
        let base = directory.map(|directory| {
            let folder = directory.join(&subject.model);
            forget_old(&folder);
            folder.join(format!("{}-{digest}", subject.version))
        });
        let files = Self { base, keeper: None, failing: false };
        files.touch();
        files
    }

    /// Marks the references as in use, though nothing is written to them: what is not in use for long is
    /// removed.
    pub fn touch(&self) {
        let now = SystemTime::now();
        for path in REFERENCES.iter().filter_map(|ending| self.path(ending)) {
            let _ = fs::File::options().write(true).open(path).and_then(|file| file.set_modified(now));
        }
    }

    /// The history as far as it is kept, on the shapes of the references.
    pub fn open(&mut self, subject: &Subject, columns: &[Column], shapes: Vec<Shape>) -> (History, Vec<String>) {
        let Some(base) = &self.base else { return (History::new(shapes), Vec::new()) };
        let named = |column: &Column| Named { role: column.role.name().into(), name: column.name.clone() };
        let label = Label {
            model: subject.model.clone(),
            version: subject.version.clone(),
            columns: columns.iter().map(named).collect(),
        };
        let (keeper, history, aside) = Keeper::open(base, label, shapes);
        self.keeper = Some(keeper);
        let words = |aside: crate::monitor::history::keep::SetAside| {
            let to = aside.to.as_ref().map_or("where it lies".to_owned(), |to| to.display().to_string());
            tracing::warn!(error = %aside.error, to, "what was seen before is set aside");
            format!("set aside as {to}: {}", aside.error)
        };
        (history, aside.into_iter().map(words).collect())
    }

    /// Writes the history. Monitoring goes on where that fails.
    pub fn save(&mut self, history: &History) {
        let Some(keeper) = &mut self.keeper else { return };
        let folder = self.base.as_deref().and_then(Path::parent);
        let made = folder.map_or(Ok(()), fs::create_dir_all).map_err(|error| error.to_string());
        let saved = made.and_then(|()| keeper.save(history).map_err(|error| error.to_string()));
        match saved {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                tracing::warn!(%error, "what was seen cannot be kept: a restart would forget it");
            }
            Err(_) => {}
        }
    }

    /// A reference that was made before. One that is damaged is set aside.
    pub fn reference(&self, made: Made) -> Option<Arc<Profile>> {
        let path = self.reference_path(made)?;
        if !path.exists() {
            return None;
        }
        match reference::read(&path) {
            Ok(profile) => Some(Arc::new(profile)),
            Err(error) => {
                let to = path.with_extension("json.set-aside");
                let moved = fs::rename(&path, &to).is_ok();
                tracing::warn!(file = %path.display(), %error, moved, "the kept reference is set aside");
                None
            }
        }
    }

    /// What was learnt of whole rows. A file that makes no sense is set aside.
    pub fn rows(&self) -> Option<rows::Kept> {
        let path = self.path("rows.json")?;
        let text = fs::read_to_string(&path).ok()?;
        match serde_json::from_str(&text) {
            Ok(kept) => Some(kept),
            Err(error) => {
                let moved = fs::rename(&path, path.with_extension("json.set-aside")).is_ok();
                tracing::warn!(file = %path.display(), %error, moved, "what was learnt of rows is set aside");
                None
            }
        }
    }

    pub fn keep_rows(&self, kept: &rows::Kept) {
        let Some(path) = self.path("rows.json") else { return };
        let text = serde_json::to_string(kept).map_err(|error| error.to_string());
        let written = text.and_then(|text| write_whole(&path, text.as_bytes()).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!(file = %path.display(), %error, "what was learnt of rows cannot be kept");
        }
    }

    /// Keeps a reference that was made of a window.
    pub fn keep_reference(&self, made: Made, profile: &Profile) {
        let Some(path) = self.reference_path(made) else { return };
        if let Err(error) = write_whole(&path, profile.to_json().as_bytes()) {
            tracing::warn!(file = %path.display(), %error, "the reference cannot be kept: a restart would forget it");
        }
    }

    fn reference_path(&self, made: Made) -> Option<PathBuf> {
        self.path(match made {
            Made::Own => "own.json",
            Made::Promoted => "promoted.json",
        })
    }

    fn path(&self, ending: &str) -> Option<PathBuf> {
        let mut name = self.base.as_ref()?.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        Some(name.into())
    }
}

/// Columns of a history that were counted on other shapes than wanted, with the shapes they get.
pub fn to_reshape(history: &History, wanted: Vec<Shape>) -> Vec<(usize, Shape)> {
    let differs = |(at, shape): &(usize, Shape)| {
        !is_blank(shape) && history.shapes().get(*at).is_some_and(|now| now.digest() != shape.digest())
    };
    wanted.into_iter().enumerate().filter(differs).collect()
}

/// Under another name first, so that nobody ever finds half of it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let aside = path.with_extension("json.new");
    let mut file = fs::File::create(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&aside, path)
}

/// Removes files of versions that have long gone, references among them. Nothing that was not written
/// here under such a name is touched, nor what was set aside: that is somebody's to look at.
fn forget_old(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let old = entry
            .metadata()
            .and_then(|facts| facts.modified())
            .is_ok_and(|at| at.elapsed().is_ok_and(|age| age > OLDEST));
        let path = entry.path();
        if old && path.file_name().and_then(OsStr::to_str).is_some_and(is_ours) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Whether a file is called as one of ours: `VERSION-DIGEST.ENDING`.
fn is_ours(name: &str) -> bool {
    let Some((base, ending)) = name.split_once('.') else { return false };
    let digest = base.rsplit_once('-').map_or("", |(_, digest)| digest);
    let is_digest = digest.len() == DIGEST && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest && PANES.iter().chain(&REFERENCES).any(|known| *known == ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_long_out_of_use_goes_and_nothing_of_anybody_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let long_ago = SystemTime::now() - 2 * OLDEST;
        let old = |name: &str| {
            let path = dir.path().join(name);
            let file = fs::File::create(&path).expect("made");
            file.set_modified(long_ago).expect("set");
            path
        };
        let gone = ["1-0123456789ab.recent", "1-0123456789ab.own.json", "12-abcdefabcdef.promoted.json"].map(old);
        let stays = [
            "reference.json",
            "1-0123456789ab.json",
            "1-0123456789ab.own.json.set-aside",
            "own.json",
            "notes-2024.own.json",
            "1-0123456789ab.own.json.new",
        ]
        .map(old);
        let used = old("2-0123456789ab.promoted.json");
        let files = Files { base: Some(dir.path().join("2-0123456789ab")), keeper: None, failing: false };
        files.touch();
        forget_old(dir.path());
        assert!(gone.iter().all(|path| !path.exists()));
        assert!(stays.iter().chain([&used]).all(|path| path.exists()), "{stays:?}");
    }
}
