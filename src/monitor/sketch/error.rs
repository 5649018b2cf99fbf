//! Why bytes are no sketch, or why two sketches do not go together.

use thiserror::Error;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum SketchError {
    /// The bytes are damaged, cut short, or another sketch's.
    #[error("the bytes are no {sketch} sketch: {reason}")]
    Bytes { sketch: &'static str, reason: String },
    /// The bytes are a sketch, but of a size that is not used here; `field` is the one that differs.
    #[error("a {sketch} sketch with {field} {found}, expected {expected}")]
    Unfit { sketch: &'static str, field: &'static str, found: u64, expected: String },
    /// More weight than 2^50 in one sketch.
    #[error("a {sketch} sketch would count more than 2^50 values")]
    Full { sketch: &'static str },
}

impl SketchError {
    pub(super) fn bytes(sketch: &'static str, reason: impl ToString) -> Self {
        Self::Bytes { sketch, reason: reason.to_string() }
    }

    pub(super) fn unfit(sketch: &'static str, field: &'static str, found: u64, expected: impl ToString) -> Self {
        Self::Unfit { sketch, field, found, expected: expected.to_string() }
    }
}

/// No sketch counts more than this, so that no sum inside one overflows.
pub(super) const MOST_WEIGHT: u64 = 1 << 50;
