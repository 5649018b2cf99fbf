//! Scaler, Imputer and Normalizer: one number in, one number out.

use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::{Op, Outputs, RunError, floats, matrix, one, operand, tensor, unsupported};
use crate::tensor::{Data, Tensor};

/// `(x - offset) * scale`, per column or for all.
pub struct Scaler {
    offset: Vec<f32>,
    scale: Vec<f32>,
}

impl Scaler {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let (offset, scale) = (attributes.floats("offset").to_vec(), attributes.floats("scale").to_vec());
        if offset.is_empty() || offset.len() != scale.len() {
            return Err(format!("offset has {} entries and scale {}", offset.len(), scale.len()));
        }
        Ok(Self { offset, scale })
    }
}

impl Op for Scaler {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let columns = per_column(&self.offset, input)?;
        let values = floats(input)?;
        let scaled = values.iter().enumerate().map(|(at, x)| {
            let column = at % columns;
            (x - self.offset[column]) * self.scale[column]
        });
        Ok(one(tensor(input.shape().clone(), scaled.collect::<Vec<f32>>())?))
    }
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
        if imputer.floats.is_empty() && imputer.ints.is_empty() {
            return Err("no imputed values are given".into());
        }
        Ok(imputer)
    }
}

impl Op for Imputer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let data = match input.data() {
            Data::F32(values) => {
                let is_missing = |x: f32| x == self.missing_float || (x.is_nan() && self.missing_float.is_nan());
                Data::F32(impute(values, &self.floats, per_column(&self.floats, input)?, is_missing))
            }
            Data::I64(values) => {
                Data::I64(impute(values, &self.ints, per_column(&self.ints, input)?, |x| x == self.missing_int))
            }
            other => return Err(unsupported(other.dtype())),
        };
        Ok(one(Tensor::new(input.shape().clone(), data).map_err(|error| RunError::Engine(error.to_string()))?))
    }
}

fn impute<T: Copy>(values: &[T], stored: &[T], columns: usize, is_missing: impl Fn(T) -> bool) -> Vec<T> {
    let fill = |(at, x): (usize, &T)| if is_missing(*x) { stored[at % columns] } else { *x };
    values.iter().enumerate().map(fill).collect()
}

/// Checks a per-column table against the input and answers the period with which it repeats.
fn per_column<T>(table: &[T], input: &Tensor) -> Result<usize, RunError> {
    let (_, columns) = matrix(input);
    match table.len() {
        0 => Err(RunError::Engine(format!("no values are stored for {} elements", input.dtype()))),
        1 => Ok(1),
        len if len == columns => Ok(len),
        len => Err(RunError::Engine(format!("rows have {columns} columns, the operator stores {len}"))),
    }
}

/// Divides a row by its norm; a row of norm zero stays as it is.
pub struct Normalizer(Norm);

#[derive(Clone, Copy)]
enum Norm {
    Max,
    L1,
    L2,
}

impl Normalizer {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        match attributes.string("norm", "MAX").as_str() {
            "MAX" => Ok(Self(Norm::Max)),
            "L1" => Ok(Self(Norm::L1)),
            "L2" => Ok(Self(Norm::L2)),
            other => Err(format!("unknown norm '{other}'")),
        }
    }

    fn of(&self, row: &[f32]) -> f64 {
        let values = row.iter().map(|x| f64::from(*x));
        match self.0 {
            Norm::Max => values.fold(f64::NEG_INFINITY, f64::max),
            Norm::L1 => values.map(f64::abs).sum(),
            Norm::L2 => values.map(|x| x * x).sum::<f64>().sqrt(),
        }
    }
}

impl Op for Normalizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let mut values = floats(input)?.into_owned();
        let (_, columns) = matrix(input);
        for row in values.chunks_exact_mut(columns.max(1)) {
            let norm = self.of(row);
            if norm != 0.0 {
                row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
            }
        }
        Ok(one(tensor(input.shape().clone(), values)?))
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
        let all = Scaler { offset: vec![1.0], scale: vec![2.0] };
        assert_eq!(run(&all, [1, 2], vec![1.0, 2.0]), [0.0, 2.0]);
        let input = Tensor::of([1, 3], vec![0.0f32; 3]).expect("fits");
        assert!(each.run(&[&input]).is_err());
    }

    #[test]
    fn an_imputer_knows_nan_and_plain_marks() {
        let nan = Imputer { floats: vec![5.0, 6.0], missing_float: f32::NAN, ints: vec![], missing_int: 0 };
        assert_eq!(run(&nan, [2, 2], vec![f32::NAN, 1.0, 2.0, f32::NAN]), [5.0, 1.0, 2.0, 6.0]);
        let minus = Imputer { floats: vec![0.5], missing_float: -1.0, ints: vec![], missing_int: 0 };
        assert_eq!(run(&minus, [1, 2], vec![-1.0, 3.0]), [0.5, 3.0]);
    }

    #[test]
    fn norms_and_the_zero_row() {
        assert_eq!(run(&Normalizer(Norm::L1), [2, 2], vec![1.0, -3.0, 0.0, 0.0]), [0.25, -0.75, 0.0, 0.0]);
        assert_eq!(run(&Normalizer(Norm::L2), [1, 2], vec![3.0, 4.0]), [0.6, 0.8]);
        assert_eq!(run(&Normalizer(Norm::Max), [1, 2], vec![2.0, 4.0]), [0.5, 1.0]);
    }
}
