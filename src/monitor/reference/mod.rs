//! Reference profiles: what a model's data looked like in training.
//!
//! [`build()`] makes one from a file of data (CSV, JSON lines, Parquet), [`read()`] reads one back,
//! [`open`] does whichever the file calls for. [`Profile::fit`] puts it beside a model's columns.
//! Files larger than memory are no trouble: a profile is made in bounded memory.

mod build;
mod error;
mod fields;
mod fit;
mod profile;
mod read;
mod table;
#[cfg(test)]
mod tests;
mod window;

pub use build::{Built, Choice, Progress, build};
pub use error::{Fault, ReferenceError};
pub use fit::Fitted;
pub use profile::{
    CategoricalProfile, ColumnProfile, NumericProfile, Profile, ProfileSummary, SCHEMA, Source, SourceKind,
};
pub use read::{parse, read};
pub use table::{Format, MOST_COLUMNS};

use crate::monitor::column::{Column, Role};
use std::path::Path;

/// The names of a model's inputs in a profile or a file of data, in its order: what columns are called
/// that the model does not name. Empty where the file does not tell, or cannot be read.
pub fn input_names(path: &Path) -> Vec<String> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        let inputs = |profile: Profile| profile.columns.into_iter().filter(|column| column.role == Role::Input);
        return read(path).map_or_else(|_| Vec::new(), |profile| inputs(profile).map(|column| column.name).collect());
    }
    table::names(path).unwrap_or_default()
}

/// The reference in a file: a profile, or the data that one is made from.
///
/// Of data only the model's columns are read, each as the kind that the model takes. What is missing
/// or extra is told in the notes, and so is what [`Profile::fit`] will find wrong.
pub fn open(path: &Path, columns: &[Column], progress: Progress<'_>) -> Result<Built, ReferenceError> {
    let mut built = if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        let profile = read(path).map_err(|fault| fault.of_file(path))?;
        Built { profile, notes: Vec::new() }
    } else {
        build(path, &Choice::of_model(columns), progress)?
    };
    built.notes.extend(built.profile.fit(columns).notes);
    Ok(built)
}
