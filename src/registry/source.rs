//! What lies in the model directories: names and stamps, nothing read yet.
//!
//! A path may be a model file, one model's directory (numbered directories, perhaps a
//! `model.toml`; or the model file itself, as version 1), one version's directory, or a directory
//! of such files and directories. Hidden names are passed over, and only directories named by a
//! number are versions: a writer can fill `2.tmp` and rename it.

use crate::engine::Format;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A model's name: letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(Arc<str>);

impl ModelName {
    const LONGEST: usize = 128;

    pub fn new(text: &str) -> Option<Self> {
        let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
        let fits = !text.is_empty() && text.len() <= Self::LONGEST && !text.starts_with('.');
        (fits && text.chars().all(good)).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ModelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A version's number. The highest is the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionNumber(pub u64);

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A text that is no version number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a whole number without sign or leading zeros")]
pub struct NotANumber;

impl FromStr for VersionNumber {
    type Err = NotANumber;

    /// One number, one spelling: `01` and `+1` are refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number: u64 = text.parse().map_err(|_| NotANumber)?;
        let plain = text.len() == 1 || !text.starts_with(['0', '+']);
        if plain { Ok(Self(number)) } else { Err(NotANumber) }
    }
}

/// Enough of a file to see that it has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub name: String,
    pub path: PathBuf,
    pub len: u64,
    inode: (u64, u64),
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn new(name: &str, path: &Path, metadata: &Metadata) -> Self {
        Self {
            name: name.to_owned(),
            path: path.to_owned(),
            len: metadata.len(),
            inode: (metadata.dev(), metadata.ino()),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// The same file looked at now.
    pub fn again(&self) -> io::Result<Self> {
        Ok(Self::new(&self.name, &self.path, &fs::metadata(&self.path)?))
    }

    /// How long ago the file was last touched, by the file system's own clock; `None` where that
    /// lies in the future and so says nothing.
    pub fn quiet_for(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanos) = self.modified.max(self.changed);
        let nanos = u32::try_from(nanos).ok()?;
        let touched = SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).ok()?, nanos);
        now.duration_since(touched).ok()
    }
}

/// The files of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundVersion {
    pub number: VersionNumber,
    /// In order of name.
    pub files: Vec<Stamp>,
}

/// A model as it lies on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundModel {
    pub manifest: Option<Stamp>,
    pub versions: BTreeMap<VersionNumber, FoundVersion>,
}

impl FoundModel {
    /// Whether a version is there, be it among the found ones or beside them: one version's
    /// directory may have been looked at alone.
    pub fn has_on_disk(&self, number: VersionNumber) -> bool {
        let beside = |manifest: &Stamp| manifest.path.with_file_name(number.to_string()).is_dir();
        self.versions.contains_key(&number) || self.manifest.as_ref().is_some_and(beside)
    }
}

/// What one look at the paths gave.
#[derive(Debug, Default)]
pub struct Found {
    pub models: BTreeMap<ModelName, FoundModel>,
    /// Paths that could not be read. What is already served from below them stays.
    pub unreadable: Vec<(PathBuf, String)>,
    /// What was found and not taken, with the reason.
    pub passed_over: Vec<String>,
}

impl Found {
    /// Adds what was found of a model. The first to give a version or a manifest keeps it.
    fn add(&mut self, name: ModelName, model: FoundModel, place: &Path) {
        let known = self.models.entry(name.clone()).or_default();
        for (number, version) in model.versions {
            if let Entry::Vacant(free) = known.versions.entry(number) {
                free.insert(version);
            } else {
                self.passed_over.push(format!("{}: model '{name}' has a version {number} already", place.display()));
            }
        }
        if known.manifest.is_none() {
            known.manifest = model.manifest;
        }
    }

    /// Metadata of a path, or `None` where it is not there; other errors are kept, as they do not
    /// mean that it is gone.
    fn metadata(&mut self, path: &Path) -> Option<Metadata> {
        match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.unreadable.push((path.to_owned(), error.to_string()));
                None
            }
        }
    }

    /// The name a path gives to a model, if it can be one.
    fn name(&mut self, text: Option<&str>, path: &Path) -> Option<ModelName> {
        let name = text.and_then(ModelName::new);
        if name.is_none() {
            self.passed_over
                .push(format!("{}: its name cannot be a model's: use letters, digits, '.', '_', '-'", path.display()));
        }
        name
    }
}

/// Files of a version that count; all others may lie beside them.
const GOLDEN_FILE: &str = "golden.json";
const REFERENCE_PREFIX: &str = "reference.";
const MANIFEST_FILE: &str = "model.toml";
/// Bare files that are models wherever they lie. JSON and text are too common names for that: such
/// a file is taken for a model only where it is called `model.json` or is named on the command line.
const BARE: [Format; 2] = [Format::Onnx, Format::Ubj];

impl FoundVersion {
    /// The file the model is in, the first where there are several.
    pub fn model_file(&self) -> Option<&Stamp> {
        self.model_files().next()
    }

    /// All files that a model may be in; more than one is a mistake.
    pub fn model_files(&self) -> impl Iterator<Item = &Stamp> {
        self.files.iter().filter(|file| Format::of_file_name(&file.name).is_some())
    }

    /// The golden cases, if there are any.
    pub fn golden_file(&self) -> Option<&Stamp> {
        self.files.iter().find(|file| file.name == GOLDEN_FILE)
    }

