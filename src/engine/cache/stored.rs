//! A list that is either our own or a piece of a mapped file: who reads it sees no difference.

use super::mapping::Mapping;
use bytemuck::Pod;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// The list. Reading it costs one branch, so loops take the slice once.
#[derive(Clone, Debug)]
pub enum Stored<T> {
    Own(Vec<T>),
    Mapped(Piece),
}

/// A place in a mapping, which lives as long as the piece.
#[derive(Clone, Debug)]
pub struct Piece {
    mapping: Arc<Mapping>,
    range: Range<usize>,
}

impl<T: Pod> Stored<T> {
    /// `None` if the range is not inside, or is no whole number of aligned elements.
    pub fn mapped(mapping: &Arc<Mapping>, range: Range<usize>) -> Option<Self> {
        let bytes = mapping.bytes().get(range.clone())?;
        bytemuck::try_cast_slice::<u8, T>(bytes).ok()?;
        Some(Self::Mapped(Piece { mapping: mapping.clone(), range }))
    }
}

impl<T: Pod> Deref for Stored<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Own(values) => values,
            // Neither panics: `mapped` has tried both, and a mapping never changes.
            Self::Mapped(piece) => bytemuck::cast_slice(&piece.mapping.bytes()[piece.range.clone()]),
        }
    }
}

impl<T> From<Vec<T>> for Stored<T> {
    fn from(values: Vec<T>) -> Self {
        Self::Own(values)
    }
}
