//! What can be wrong with a reference file, in words that name the file and the place in it.

use std::path::Path;

/// A file that gives no reference, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {fault}")]
pub struct ReferenceError {
    pub file: String,
    pub fault: Fault,
}

/// The why, before it is known which file it is about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("{place}: expected {expected}, got {got}")]
    Malformed { place: String, expected: String, got: String },
    #[error("{place} is longer than {most} bytes: is a quote or a line never closed?")]
    TooLong { place: String, most: usize },
    #[error("more than {most} columns: name those that matter with --columns")]
    TooManyColumns { most: usize },
    #[error("{0}")]
    Unusable(String),
}

impl Fault {
    pub fn malformed(place: impl Into<String>, expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self::Malformed { place: place.into(), expected: expected.into(), got: got.into() }
    }

    pub fn of_file(self, path: &Path) -> ReferenceError {
        ReferenceError { file: path.display().to_string(), fault: self }
    }
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}
