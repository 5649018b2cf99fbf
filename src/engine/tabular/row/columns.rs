//! What a table's columns are made of.

use crate::engine::tabular::ops::Encoder;
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::sync::Arc;

/// Columns that a table may have to be described: more are no table.
const MOST: usize = 1 << 16;

/// A table `[rows, ..]` whose columns come each from one column of an input of the graph.
#[derive(Clone)]
pub struct Columns {
    /// In the order of the elements of a row.
    pub each: Vec<Column>,
    /// The axes behind the rows; their product is the number of columns.
    pub dims: SmallVec<[usize; 2]>,
}

/// One column.
#[derive(Clone)]
pub enum Column {
    /// A column of an `f32` input, after some stages.
    Number { input: usize, at: usize, stages: SmallVec<[Stage; 2]> },
    /// A column of an input as it is, of a type that is no `f32`.
    Raw { input: usize, at: usize },
    /// Whether a column of an input is this category of an encoder.
    Hot { input: usize, at: usize, place: usize, encoder: Arc<Encoder> },
}

/// What is done to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// `(x - offset) * scale`
    Affine { offset: f32, scale: f32 },
    /// The number that stands in for a missing one.
    Impute { missing: f32, by: f32 },
}

/// An operand as far as it is known at load.
pub enum Operand<'a> {
    Columns(&'a Columns),
    Constant(&'a Tensor),
    Unknown,
}

impl<'a> Operand<'a> {
    pub fn columns(&self) -> Option<&'a Columns> {
        match self {
            Self::Columns(columns) => Some(columns),
            Self::Constant(_) | Self::Unknown => None,
        }
    }
}

impl Columns {
    /// The columns of an input `[rows, width]`.
    pub fn of_input(input: usize, width: usize, numbers: bool) -> Option<Self> {
        let column = |at| match numbers {
            true => Column::Number { input, at, stages: SmallVec::new() },
            false => Column::Raw { input, at },
        };
        (1..=MOST).contains(&width).then(|| Self::flat((0..width).map(column).collect()))
    }

    /// A table of two axes.
    pub fn flat(each: Vec<Column>) -> Self {
        let dims = SmallVec::from_elem(each.len(), 1);
        Self { each, dims }
    }

    /// The same columns under other axes, if they hold as many.
    pub fn reshaped(&self, dims: &[usize]) -> Option<Self> {
        let fits = dims.iter().try_fold(1usize, |all, dim| all.checked_mul(*dim)) == Some(self.each.len());
        fits.then(|| Self { each: self.each.clone(), dims: dims.into() })
    }

    /// Every number after one more stage; `stage` gets the column's place.
    pub fn staged(&self, stage: impl Fn(usize) -> Stage) -> Option<Self> {
        let add = |(place, column): (usize, &Column)| match column {
            Column::Number { input, at, stages } => {
                let mut stages = stages.clone();
                stages.push(stage(place));
                Some(Column::Number { input: *input, at: *at, stages })
            }
            Column::Raw { .. } | Column::Hot { .. } => None,
        };
        let each = self.each.iter().enumerate().map(add).collect::<Option<_>>()?;
        Some(Self { each, dims: self.dims.clone() })
    }

    /// Tables side by side along their last axis; all other axes behind the rows must be 1.
    pub fn joined(parts: &[&Self]) -> Option<Self> {
        let (first, rest) = parts.split_first()?;
        let lead = |columns: &Self| columns.dims.split_last().map(|(_, lead)| lead.to_vec());
        let alike = rest.iter().all(|part| lead(part) == lead(first));
        let total: usize = parts.iter().map(|part| part.each.len()).sum();
        // Numbers beside what is none would not go together.
        let raw = |part: &&Self| part.each.iter().any(|column| matches!(column, Column::Raw { .. }));
        let mixed = parts.iter().any(|part| raw(part) != raw(first));
        if !alike || mixed || total > MOST || lead(first)?.iter().any(|dim| *dim != 1) {
            return None;
        }
        let mut dims = first.dims.clone();
        *dims.last_mut()? = total;
        Some(Self { each: parts.iter().flat_map(|part| part.each.iter().cloned()).collect(), dims })
    }

    /// Whether rows of these can be written: all are numbers in the end.
    pub fn is_numeric(&self) -> bool {
        self.each.iter().all(|column| !matches!(column, Column::Raw { .. }))
    }

    /// The columns of these places, as one row.
    pub fn chosen(&self, places: impl Iterator<Item = usize>) -> Option<Self> {
        let each: Vec<Column> = places.map(|place| self.each.get(place).cloned()).collect::<Option<_>>()?;
        (1..=MOST).contains(&each.len()).then(|| Self::flat(each))
    }
}

impl Column {
    pub fn input(&self) -> usize {
        match self {
            Self::Number { input, .. } | Self::Raw { input, .. } | Self::Hot { input, .. } => *input,
        }
    }
}
