//! What a support vector machine measures a row by: its kernel with each support vector.

use super::exponent::exp;
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::isa::{Loop, widest};
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

    /// The kernels from what was summed over the columns.
    #[inline(always)]
    fn finish(self, sums: &mut [f64; LANES]) {
        match self {
            Self::Linear => {}
            Self::Poly { gamma, coef0, degree } => match WHOLE.into_iter().find(|whole| f64::from(*whole) == degree) {
                Some(whole) => sums.iter_mut().for_each(|sum| *sum = power(gamma * *sum + coef0, whole)),
                None => sums.iter_mut().for_each(|sum| *sum = (gamma * *sum + coef0).powf(degree)),
            },
            Self::Rbf { gamma } => sums.iter_mut().for_each(|sum| *sum = exp(-gamma * *sum)),
            Self::Sigmoid { gamma, coef0 } => sums.iter_mut().for_each(|sum| *sum = (gamma * *sum + coef0).tanh()),
        }
    }
}

/// Degrees that are multiplied out.
const WHOLE: [u8; 6] = [1, 2, 3, 4, 5, 6];

#[inline(always)]
fn power(x: f64, whole: u8) -> f64 {
    (1..whole).fold(x, |product, _| product * x)
}

/// Vectors side by side.
const LANES: usize = 16;
/// Rows that are measured together where there are as many.
const ROWS: usize = 4;

/// The vectors that a row is measured by: support vectors, or rows of plain weights.
pub struct Vectors {
    kernel: Kernel,
    /// [`LANES`] vectors after the other, each such group column by column. The last group is filled up
    /// with zeros.
    groups: Vec<f32>,
    columns: usize,
    count: usize,
}

impl Vectors {
    /// `count` support vectors, which the file stores end to end.
    pub fn support(attributes: &Attributes, count: usize) -> Result<Self, String> {
        let values = attributes.floats("support_vectors");
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(format!("{} numbers do not divide over {count} support vectors", values.len()));
        }
        Ok(Self::new(Kernel::new(attributes)?, values, count))
    }

    /// Without support vectors the coefficients are the weights of `count` linear scores.
    pub fn linear(attributes: &Attributes, count: usize) -> Result<Self, String> {
        let values = attributes.floats("coefficients");
        if count == 0 || values.is_empty() || !values.len().is_multiple_of(count) {
            return Err(format!("{} coefficients do not divide over {count} scores", values.len()));
        }
        Ok(Self::new(Kernel::Linear, values, count))
    }

    /// `values` are `count` vectors end to end.
    fn new(kernel: Kernel, values: &[f32], count: usize) -> Self {
        let columns = values.len() / count;
        let mut groups = vec![0.0; count.next_multiple_of(LANES) * columns];
        for (at, vector) in values.chunks_exact(columns).enumerate() {
            let group = &mut groups[at / LANES * LANES * columns..];
            vector.iter().enumerate().for_each(|(column, value)| group[column * LANES + at % LANES] = *value);
        }
        Self { kernel, groups, columns, count }
    }

    pub fn bytes(&self) -> usize {
        self.groups.len() * size_of::<f32>()
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
        let stride = self.count.next_multiple_of(LANES);
        let mut kernels = vec![0.0; ROWS * stride];
        let values = doubles(input)?;
        let (blocks, rest) = values.split_at(rows / ROWS * ROWS * columns);
        for block in blocks.chunks_exact(ROWS * columns) {
            widest(Measure::<ROWS> { vectors: self, rows: block, kernels: &mut kernels });
            kernels.chunks_exact(stride).for_each(|row| then(&row[..self.count]));
        }
        for row in rest.chunks_exact(columns) {
            widest(Measure::<1> { vectors: self, rows: row, kernels: &mut kernels[..stride] });
            then(&kernels[..self.count]);
        }
        Ok(rows)
    }
}

/// Measures `R` rows by all vectors. A row's sums run in the order of the columns, in double precision,
/// however many rows there are.
struct Measure<'a, const R: usize> {
    vectors: &'a Vectors,
    rows: &'a [f64],
    kernels: &'a mut [f64],
}

impl<const R: usize> Loop for Measure<'_, R> {
    #[inline(always)]
    fn run(self) {
        match self.vectors.kernel {
            Kernel::Rbf { .. } => self.each_group(|sum, x, v| sum + (x - v) * (x - v)),
            _ => self.each_group(|sum, x, v| sum + x * v),
        }
    }
}

