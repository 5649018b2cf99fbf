//! Scaler, Imputer and Binarizer: one number in, one number out, by what is stored for its column.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::math::number::{Number, numbers};
use crate::engine::tabular::ops::operands::{floats, matrix, one, operand, tensor, unsupported, wrap};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::engine::tabular::row::{Columns, Operand, Stage};
use crate::tensor::{Data, Tensor};

/// `(x - offset) * scale`, per column or for all; answers `f32`.
pub struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let list = |name, default| match attributes.floats(name) {
            [] => vec![default],
            given => given.to_vec(),
        };
        let scaler = Self { offset: list("offset", 0.0), scale: list("scale", 1.0) };
        match (scaler.offset.len(), scaler.scale.len()) {
            (1, _) | (_, 1) => Ok(scaler),
            (offset, scale) if offset == scale => Ok(scaler),
            (offset, scale) => Err(format!("offset has {offset} entries and scale {scale}")),
        }
    }
}

impl Op for Scaler {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let columns = repeated(&self.offset, input)?.zip(repeated(&self.scale, input)?);
        let scaled: Vec<f32> = match input.data() {
            Data::F64(values) => values.iter().zip(columns).map(|(x, column)| wide(*x, column)).collect(),
            _ => floats(input)?.iter().zip(columns).map(|(x, (offset, scale))| (x - offset) * scale).collect(),
        };
        tensor(input.shape().clone(), scaled).map(one)
    }

    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let table = operands.first()?.columns()?;
        let (offset, scale) = (for_each(&self.offset, table)?, for_each(&self.scale, table)?);
        table.staged(|place| Stage::Affine { offset: offset(place), scale: scale(place) })
    }
}

/// The entry for each column of a table: its own, or the one for all.
fn for_each<'a>(stored: &'a [f32], table: &Columns) -> Option<impl Fn(usize) -> f32 + use<'a>> {
    let fits = stored.len() == 1 || stored.len() == table.each.len();
    fits.then_some(move |place: usize| if stored.len() == 1 { stored[0] } else { stored[place] })
}

/// A double is scaled as one, and rounded once.
fn wide(x: f64, (offset, scale): (&f32, &f32)) -> f32 {
    ((x - f64::from(*offset)) * f64::from(*scale)) as f32
}

/// Puts a stored value where one is missing.
pub struct Imputer {
    floats: Vec<f32>,
    missing_float: f32,
    ints: Vec<i64>,
    missing_int: i64,
}

impl Imputer {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let imputer = Self {
            floats: attributes.floats("imputed_value_floats").to_vec(),
            missing_float: attributes.float("replaced_value_float", 0.0),
            ints: attributes.ints("imputed_value_int64s").to_vec(),
            missing_int: attributes.int("replaced_value_int64", 0),
        };
        match (imputer.floats.is_empty(), imputer.ints.is_empty()) {
            (true, true) => Err("no imputed values are given".into()),
            (false, false) => Err("imputed values are given both as floats and as integers, expected one kind".into()),
            _ => Ok(imputer),
        }
    }
}

impl Op for Imputer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let missing = self.missing_float;
        let data = match input.data() {
            Data::F32(values) => {
                let is_missing = |x: f32| x == missing || (x.is_nan() && missing.is_nan());
                Data::F32(impute(values, repeated(&self.floats, input)?, is_missing).into())
            }
            Data::F64(values) => {
                let is_missing = |x: f64| x == f64::from(missing) || (x.is_nan() && missing.is_nan());
                let stored: Vec<f64> = self.floats.iter().map(|x| f64::from(*x)).collect();
                Data::F64(impute(values, repeated(&stored, input)?, is_missing).into())
            }
            Data::I64(values) => {
                Data::I64(impute(values, repeated(&self.ints, input)?, |x| x == self.missing_int).into())
            }
            Data::I32(values) => {
                let stored: Vec<i32> = self.ints.iter().map(|x| *x as i32).collect();
                Data::I32(impute(values, repeated(&stored, input)?, |x| i64::from(x) == self.missing_int).into())
            }
            other => return Err(unsupported(other.dtype())),
        };
        wrap(input.shape().clone(), data)
    }

    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let table = operands.first()?.columns()?;
        let by = for_each(&self.floats, table)?;
        table.staged(|place| Stage::Impute { missing: self.missing_float, by: by(place) })
    }
}

