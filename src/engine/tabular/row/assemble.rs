//! The step that writes whole rows.

use super::columns::{Column, Columns, Stage};
use crate::engine::RunError;
use crate::engine::tabular::ops::{Encoder, Op, Outputs, length};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::sync::Arc;

/// Writes rows from the columns of inputs.
pub struct Assemble {
    /// Each with the first column that it writes.
    pub(super) pieces: Vec<(usize, Piece)>,
    dims: SmallVec<[usize; 2]>,
    pub(super) width: usize,
}

/// Columns that are written together.
pub(super) enum Piece {
    /// Columns side by side of one operand, after the same kinds of stages.
    Numbers { operand: usize, from: usize, count: usize, stages: Vec<Stages> },
    /// All categories of an encoder.
    Hot { operand: usize, at: usize, encoder: Arc<Encoder> },
    /// One of them.
    One { operand: usize, at: usize, place: usize, encoder: Arc<Encoder> },
}

/// A stage over columns side by side.
pub(super) enum Stages {
    Affine { offsets: Vec<f32>, scales: Vec<f32> },
    Impute { missing: Vec<f32>, by: Vec<f32> },
}

impl Assemble {
    /// `operands` says where each input of the graph stands among the step's operands.
    pub fn new(columns: &Columns, operands: impl Fn(usize) -> usize) -> Self {
        let mut pieces = Vec::new();
        let mut to = 0;
        while let Some(first) = columns.each.get(to) {
            let (piece, count) = piece(first, &columns.each[to..], &operands);
            pieces.push((to, piece));
            to += count;
        }
        Self { pieces, dims: columns.dims.clone(), width: columns.each.len() }
    }
}

/// The longest piece that begins here, and its columns.
fn piece(first: &Column, rest: &[Column], operands: &impl Fn(usize) -> usize) -> (Piece, usize) {
    let operand = operands(first.input());
    match first {
        Column::Number { at, stages, .. } => {
            let count = rest.iter().enumerate().take_while(|(after, next)| goes_on(first, *after, next)).count();
            let stages = (0..stages.len()).map(|depth| side_by_side(&rest[..count], depth)).collect();
            (Piece::Numbers { operand, from: *at, count, stages }, count)
        }
        Column::Hot { at, place, encoder, .. } => {
            let whole = rest.iter().enumerate().take_while(|(after, next)| is_hot(first, *after, next)).count();
            let encoder = encoder.clone();
            if *place == 0 && whole == encoder.width() {
                return (Piece::Hot { operand, at: *at, encoder }, whole);
            }
            (Piece::One { operand, at: *at, place: *place, encoder }, 1)
        }
        Column::Raw { .. } => unreachable!("only numeric columns are assembled"),
    }
}

/// Whether a column is the `after`th behind the first one, and goes through the same kinds of stages.
fn goes_on(first: &Column, after: usize, next: &Column) -> bool {
    let kinds = |stages: &[Stage]| stages.iter().map(std::mem::discriminant).collect::<SmallVec<[_; 4]>>();
    match (first, next) {
        (Column::Number { input: a, at: from, stages: s }, Column::Number { input: b, at, stages: t }) => {
            a == b && *at == from + after && kinds(s) == kinds(t)
        }
        _ => false,
    }
}

/// Whether a column is the `after`th category behind the first one's.
fn is_hot(first: &Column, after: usize, next: &Column) -> bool {
    match (first, next) {
        (
            Column::Hot { input: a, at: c, place: from, encoder: e },
            Column::Hot { input: b, at: d, place, encoder: f },
        ) => a == b && c == d && *place == from + after && Arc::ptr_eq(e, f),
        _ => false,
    }
}

