//! Histories on disk, so that a restart loses at most the pane that was being filled.
//!
//! A version has two files beside each other: `NAME.hours` with the hours that are over, written once
//! an hour, and `NAME.recent` with the last minutes and the hour under way, written with every pane.
//! Each is written whole under another name, synchronised and renamed: a reader finds the one before
//! or the one after. Where both know the same hour, the one with more rows counts.
//!
//! A file that is damaged, cut short or of other columns is [set aside](SetAside) under a name of its
//! own: it is reported, never overwritten and never deleted.

mod columns;
mod file;

pub use columns::{Label, Named};
pub use file::KeepError;

use super::super::sketch::Shape;
use super::History;
use file::{Contents, Source};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Writes the history of one version as it grows.
#[derive(Debug)]
pub struct Keeper {
    base: PathBuf,
    label: Label,
    /// What `NAME.hours` holds: the starts of its hours, and the shapes of its columns.
    written: Option<(Vec<u64>, u64)>,
    /// A file that could be neither read nor set aside: nothing is written over it.
    blocked: Option<PathBuf>,
}

/// A file that was not used.
#[derive(Debug)]
pub struct SetAside {
    /// Says which file, which field and what is wrong with it.
    pub error: KeepError,
    /// Where it lies now; `None` if it could not be moved.
    pub to: Option<PathBuf>,
}

/// What the files of a version held.
#[derive(Debug)]
pub struct Kept {
    pub label: Label,
    pub history: History,
}

const RECENT: &str = "recent";
const HOURS: &str = "hours";

impl Keeper {
    /// Reads what is kept under `base` (a path without the ending) of columns with these names and
    /// shapes. A column without edges takes those of the file: see [`History::shapes`].
    pub fn open(base: &Path, label: Label, shapes: Vec<Shape>) -> (Self, History, Vec<SetAside>) {
        let mut keeper = Self { base: base.into(), label, written: None, blocked: None };
        let mut history = History::new(shapes);
        let mut aside = Vec::new();
        for ending in [RECENT, HOURS] {
            let path = with_ending(base, ending);
            let taken =
                file::read(&path).and_then(|kept| kept.map_or(Ok(()), |kept| keeper.take(&path, kept, &mut history)));
            if let Err(error) = taken {
                let to = set_aside(&path).ok();
                if to.is_none() {
                    keeper.blocked = Some(path);
                }
                aside.push(SetAside { error, to });
            }
        }
        (keeper, history, aside)
    }

    /// Writes what is new in the history. To be called when a pane was pushed, by a thread that may
    /// wait for the disk.
    pub fn save(&mut self, history: &History) -> Result<(), KeepError> {
        if let Some(path) = &self.blocked {
            return Err(KeepError::Blocked { path: path.clone() });
        }
        let now = (history.hours.over().map(|(start, _)| start).collect(), shapes_digest(history));
        if self.written.as_ref() != Some(&now) {
            let hours = history.hours.over().map(|(_, packed)| (Contents::Hours, Source::Packed(packed)));
            let week = history.week.hours().map(|hour| (Contents::Week, Source::Folded(hour.bytes())));
            file::write(&with_ending(&self.base, HOURS), &self.label, history, hours.chain(week))?;
            self.written = Some(now);
        }
        let all = |contents: Contents| move |packed| (contents, Source::Packed(packed));
        let records = history.minutes.entries().map(all(Contents::Minutes));
        let records = records.chain(history.fives.entries().map(all(Contents::Fives)));
        let records = records.chain(history.hours.open().map(all(Contents::Hours)));
        file::write(&with_ending(&self.base, RECENT), &self.label, history, records)
    }

    /// Takes the contents of a file into the history, if it is of the same columns.
    fn take(&self, path: &Path, mut kept: Kept, history: &mut History) -> Result<(), KeepError> {
        columns::same(&self.label, &kept.label).map_err(|(field, reason)| KeepError::wrong(path, field, reason))?;
        for at in 0..history.shapes().len() {
            let (mine, theirs) = (history.shapes()[at].clone(), kept.history.shapes()[at].clone());
            match (&mine, &theirs) {
                (mine, theirs) if mine.digest() == theirs.digest() => {}
                (Shape::Numeric(None), Shape::Numeric(_)) => history.reshape(at, theirs),
                (Shape::Numeric(_), Shape::Numeric(None)) => kept.history.reshape(at, mine),
                (Shape::Categorical(none), Shape::Categorical(_)) if none.is_empty() => history.reshape(at, theirs),
                (Shape::Categorical(_), Shape::Categorical(none)) if none.is_empty() => kept.history.reshape(at, mine),
                _ => return Err(KeepError::wrong(path, "columns", columns::other_shape(&self.label, at))),
            }
        }
        history.absorb(&kept.history);
        Ok(())
    }
}

/// Reads what is kept under `base` without touching it: for reports over files of one or many
/// processes. `None` if there is neither file.
pub fn read(base: &Path) -> Result<Option<Kept>, KeepError> {
    let (recent, hours) = (file::read(&with_ending(base, RECENT))?, file::read(&with_ending(base, HOURS))?);
    let (Some(mut all), other) = (if recent.is_some() { (recent, hours) } else { (hours, None) }) else {
        return Ok(None);
    };
    if let Some(hours) = other {
        let keeper = Keeper { base: base.into(), label: all.label.clone(), written: None, blocked: None };
        keeper.take(&with_ending(base, HOURS), hours, &mut all.history)?;
    }
    Ok(Some(all))
}

/// The history in any bytes, made to pass for a whole file first: for the fuzzer, which would never guess
/// a digest, to try what stands behind it.
#[cfg(fuzzing)]
pub fn open_sealed(bytes: &mut [u8]) -> Option<Kept> {
    file::seal(bytes);
    file::open(bytes).ok()
}

/// The bases of all histories in a directory and those within it, four levels deep: what [`read`]
/// takes.
pub fn find(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut waiting = vec![(directory.to_path_buf(), 0)];
    while let Some((directory, depth)) = waiting.pop() {
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() && depth < 4 {
                waiting.push((path, depth + 1));
            } else if path.extension().is_some_and(|ending| ending == RECENT || ending == HOURS) {
                found.push(path.with_extension(""));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// `base.ending`, also where the base has points in its name.
fn with_ending(base: &Path, ending: &str) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Moves a file to a name that is free.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut count = 0;
    loop {
        let more = if count == 0 { String::new() } else { format!("-{count}") };
        let to = with_ending(path, &format!("set-aside-{now}{more}"));
        if !to.try_exists()? {
            fs::rename(path, &to)?;
            return Ok(to);
        }
        count += 1;
    }
}

fn shapes_digest(history: &History) -> u64 {
    history
        .shapes()
        .iter()
        .fold(0, |all, shape| all.rotate_left(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ shape.digest())
}

#[cfg(test)]
mod tests;