impl<const R: usize> Measure<'_, R> {
    #[inline(always)]
    fn each_group(self, add: impl Fn(f64, f64, f64) -> f64) {
        let (columns, stride) = (self.vectors.columns, self.kernels.len() / R);
        let rows: [&[f64]; R] = std::array::from_fn(|row| &self.rows[row * columns..][..columns]);
        let (vectors, _) = self.vectors.groups.as_chunks::<LANES>();
        for (group, vectors) in vectors.chunks_exact(columns).enumerate() {
            let mut sums = [[0.0; LANES]; R];
            for (column, values) in vectors.iter().enumerate() {
                let values = values.map(f64::from);
                for (sums, row) in sums.iter_mut().zip(&rows) {
                    let x = row[column];
                    for lane in 0..LANES {
                        sums[lane] = add(sums[lane], x, values[lane]);
                    }
                }
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                self.vectors.kernel.finish(sums);
                self.kernels[row * stride + group * LANES..][..LANES].copy_from_slice(sums);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tabular::isa::narrower;
    use proptest::prelude::*;

    /// The kernel of each row and vector, one after the other as the formulas say.
    fn plainly(kernel: Kernel, row: &[f64], vector: &[f32]) -> f64 {
        let pairs = || row.iter().zip(vector).map(|(x, v)| (*x, f64::from(*v)));
        let dot = || pairs().map(|(x, v)| x * v).sum::<f64>();
        match kernel {
            Kernel::Linear => dot(),
            Kernel::Poly { gamma, coef0, degree } => (gamma * dot() + coef0).powf(degree),
            Kernel::Rbf { gamma } => (-gamma * pairs().map(|(x, v)| (x - v) * (x - v)).sum::<f64>()).exp(),
            Kernel::Sigmoid { gamma, coef0 } => (gamma * dot() + coef0).tanh(),
        }
    }

    const KERNELS: [Kernel; 6] = [
        Kernel::Linear,
        Kernel::Poly { gamma: 0.5, coef0: 0.5, degree: 3.0 },
        Kernel::Poly { gamma: 0.5, coef0: 40.0, degree: 1.5 },
        Kernel::Rbf { gamma: 0.25 },
        Kernel::Rbf { gamma: -0.25 },
        Kernel::Sigmoid { gamma: 0.1, coef0: 0.2 },
    ];

    #[test]
    fn each_kernel_is_what_it_says() {
        let of = |kernel: Kernel| plainly(kernel, &[1.0, 2.0], &[3.0, 4.0]);
        assert_eq!(of(Kernel::Linear), 11.0);
        assert_eq!(of(Kernel::Poly { gamma: 0.5, coef0: 0.5, degree: 2.0 }), 36.0);
        assert_eq!(of(Kernel::Rbf { gamma: 0.25 }), (-2.0f64).exp());
        assert_eq!(of(Kernel::Sigmoid { gamma: 0.1, coef0: 0.0 }), 1.1f64.tanh());
    }

    #[test]
    fn a_row_meets_every_vector() {
        let vectors = Vectors::new(Kernel::Linear, &[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 3);
        let mut seen = Vec::new();
        let input = Tensor::of([2, 2], vec![1i64, 2, 3, 4]).expect("fits");
        assert_eq!(vectors.each_row(&input, |kernels| seen.extend_from_slice(kernels)), Ok(2));
        assert_eq!(seen, [1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
        let narrow = Tensor::of([2, 1], vec![1.0f32, 2.0]).expect("fits");
        assert!(vectors.each_row(&narrow, |_| {}).is_err());
    }

    proptest! {
        /// Rows in blocks and alone, vectors in whole groups and not, by every instruction set.
        #[test]
        fn blocks_change_nothing(rows in 1usize..10, count in 1usize..40, columns in 1usize..7, seed in any::<u32>()) {
            let number = |at: usize| f64::from(seed.wrapping_mul(2 * at as u32 + 1) >> 20) / 1024.0 - 2.0;
            let values: Vec<f32> = (0..count * columns).map(|at| number(at) as f32).collect();
            let table: Vec<f64> = (0..rows * columns).map(|at| number(at + 1000)).collect();
            for kernel in KERNELS {
                let vectors = Vectors::new(kernel, &values, count);
                let mut got = Vec::new();
                let input = Tensor::of([rows, columns], table.clone()).expect("fits");
                vectors.each_row(&input, |kernels| got.extend_from_slice(kernels)).expect("rows of its width");
                let wanted = table.chunks(columns).flat_map(|row| values.chunks(columns).map(|v| plainly(kernel, row, v)));
                for (got, want) in got.iter().zip(wanted) {
                    prop_assert!((got - want).abs() <= 1e-13 * want.abs().max(1.0), "{kernel:?}: {got} {want}");
                }
                let stride = count.next_multiple_of(LANES);
                for (row, told) in table.chunks(columns).zip(got.chunks(count)) {
                    let mut kernels = vec![0.0; stride];
                    Measure::<1> { vectors: &vectors, rows: row, kernels: &mut kernels }.run();
                    prop_assert_eq!(&kernels[..count], told, "{:?}, plain", kernel);
                    narrower(Measure::<1> { vectors: &vectors, rows: row, kernels: &mut kernels });
                    prop_assert_eq!(&kernels[..count], told, "{:?}, narrower", kernel);
                }
            }
        }
    }
}
