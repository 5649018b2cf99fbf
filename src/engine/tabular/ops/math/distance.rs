//! CDist of `com.microsoft`: the distance of every row of one matrix to every row of another.

use super::number::{Number, numbers};
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{length, one, operand, tensor, typed, unsupported};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::{Shape, Tensor};

/// Distances, `[rows of the first, rows of the second]`.
pub struct Pairwise {
    metric: Metric,
}

/// How far two rows are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Metric {
    Euclidean,
    /// The sum of squares, without the root.
    Squared,
}

impl Pairwise {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let metric = match attributes.string("metric", "sqeuclidean").as_str() {
            "euclidean" => Metric::Euclidean,
            "sqeuclidean" => Metric::Squared,
            other => return Err(format!("metric '{other}' is not supported, expected euclidean or sqeuclidean")),
        };
        Ok(Self { metric })
    }

    fn each<T: Number>(&self, left: &[T], right: &[T], columns: usize) -> Vec<T> {
        let row = |left: &[T], right: &[T]| {
            let square = |(x, y): (&T, &T)| {
                let apart = x.sub(*y).to_f64();
                apart * apart
            };
            let sum: f64 = left.iter().zip(right).map(square).sum();
            T::from_f64(if self.metric == Metric::Euclidean { sum.sqrt() } else { sum })
        };
        let pairs =
            left.chunks_exact(columns).flat_map(|left| right.chunks_exact(columns).map(move |right| row(left, right)));
        pairs.collect()
    }
}

impl Op for Pairwise {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let (left, right) = (operand(operands, 0)?, operand(operands, 1)?);
        let (&[m, k], &[n, other]) = (&**left.shape(), &**right.shape()) else {
            return Err(RunError::Engine(format!("expected two matrices, got {} and {}", left.shape(), right.shape())));
        };
        if k != other || k == 0 {
            return Err(RunError::Engine(format!("rows of {} and {} have no distance", left.shape(), right.shape())));
        }
        let shape = Shape::from([m, n]);
        length(&shape)?;
        numbers!(left.data(), values => match is_float(values) {
            true => tensor(shape, self.each(values, typed(right)?, k)).map(one),
            false => Err(unsupported(left.dtype())),
        })
    }
}

fn is_float<T: Number>(_: &[T]) -> bool {
    T::IS_FLOAT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_meets_every_row() {
        let left = Tensor::of([2, 2], vec![0.0f32, 0.0, 3.0, 4.0]).expect("fits");
        let right = Tensor::of([1, 2], vec![0.0f32, 0.0]).expect("fits");
        let far = Pairwise { metric: Metric::Euclidean }.run(&[&left, &right]).expect("runs");
        assert_eq!((far[0].shape().to_vec(), far[0].as_slice::<f32>()), (vec![2, 1], Some(&[0.0f32, 5.0][..])));
        let far = Pairwise { metric: Metric::Squared }.run(&[&left, &right]).expect("runs");
        assert_eq!(far[0].as_slice::<f32>(), Some(&[0.0f32, 25.0][..]));
        let wide = Tensor::of([1, 3], vec![0.0f32; 3]).expect("fits");
        assert!(Pairwise { metric: Metric::Squared }.run(&[&left, &wide]).is_err());
    }
}
