//! Normalizer: a row divided by its norm; a row of norm zero stays as it is.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::math::number::{Number, numbers};
use crate::engine::tabular::ops::operands::{matrix, one, operand, tensor};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;

pub struct Normalizer(Norm);

#[derive(Clone, Copy)]
enum Norm {
    /// The largest element, with its sign.
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

    fn of<T: Number>(&self, row: &[T]) -> f64 {
        let values = row.iter().map(|x| x.to_f64());
        match self.0 {
            Norm::Max => values.fold(f64::NEG_INFINITY, f64::max),
            Norm::L1 => values.map(f64::abs).sum(),
            Norm::L2 => values.map(|x| x * x).sum::<f64>().sqrt(),
        }
    }

    fn each<T: Number>(&self, values: &[T], columns: usize) -> Vec<f32> {
        let mut answers = Vec::with_capacity(values.len());
        for row in values.chunks_exact(columns.max(1)) {
            let norm = self.of(row);
            let divisor = if norm == 0.0 { 1.0 } else { norm };
            answers.extend(row.iter().map(|x| (x.to_f64() / divisor) as f32));
        }
        answers
    }
}

impl Op for Normalizer {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let input = operand(operands, 0)?;
        let (_, columns) = matrix(input);
        numbers!(input.data(), values => tensor(input.shape().clone(), self.each(values, columns)).map(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_and_the_zero_row() {
        assert_eq!(Normalizer(Norm::L1).each(&[1.0f32, -3.0, 0.0, 0.0], 2), [0.25, -0.75, 0.0, 0.0]);
        assert_eq!(Normalizer(Norm::L2).each(&[3i64, 4], 2), [0.6, 0.8]);
        assert_eq!(Normalizer(Norm::Max).each(&[2.0f64, 4.0], 2), [0.5, 1.0]);
        assert_eq!(Normalizer(Norm::Max).each(&[-2.0f32, -4.0], 2), [1.0, 2.0]);
    }
}