/// The stages that some columns have at one depth, which are of one kind.
fn side_by_side(columns: &[Column], depth: usize) -> Stages {
    let stages = columns.iter().filter_map(|column| match column {
        Column::Number { stages, .. } => stages.get(depth).copied(),
        _ => None,
    });
    let (mut affine, mut impute) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
    for stage in stages {
        match stage {
            Stage::Affine { offset, scale } => {
                affine.0.push(offset);
                affine.1.push(scale);
            }
            Stage::Impute { missing, by } => {
                impute.0.push(missing);
                impute.1.push(by);
            }
        }
    }
    match impute.0.is_empty() {
        true => Stages::Affine { offsets: affine.0, scales: affine.1 },
        false => Stages::Impute { missing: impute.0, by: impute.1 },
    }
}

impl Op for Assemble {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let rows = operands.first().map_or(0, |first| first.rows());
        if operands.iter().any(|operand| operand.rows() != rows) {
            return Err(RunError::Engine("the inputs have different numbers of rows".into()));
        }
        let mut table = vec![0.0; length(&[rows, self.width])?];
        for (to, piece) in &self.pieces {
            piece.write(operands, table.chunks_exact_mut(self.width.max(1)).map(|row| &mut row[*to..]))?;
        }
        let dims: SmallVec<[usize; 4]> = [rows].into_iter().chain(self.dims.iter().copied()).collect();
        let tensor = Tensor::of(&dims[..], table).map_err(|error| RunError::Engine(error.to_string()))?;
        Ok([tensor].into_iter().collect())
    }

    fn assembles(&self) -> Option<&Assemble> {
        Some(self)
    }

    fn describe(&self) -> Vec<String> {
        let hot = self.pieces.iter().filter(|(_, piece)| !matches!(piece, Piece::Numbers { .. })).count();
        let numbers: usize = self.pieces.iter().map(|(_, piece)| piece.numbers()).sum();
        let of = format!("{numbers} columns of numbers, {hot} encoded into {}", self.width - numbers);
        vec![format!("{} columns a row in one pass: {of}", self.width)]
    }
}

impl Piece {
    fn numbers(&self) -> usize {
        match self {
            Self::Numbers { count, .. } => *count,
            Self::Hot { .. } | Self::One { .. } => 0,
        }
    }

    /// Writes its columns of every row; `rows` are zero from its first column on.
    fn write<'a>(&self, operands: &[&Tensor], rows: impl Iterator<Item = &'a mut [f32]>) -> Result<(), RunError> {
        let (operand, first) = match self {
            Self::Numbers { operand, from, .. } => (operands[*operand], *from),
            Self::Hot { operand, at, .. } | Self::One { operand, at, .. } => (operands[*operand], *at),
        };
        let width = operand.shape().row_elements();
        match self {
            Self::Numbers { count, stages, .. } => {
                let values = operand.as_slice::<f32>().ok_or_else(|| unlike(operand))?;
                for (row, values) in rows.zip(values.chunks_exact(width.max(1))) {
                    let row = &mut row[..*count];
                    row.copy_from_slice(&values[first..first + count]);
                    stages.iter().for_each(|stage| stage.apply(row));
                }
            }
            Self::Hot { encoder, .. } => {
                for (at, row) in rows.enumerate() {
                    if let Some(place) = encoder.place(operand, at * width + first)? {
                        row[place] = 1.0;
                    }
                }
            }
            Self::One { place, encoder, .. } => {
                for (at, row) in rows.enumerate() {
                    let found = encoder.place(operand, at * width + first)?;
                    row[0] = f32::from(u8::from(found == Some(*place)));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn unlike(tensor: &Tensor) -> RunError {
    RunError::Engine(format!("expected FP32 elements, got {}", tensor.dtype()))
}

impl Stages {
    #[inline]
    fn apply(&self, values: &mut [f32]) {
        match self {
            Self::Affine { offsets, scales } => {
                for ((x, offset), scale) in values.iter_mut().zip(offsets).zip(scales) {
                    *x = (*x - offset) * scale;
                }
            }
            Self::Impute { missing, by } => {
                for ((x, missing), by) in values.iter_mut().zip(missing).zip(by) {
                    if *x == *missing || (x.is_nan() && missing.is_nan()) {
                        *x = *by;
                    }
                }
            }
        }
    }
}
