//! What a support vector machine measures a row by: its kernel with each support vector.

use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::operands::{doubles, matrix};
use crate::tensor::Tensor;

/// LIBSVM's kernels of a row `x` and a support vector `v`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kernel {
    /// `x . v`
    Linear,
    /// `(gamma * x . v + coef0) ^ degree`
    Poly { gamma: f64, coef0: f64, degree: f64 },
    /// `exp(-gamma * |x - v|^2)`
    Rbf { gamma: f64 },
    /// `tanh(gamma * x . v + coef0)`
    Sigmoid { gamma: f64, coef0: f64 },
}

impl Kernel {
    fn new(attributes: &Attributes) -> Result<Self, String> {
        let (gamma, coef0, degree) = match attributes.floats("kernel_params") {
            [] => (0.0, 0.0, 0.0),
            [gamma, coef0, degree] => (f64::from(*gamma), f64::from(*coef0), f64::from(*degree)),
            other => {
                return Err(format!("kernel_params has {} entries, expected gamma, coef0 and degree", other.len()));
            }
        };
        match attributes.string("kernel_type", "LINEAR").as_str() {
            "LINEAR" => Ok(Self::Linear),
            "POLY" => Ok(Self::Poly { gamma, coef0, degree }),
            "RBF" => Ok(Self::Rbf { gamma }),
            "SIGMOID" => Ok(Self::Sigmoid { gamma, coef0 }),
            other => Err(format!("kernel_type {other} is not known")),
        }
    }

    /// Summed in column order, in double precision.
    fn of(self, row: &[f64], vector: &[f32]) -> f64 {
        let pairs = row.iter().zip(vector).map(|(x, v)| (*x, f64::from(*v)));
        let dot = || pairs.clone().map(|(x, v)| x * v).sum::<f64>();
        match self {
            Self::Linear => dot(),
            Self::Poly { gamma, coef0, degree } => (gamma * dot() + coef0).powf(degree),
            Self::Rbf { gamma } => (-gamma * pairs.map(|(x, v)| (x - v) * (x - v)).sum::<f64>()).exp(),
            Self::Sigmoid { gamma, coef0 } => (gamma * dot() + coef0).tanh(),
        }
    }
}

/// The vectors that a row is measured by: support vectors, or rows of plain weights.
pub struct Vectors {
    kernel: Kernel,
    values: Vec<f32>,
    columns: usize,
}

impl Vectors {
    /// `count` support vectors, which the file stores end to end.
    pub fn support(attributes: &Attributes, count: usize) -> Result<Self, String> {
        let values = attributes.floats("support_vectors");
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(format!("{} numbers do not divide over {count} support vectors", values.len()));
        }
        Ok(Self { kernel: Kernel::new(attributes)?, values: values.to_vec(), columns: values.len() / count })
    }

    /// Without support vectors the coefficients are the weights of `count` linear scores.
    pub fn linear(attributes: &Attributes, count: usize) -> Result<Self, String> {
        let values = attributes.floats("coefficients");
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(format!("{} coefficients do not divide over {count} scores", values.len()));
        }
        Ok(Self { kernel: Kernel::Linear, values: values.to_vec(), columns: values.len() / count })
    }

    pub fn count(&self) -> usize {
        self.values.len() / self.columns
    }

    pub fn bytes(&self) -> usize {
        self.values.len() * size_of::<f32>()
    }

    /// Hands the kernels of each row on, one per vector; answers how many rows there were.
    pub fn each_row(&self, input: &Tensor, mut then: impl FnMut(&[f64])) -> Result<usize, RunError> {
        let (rows, columns) = matrix(input);
        if columns != self.columns {
            return Err(RunError::Engine(format!(
                "rows have {columns} columns, the support vectors have {}",
                self.columns
            )));
        }
        let mut kernels = vec![0.0; self.count()];
        for row in doubles(input)?.chunks_exact(columns) {
            for (kernel, vector) in kernels.iter_mut().zip(self.values.chunks_exact(columns)) {
                *kernel = self.kernel.of(row, vector);
            }
            then(&kernels);
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kernel_is_what_it_says() {
        let of = |kernel: Kernel| kernel.of(&[1.0, 2.0], &[3.0, 4.0]);
        assert_eq!(of(Kernel::Linear), 11.0);
        assert_eq!(of(Kernel::Poly { gamma: 0.5, coef0: 0.5, degree: 2.0 }), 36.0);
        assert_eq!(of(Kernel::Rbf { gamma: 0.25 }), (-2.0f64).exp());
        assert_eq!(of(Kernel::Sigmoid { gamma: 0.1, coef0: 0.0 }), 1.1f64.tanh());
    }

    #[test]
    fn a_row_meets_every_vector() {
        let vectors = Vectors { kernel: Kernel::Linear, values: vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0], columns: 2 };
        let mut seen = Vec::new();
        let input = Tensor::of([2, 2], vec![1i64, 2, 3, 4]).expect("fits");
        assert_eq!(vectors.each_row(&input, |kernels| seen.extend_from_slice(kernels)), Ok(2));
        assert_eq!(seen, [1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
        let narrow = Tensor::of([2, 1], vec![1.0f32, 2.0]).expect("fits");
        assert!(vectors.each_row(&narrow, |_| {}).is_err());
    }
}
