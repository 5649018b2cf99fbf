//! Summaries of columns: what a minute, an hour or a day of rows leaves behind.
//!
//! Everything here is bounded in memory and merges: the summary of two parts, merged, is the summary
//! of the whole. Counts on fixed [`Edges`] and [`Dictionary`] codes are exact; [`Quantiles`],
//! [`Distinct`] and [`Frequent`] are sketches with a stated error, whose bytes are those of Apache
//! DataSketches and are read by its other implementations.
//!
//! A [`Shape`] is the unchanging half of a column (the edges or the known values, shared by all
//! summaries of the column), a [`Summary`] the counting half.

mod categorical;
mod counters;
mod dictionary;
mod distinct;
mod edges;
mod error;
mod frequent;
mod guide;
mod moments;
mod numeric;
mod quantiles;
mod registers;
mod short;

pub use categorical::Categorical;
pub use counters::Counters;
pub use dictionary::{Dictionary, DictionaryError, MOST_VALUES};
pub use distinct::Distinct;
pub use edges::{CELLS, Edges, EdgesError, MOST_EDGES};
pub use error::SketchError;
pub use frequent::{Frequent, Item, LONGEST_ITEM};
pub use moments::Moments;
pub use numeric::Numeric;
pub use quantiles::Quantiles;

use std::sync::Arc;

/// What stays of a column while its rows come and go.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Without edges there are no cells yet: only counters, moments and quantiles are kept.
    Numeric(Option<Arc<Edges>>),
    Categorical(Arc<Dictionary>),
}

impl Shape {
    /// An empty summary of this shape.
    pub fn summary(&self) -> Summary {
        match self {
            Self::Numeric(edges) => Summary::Numeric(Numeric::new(edges.clone())),
            Self::Categorical(dictionary) => Summary::Categorical(Categorical::new(dictionary.clone())),
        }
    }

    /// A digest of the edges or values: counts may be added where it is the same.
    pub fn digest(&self) -> u64 {
        match self {
            Self::Numeric(None) => 0,
            Self::Numeric(Some(edges)) => edges.digest(),
            Self::Categorical(dictionary) => dictionary.digest(),
        }
    }
}

/// What one pane knows of one column.
#[derive(Clone, Debug)]
pub enum Summary {
    Numeric(Numeric),
    Categorical(Categorical),
}

impl Summary {
    /// Counts rows in which the value is missing.
    pub fn nulls(&mut self, rows: u32) {
        match self {
            Self::Numeric(numeric) => numeric.nulls(rows),
            Self::Categorical(categorical) => categorical.nulls(rows),
        }
    }

    /// Counts rows whose value is of another type than the column's.
    pub fn type_errors(&mut self, rows: u32) {
        match self {
            Self::Numeric(numeric) => numeric.type_errors(rows),
            Self::Categorical(categorical) => categorical.type_errors(rows),
        }
    }

    /// Bytes held, without what is shared by way of the shape.
    pub fn memory(&self) -> usize {
        match self {
            Self::Numeric(numeric) => numeric.memory(),
            Self::Categorical(categorical) => categorical.memory(),
        }
    }
}
