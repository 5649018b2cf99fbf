//! A profile from a file of data, in two passes and bounded memory.
//!
//! The first finds what each column holds and where its edges lie, the second counts on them exactly.
//! The same file gives the same profile wherever it is read.

mod choice;
mod first;
mod frequent;
mod ranks;
mod second;
mod value;

pub use choice::Choice;
pub(super) use value::spelled_bool;

use super::error::{Fault, ReferenceError};
use super::profile::{Profile, Source, SourceKind};
use super::table::{FORMATS, Format, scan};
use first::First;
use second::Second;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::SystemTime;

/// A profile, and what was noticed on the way that does not stand in its way.
#[derive(Clone, Debug)]
pub struct Built {
    pub profile: Profile,
    pub notes: Vec<String>,
}

/// How far it has come: bytes read and to be read, over all passes.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Passes over the file: two over its values, one for its digest.
const PASSES: u64 = 3;

/// Reads a file of data and sums it up.
pub fn build(path: &Path, choice: &Choice, progress: Progress<'_>) -> Result<Built, ReferenceError> {
    build_inner(path, choice, progress).map_err(|fault| fault.of_file(path))
}

fn build_inner(path: &Path, choice: &Choice, progress: Progress<'_>) -> Result<Built, Fault> {
    if Format::of(path).is_none() {
        return Err(Fault::Unusable(format!("expected a name that ends in {FORMATS}")));
    }
    let file = File::open(path)?.metadata()?;
    if !file.is_file() {
        return Err(Fault::Unusable("expected a file".into()));
    }
    let size = file.len();
    let mut pass = |number: u64, bytes: u64| progress(number * size + bytes.min(size), PASSES * size);
    let mut report = |bytes| pass(0, bytes);
    let mut first = First::new(choice, &mut report);
    let rows = scan(path, &mut first)?;
    check_names(&first, choice, rows)?;
    let extra = std::mem::take(&mut first.extra);
    let columns = std::mem::take(&mut first.columns);
    let mut report = |bytes| pass(1, bytes);
    let mut second = Second::new(columns, &mut report)?;
    if scan(path, &mut second)? != rows {
        return Err(Fault::Unusable("it was changed while it was read".into()));
    }
    let (columns, without) = second.finish(rows);
    let sha256 = Some(digest(path, &mut |bytes| pass(2, bytes))?);
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let source = Source { kind: SourceKind::File, name, sha256 };
    let created = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let profile = Profile::new(rows, rows as f64, source, created, columns);
    Ok(Built { notes: notes(&extra, &without, choice), profile })
}

/// Every name that was given must be there; a reference needs rows and columns.
fn check_names(first: &First<'_>, choice: &Choice, rows: u64) -> Result<(), Fault> {
    // A model's columns may be missing: what is there is of use all the same.
    let known = |name: &&String| choice.known.iter().any(|column| column.name == **name);
    let missing: Vec<&str> =
        choice.named().filter(|name| !known(name) && !first.has(name)).map(String::as_str).collect();
    if !missing.is_empty() {
        return Err(Fault::Unusable(format!("no column '{}' there", missing.join("', no column '"))));
    }
    match first.columns.is_empty() {
        _ if rows == 0 => Err(Fault::Unusable("it has no rows".into())),
        true => Err(Fault::Unusable("it has none of the columns that are wanted".into())),
        false => Ok(()),
    }
}

/// Names that are shown of many.
const SHOWN: usize = 10;

fn notes(extra: &[String], without: &[String], choice: &Choice) -> Vec<String> {
    let mut notes = Vec::new();
    let unasked: Vec<&String> = extra.iter().filter(|name| !choice.without.contains(name)).collect();
    if !choice.known.is_empty() && !unasked.is_empty() {
        notes.push(format!("columns that the model does not have: {}", few(&unasked)));
    }
    if !without.is_empty() {
        notes.push(format!("columns of lists or objects are left out: {}", few(&without.iter().collect::<Vec<_>>())));
    }
    notes
}

/// Names for a message: the first ones, and how many more there are.
pub(super) fn few(names: &[&String]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN).map(|name| name.as_str()).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn digest(path: &Path, progress: &mut dyn FnMut(u64)) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let got = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..got).filter(|part| !part.is_empty()) else { break };
        sha.update(part);
        bytes += got as u64;
        progress(bytes);
    }
    Ok(sha.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
