//! The step that writes whole rows.

use super::columns::{Column, Columns, Stage};
use crate::engine::RunError;
use crate::engine::tabular::ops::{Encoder, Op, Outputs};
use crate::tensor::Tensor;
use smallvec::SmallVec;
use std::sync::Arc;

/// Writes rows from the columns of inputs.
pub struct Assemble {
    pieces: Vec<Piece>,
    dims: SmallVec<[usize; 2]>,
    width: usize,
}

/// Columns that are written together.
enum Piece {
    /// Columns side by side of one operand, after the same kinds of stages.
    Numbers { operand: usize, from: usize, count: usize, stages: Vec<Stages> },
    /// All categories of an encoder.
    Hot { operand: usize, at: usize, encoder: Arc<Encoder> },
    /// One of them.
    One { operand: usize, at: usize, place: usize, encoder: Arc<Encoder> },
}

/// A stage over columns side by side.
enum Stages {
    Affine(Vec<(f32, f32)>),
    Impute(Vec<(f32, f32)>),
}

impl Assemble {
    /// `operands` says where each input of the graph stands among the step's operands.
    pub fn new(columns: &Columns, operands: impl Fn(usize) -> usize) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = &columns.each[..];
        while let Some(first) = rest.first() {
            let (piece, count) = piece(first, rest, &operands);
            pieces.push(piece);
            rest = &rest[count..];
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
    let (mut affine, mut impute) = (Vec::new(), Vec::new());
    for stage in stages {
        match stage {
            Stage::Affine { offset, scale } => affine.push((offset, scale)),
            Stage::Impute { missing, by } => impute.push((missing, by)),
        }
    }
    if impute.is_empty() { Stages::Affine(affine) } else { Stages::Impute(impute) }
}

impl Op for Assemble {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let rows = operands.first().map_or(0, |first| first.rows());
        let mut table = Vec::with_capacity(rows * self.width);
        for row in 0..rows {
            for piece in &self.pieces {
                piece.write(operands, row, &mut table)?;
            }
        }
        let dims: SmallVec<[usize; 4]> = [rows].into_iter().chain(self.dims.iter().copied()).collect();
        let tensor = Tensor::of(&dims[..], table).map_err(|error| RunError::Engine(error.to_string()))?;
        Ok([tensor].into_iter().collect())
    }

    fn describe(&self) -> Vec<String> {
        let hot = self.pieces.iter().filter(|piece| !matches!(piece, Piece::Numbers { .. })).count();
        let numbers: usize = self.pieces.iter().map(Piece::numbers).sum();
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

    #[inline]
    fn write(&self, operands: &[&Tensor], row: usize, table: &mut Vec<f32>) -> Result<(), RunError> {
        match self {
            Self::Numbers { operand, from, count, stages } => {
                let tensor = operands[*operand];
                let values = tensor.as_slice::<f32>().ok_or_else(|| unlike(tensor))?;
                let start = row * tensor.shape().row_elements() + from;
                let written = table.len();
                table.extend_from_slice(&values[start..start + count]);
                stages.iter().for_each(|stage| stage.apply(&mut table[written..]));
                Ok(())
            }
            Self::Hot { operand, at, encoder } => {
                let place = find(encoder, operands[*operand], row, *at)?;
                let from = table.len();
                table.resize(from + encoder.width(), 0.0);
                if let Some(place) = place {
                    table[from + place] = 1.0;
                }
                Ok(())
            }
            Self::One { operand, at, place, encoder } => {
                let found = find(encoder, operands[*operand], row, *at)?;
                table.push(f32::from(u8::from(found == Some(*place))));
                Ok(())
            }
        }
    }
}

fn find(encoder: &Encoder, tensor: &Tensor, row: usize, at: usize) -> Result<Option<usize>, RunError> {
    encoder.place(tensor, row * tensor.shape().row_elements() + at)
}

fn unlike(tensor: &Tensor) -> RunError {
    RunError::Engine(format!("expected FP32 elements, got {}", tensor.dtype()))
}

impl Stages {
    #[inline]
    fn apply(&self, values: &mut [f32]) {
        match self {
            Self::Affine(columns) => {
                values.iter_mut().zip(columns).for_each(|(x, (offset, scale))| *x = (*x - offset) * scale);
            }
            Self::Impute(columns) => {
                for (x, (missing, by)) in values.iter_mut().zip(columns) {
                    if *x == *missing || (x.is_nan() && missing.is_nan()) {
                        *x = *by;
                    }
                }
            }
        }
    }
}