fn impute<'a, T: Copy + 'a>(
    values: &[T],
    stored: impl Iterator<Item = &'a T>,
    is_missing: impl Fn(T) -> bool,
) -> Vec<T> {
    values.iter().zip(stored).map(|(x, stored)| if is_missing(*x) { *stored } else { *x }).collect()
}

/// A table with an entry for each column, or one for all, again and again for the rows of an input.
fn repeated<'a, T>(table: &'a [T], input: &Tensor) -> Result<impl Iterator<Item = &'a T> + use<'a, T>, RunError> {
    let (_, columns) = matrix(input);
    match table.len() {
        0 => Err(RunError::Engine(format!("no values are stored for {} elements", input.dtype()))),
        len if len == 1 || len == columns => Ok(table.iter().cycle()),
        len => Err(RunError::Engine(format!("rows have {columns} columns, the operator stores {len}"))),
    }
}

/// 1 above the threshold and 0 elsewhere, in the input's type; a missing value is not above.
pub struct Binarizer {
    threshold: f32,
}

impl Binarizer {
    pub fn new(attributes: &Attributes) -> Self {
        Self { threshold: attributes.float("threshold", 0.0) }
    }

    fn each<T: Number>(&self, values: &[T]) -> Vec<T> {
        let threshold = f64::from(self.threshold);
        values.iter().map(|x| if x.to_f64() > threshold { T::ONE } else { T::ZERO }).collect()
    }
}

impl Op for Binarizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        numbers!(input.data(), values => tensor(input.shape().clone(), self.each(values)).map(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(op: &dyn Op, shape: [usize; 2], values: Vec<f32>) -> Vec<f32> {
        let input = Tensor::of(shape, values).expect("fits");
        op.run(&[&input]).expect("runs")[0].as_slice::<f32>().expect("floats").to_vec()
    }

    #[test]
    fn a_scaler_works_per_column_or_for_all() {
        let each = Scaler { offset: vec![1.0, 10.0], scale: vec![2.0, 0.5] };
        assert_eq!(run(&each, [2, 2], vec![1.0, 10.0, 2.0, 12.0]), [0.0, 0.0, 2.0, 1.0]);
        let all = Scaler { offset: vec![1.0], scale: vec![2.0, 3.0] };
        assert_eq!(run(&all, [1, 2], vec![1.0, 2.0]), [0.0, 3.0]);
        let input = Tensor::of([1, 3], vec![0.0f32; 3]).expect("fits");
        assert!(each.run(&[&input]).is_err());
    }

    #[test]
    fn a_double_is_scaled_as_one() {
        let near = 1.0 + 1e-9;
        let input = Tensor::of([1, 1], vec![near]).expect("fits");
        let scaled = Scaler { offset: vec![1.0], scale: vec![1e9] }.run(&[&input]).expect("runs");
        assert!((scaled[0].as_slice::<f32>().expect("floats")[0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn an_imputer_knows_nan_and_plain_marks() {
        let nan = Imputer { floats: vec![5.0, 6.0], missing_float: f32::NAN, ints: vec![], missing_int: 0 };
        assert_eq!(run(&nan, [2, 2], vec![f32::NAN, 1.0, 2.0, f32::NAN]), [5.0, 1.0, 2.0, 6.0]);
        let minus = Imputer { floats: vec![0.5], missing_float: -1.0, ints: vec![], missing_int: 0 };
        assert_eq!(run(&minus, [1, 2], vec![-1.0, 3.0]), [0.5, 3.0]);
        let wrong = Tensor::of([1, 1], vec![1i64]).expect("fits");
        assert!(minus.run(&[&wrong]).is_err());
    }

    #[test]
    fn a_threshold_is_not_above_itself() {
        let binarizer = Binarizer { threshold: 1.5 };
        assert_eq!(run(&binarizer, [1, 4], vec![1.5, 1.6, f32::NAN, -2.0]), [0.0, 1.0, 0.0, 0.0]);
        assert_eq!(binarizer.each(&[1i64, 2]), [0, 1]);
    }
}
