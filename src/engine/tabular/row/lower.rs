//! Row assembly as a device does it: the host gathers raw columns, the device makes rows of them.

use super::assemble::{Assemble, Piece, Stages};
use crate::engine::RunError;
use crate::engine::lowered::{Column, Stage};
use crate::engine::tabular::ops::Encoder;
use crate::tensor::Tensor;
use std::sync::Arc;

/// What stands in a raw column for a category that has no number.
const NO_CATEGORY: f32 = -1.0;

/// Raw rows: the columns of a request's tensors that finished rows are made of, each once.
pub struct Gather {
    columns: Vec<RawColumn>,
}

/// A column of an operand; behind an encoder its category's number.
struct RawColumn {
    operand: usize,
    at: usize,
    encoder: Option<Arc<Encoder>>,
}

impl RawColumn {
    fn is(&self, operand: usize, at: usize, encoder: Option<&Arc<Encoder>>) -> bool {
        let same = match (&self.encoder, encoder) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        same && (self.operand, self.at) == (operand, at)
    }
}

/// A raw column of a request.
enum View<'a> {
    Numbers { values: &'a [f32], at: usize, stride: usize },
    Words { encoder: &'a Encoder, operand: &'a Tensor, at: usize, stride: usize },
}

impl RawColumn {
    fn view<'a>(&'a self, operands: &[&'a Tensor]) -> Result<View<'a>, RunError> {
        let operand = *operands.get(self.operand).ok_or_else(|| RunError::Engine("an input is missing".into()))?;
        let (at, stride) = (self.at, operand.shape().row_elements());
        Ok(match &self.encoder {
            Some(encoder) => View::Words { encoder, operand, at, stride },
            None => {
                let values = operand.as_slice::<f32>().ok_or_else(|| super::assemble::unlike(operand))?;
                View::Numbers { values, at, stride }
            }
        })
    }
}

impl View<'_> {
    fn value(&self, row: usize) -> Result<f32, RunError> {
        match self {
            Self::Numbers { values, at, stride } => Ok(values[row * stride + at]),
            Self::Words { encoder, operand, at, stride } => {
                let category = encoder.place(operand, row * stride + at)?;
                Ok(category.map_or(NO_CATEGORY, |category| category as f32))
            }
        }
    }
}

impl Gather {
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    fn place(&mut self, operand: usize, at: usize, encoder: Option<&Arc<Encoder>>) -> u32 {
        let found = self.columns.iter().position(|column| column.is(operand, at, encoder));
        let place = found.unwrap_or_else(|| {
            self.columns.push(RawColumn { operand, at, encoder: encoder.cloned() });
            self.columns.len() - 1
        });
        u32::try_from(place).unwrap_or(u32::MAX)
    }

    /// Writes raw rows, each place once and in order: `rows` may be memory that is slow in any other.
    pub fn write(&self, operands: &[&Tensor], rows: &mut [f32]) -> Result<(), RunError> {
        let views = self.columns.iter().map(|column| column.view(operands)).collect::<Result<Vec<_>, _>>()?;
        for (at, row) in rows.chunks_exact_mut(views.len().max(1)).enumerate() {
            for (place, view) in row.iter_mut().zip(&views) {
                *place = view.value(at)?;
            }
        }
        Ok(())
    }
}

impl Assemble {
    /// How the device makes rows, and what the host gathers for it. `None` where a category's number
    /// would not be exact in the `f32` that it is handed over in.
    pub fn lower(&self) -> Option<(Vec<Column>, Gather)> {
        let mut gather = Gather { columns: Vec::new() };
        let mut columns = Vec::with_capacity(self.width);
        for (_, piece) in &self.pieces {
            match piece {
                Piece::Numbers { operand, from, count, stages } => {
                    columns.extend((0..*count).map(|offset| Column {
                        at: gather.place(*operand, from + offset, None),
                        hot: None,
                        stages: stages.iter().map(|stage| stage.at(offset)).collect(),
                    }));
                }
                Piece::Hot { operand, at, encoder } => {
                    let at = gather.place(*operand, *at, Some(encoder));
                    columns.extend((0..encoder.width()).map(|place| hot(at, place)));
                }
                Piece::One { operand, at, place, encoder } => {
                    let at = gather.place(*operand, *at, Some(encoder));
                    columns.push(hot(at, *place));
                }
            }
        }
        let exact = columns.iter().all(|column| column.hot.is_none_or(|place| place < 1 << f32::MANTISSA_DIGITS));
        exact.then_some((columns, gather))
    }
}

fn hot(at: u32, place: usize) -> Column {
    Column { at, hot: Some(u32::try_from(place).unwrap_or(u32::MAX)), stages: Vec::new() }
}

impl Stages {
    fn at(&self, column: usize) -> Stage {
        match self {
            Self::Affine { offsets, scales } => Stage::Affine { offset: offsets[column], scale: scales[column] },
            Self::Impute { missing, by } => Stage::Impute { missing: missing[column], by: by[column] },
        }
    }
}
