//! Profiles from files of every kind, and what is said of files that give none.

mod damaged;
mod data;
mod kept;
mod parquet;
mod window;

use super::{Built, Choice, NumericProfile, Profile, ProfileSummary, ReferenceError, build};
use crate::monitor::reference::CategoricalProfile;
use std::path::PathBuf;
use tempfile::TempDir;

/// A file for the time of a test.
pub struct Sample {
    pub path: PathBuf,
    _dir: TempDir,
}

pub fn sample(name: &str, bytes: impl AsRef<[u8]>) -> Sample {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    Sample { path, _dir: dir }
}

pub fn built_by(sample: &Sample, choice: &Choice) -> Result<Built, ReferenceError> {
    build(&sample.path, choice, &mut |_, _| {})
}

/// The profile of a file that is good.
pub fn built(name: &str, bytes: impl AsRef<[u8]>) -> Profile {
    built_by(&sample(name, bytes), &Choice::default()).expect("a good file").profile
}

/// What is said of a file that is not.
pub fn refused(name: &str, bytes: impl AsRef<[u8]>) -> String {
    built_by(&sample(name, bytes), &Choice::default()).expect_err("a bad file").fault.to_string()
}

pub fn numeric<'a>(profile: &'a Profile, name: &str) -> &'a NumericProfile {
    match profile.columns.iter().find(|column| column.name == name).map(|column| &column.summary) {
        Some(ProfileSummary::Numeric(numeric)) => numeric,
        other => panic!("column '{name}' is no column of numbers: {other:?}"),
    }
}

pub fn categorical<'a>(profile: &'a Profile, name: &str) -> &'a CategoricalProfile {
    match profile.columns.iter().find(|column| column.name == name).map(|column| &column.summary) {
        Some(ProfileSummary::Categorical(categorical)) => categorical,
        other => panic!("column '{name}' is no column of texts: {other:?}"),
    }
}