    /// The reference profile, or else the data that one is made from.
    pub fn reference_file(&self) -> Option<&Stamp> {
        let references = self.files.iter().filter(|file| file.name.starts_with(REFERENCE_PREFIX));
        references.max_by_key(|file| file.name.ends_with(".json"))
    }
}

/// Looks at all paths.
pub fn find(paths: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in paths {
        if let Err(error) = look(path, &mut found) {
            found.unreadable.push((path.clone(), error.to_string()));
        }
    }
    found
}

fn look(path: &Path, found: &mut Found) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        bare_file(path, &metadata, found);
        return Ok(());
    }
    if is_version(path) {
        return one_version(path, found);
    }
    if is_model(path)? {
        return model_dir(path, found);
    }
    for (_, path) in children(path)? {
        let Some(metadata) = found.metadata(&path) else { continue };
        if metadata.is_file() && extension(&path).is_some_and(|format| BARE.contains(&format)) {
            bare_file(&path, &metadata, found);
        } else if metadata.is_dir() {
            let read = is_model(&path).and_then(|model| if model { model_dir(&path, found) } else { Ok(()) });
            if let Err(error) = read {
                found.unreadable.push((path, error.to_string()));
            }
        }
    }
    Ok(())
}

/// A directory is a model where it has a manifest, a numbered directory, or the model file itself.
fn is_model(path: &Path) -> io::Result<bool> {
    let marks = |name: &str, path: &Path| {
        name == MANIFEST_FILE || Format::of_file_name(name).is_some() || (is_number(name) && path.is_dir())
    };
    Ok(children(path)?.iter().any(|(name, path)| marks(name, path)))
}

/// A numbered directory with a model file.
fn is_version(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(is_number) && has_model_file(path)
}

fn has_model_file(path: &Path) -> bool {
    Format::ALL.into_iter().any(|format| path.join(format.file_name()).is_file())
}

/// The format that the end of a path tells.
fn extension(path: &Path) -> Option<Format> {
    path.extension().and_then(|extension| extension.to_str()).and_then(Format::of_extension)
}

/// A version's directory by itself: its model and manifest are those of the directory above.
fn one_version(path: &Path, found: &mut Found) -> io::Result<()> {
    let whole = fs::canonicalize(path)?;
    let Some(above) = whole.parent() else { return Ok(()) };
    let mut all = Found::default();
    model_dir(above, &mut all)?;
    let number = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<VersionNumber>().ok());
    for (name, mut model) in all.models {
        model.versions.retain(|version, _| Some(*version) == number);
        found.add(name, model, path);
    }
    Ok(())
}

fn is_number(name: &str) -> bool {
    name.parse::<VersionNumber>().is_ok()
}

fn bare_file(path: &Path, metadata: &Metadata, found: &mut Found) {
    let Some(name) = found.name(path.file_stem().and_then(|stem| stem.to_str()), path) else { return };
    let number = VersionNumber(1);
    let format = extension(path).unwrap_or(Format::Onnx);
    let version = FoundVersion { number, files: vec![Stamp::new(format.file_name(), path, metadata)] };
    found.add(name, FoundModel { manifest: None, versions: [(number, version)].into() }, path);
}

fn model_dir(path: &Path, found: &mut Found) -> io::Result<()> {
    // A path such as `.` has no file name of its own.
    let whole = path.file_name().map_or_else(|| fs::canonicalize(path), |_| Ok(path.to_owned()))?;
    let Some(model_name) = found.name(whole.file_name().and_then(|name| name.to_str()), path) else { return Ok(()) };
    let mut model = FoundModel::default();
    for (name, path) in children(path)? {
        let Some(metadata) = found.metadata(&path) else { continue };
        if name == MANIFEST_FILE && metadata.is_file() {
            model.manifest = Some(Stamp::new(&name, &path, &metadata));
        } else if metadata.is_dir() && is_number(&name) {
            match version_dir(&name, &path) {
                Ok(Some(version)) => drop(model.versions.insert(version.number, version)),
                Ok(None) => {}
                Err(error) => found.unreadable.push((path, error.to_string())),
            }
        }
    }
    if has_model_file(path) {
        let number = VersionNumber(1);
        model.versions.entry(number).or_insert(FoundVersion { number, files: version_files(path)? });
    }
    found.add(model_name, model, path);
    Ok(())
}

fn version_dir(name: &str, path: &Path) -> io::Result<Option<FoundVersion>> {
    let Ok(number) = name.parse() else { return Ok(None) };
    Ok(Some(FoundVersion { number, files: version_files(path)? }))
}

fn version_files(path: &Path) -> io::Result<Vec<Stamp>> {
    let counts =
        |name: &str| Format::of_file_name(name).is_some() || name == GOLDEN_FILE || name.starts_with(REFERENCE_PREFIX);
    let mut files = Vec::new();
    for (name, path) in children(path)? {
        if !counts(&name) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => files.push(Stamp::new(&name, &path, &metadata)),
            Ok(_) => {}
            // Gone between the listing and the look: it is still being written.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Names (sorted) and paths in a directory, hidden ones left out.
fn children(path: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut children = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let visible = entry.file_name().into_string().ok().filter(|name| !name.starts_with('.'));
        children.extend(visible.map(|name| (name, entry.path())));
    }
    children.sort();
    Ok(children)
}

#[cfg(test)]
mod tests;
