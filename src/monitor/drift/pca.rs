//! Reconstruction error of a frozen principal component analysis: sees columns that no longer go together
//! though each alone looks as before.
//!
//! Columns are standardised by the reference; the components that explain a share of the variance stay;
//! a row's error is the distance to its projection on them. A missing value counts as the mean.

use super::special::normal_two_sided;
use serde::{Deserialize, Serialize};

/// More columns than this are refused: the work grows with their cube.
pub const MOST_COLUMNS: usize = 256;
/// Jacobi's method converges quadratically; this is twice what 256 columns need.
const MOST_SWEEPS: usize = 30;

/// Mean and co-moments of the columns of a reference, row by row, mergeable (Chan, Golub and LeVeque).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Covariance {
    n: f64,
    mean: Vec<f64>,
    /// Sums of products of deviations, all pairs, row by row.
    products: Vec<f64>,
}

impl Covariance {
    /// `None` for no columns, or more than [`MOST_COLUMNS`].
    pub fn new(columns: usize) -> Option<Self> {
        let fits = (1..=MOST_COLUMNS).contains(&columns);
        fits.then(|| Self { n: 0.0, mean: vec![0.0; columns], products: vec![0.0; columns * columns] })
    }

    /// Takes in a row; one of another length, or with a value that is not finite, is passed over.
    pub fn update(&mut self, row: &[f64]) {
        if row.len() != self.mean.len() || !row.iter().all(|x| x.is_finite()) {
            return;
        }
        let off: Vec<f64> = row.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        self.add(&off, 1.0, self.n / (self.n + 1.0));
    }

    /// Takes in the rows of another of as many columns; of others, nothing.
    pub fn merge(&mut self, other: &Self) {
        if other.n <= 0.0 || other.mean.len() != self.mean.len() {
            return;
        }
        let off: Vec<f64> = other.mean.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        self.add(&off, other.n, self.n * other.n / (self.n + other.n));
        self.products.iter_mut().zip(&other.products).for_each(|(sum, product)| *sum += product);
    }

    fn add(&mut self, off: &[f64], rows: f64, factor: f64) {
        self.n += rows;
        self.mean.iter_mut().zip(off).for_each(|(mean, off)| *mean += off * rows / self.n);
        for (line, a) in self.products.chunks_exact_mut(off.len()).zip(off) {
            line.iter_mut().zip(off).for_each(|(sum, b)| *sum += factor * a * b);
        }
    }

    fn deviations(&self) -> Vec<f64> {
        let d = self.mean.len();
        self.products.iter().step_by(d + 1).map(|square| (square / self.n).sqrt()).collect()
    }
}

/// What was learnt from the reference, and then stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pca {
    mean: Vec<f64>,
    /// One over the deviation; 0 for a column that is constant in the reference.
    scale: Vec<f64>,
    /// Unit vectors.
    components: Vec<Vec<f64>>,
}

impl Pca {
    /// The fewest components that explain at least `share` of the variance of standardised columns;
    /// NannyML's default share is 0.65. `None` without two rows.
    pub fn fit(reference: &Covariance, share: f64) -> Option<Self> {
        if reference.n < 2.0 {
            return None;
        }
        let d = reference.mean.len();
        let deviations = reference.deviations();
        let scale: Vec<f64> = deviations.iter().map(|std| if *std > 0.0 { 1.0 / std } else { 0.0 }).collect();
        let correlation = |at: usize| reference.products[at] / reference.n * scale[at / d] * scale[at % d];
        let mut axes = eigen((0..d * d).map(correlation).collect(), d);
        axes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let total: f64 = axes.iter().map(|(variance, _)| variance).sum();
        let mut explained = 0.0;
        let mut components = Vec::new();
        for (variance, axis) in axes {
            if explained >= share * total {
                break;
            }
            explained += variance;
            components.push(axis);
        }
        Some(Self { mean: reference.mean.clone(), scale, components })
    }

    pub fn components(&self) -> usize {
        self.components.len()
    }

    /// The distance of a row to its projection, in standard deviations of the columns. `None` for a row of
    /// another length.
    pub fn error(&self, row: &[f64]) -> Option<f64> {
        if row.len() != self.mean.len() {
            return None;
        }
        let places = row.iter().zip(&self.mean).zip(&self.scale);
        let mut rest: Vec<f64> =
            places.map(|((x, mean), scale)| if x.is_finite() { (x - mean) * scale } else { 0.0 }).collect();
        for axis in &self.components {
            let along: f64 = rest.iter().zip(axis).map(|(x, a)| x * a).sum();
            rest.iter_mut().zip(axis).for_each(|(x, a)| *x -= along * a);
        }
        Some(rest.iter().map(|x| x * x).sum::<f64>().sqrt())
    }
}

/// Mean and spread of errors over many rows, mergeable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    pub n: f64,
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub m2: f64,
}

impl Errors {
    pub fn update(&mut self, error: f64) {
        if error.is_finite() {
            self.merge(&Self { n: 1.0, mean: error, m2: 0.0 });
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let n = self.n + other.n;
        if n > 0.0 {
            let apart = other.mean - self.mean;
            self.m2 += other.m2 + apart * apart * self.n * other.n / n;
            self.mean += apart * other.n / n;
            self.n = n;
        }
    }

    /// How far the current mean is from this one, in deviations of single rows, and P of that by chance
    /// (Welch's statistic, normal for many rows). `None` without two rows a side.
    pub fn shift(&self, current: &Self) -> Option<(f64, f64)> {
        if self.n < 2.0 || current.n < 2.0 {
            return None;
        }
        let variance = |side: &Self| side.m2 / (side.n - 1.0);
        let apart = current.mean - self.mean;
        let error = (variance(self) / self.n + variance(current) / current.n).sqrt();
        (error > 0.0).then(|| (apart / variance(self).sqrt(), normal_two_sided(apart / error)))
    }
}

/// Eigenvalues and unit eigenvectors of a symmetric matrix, by Jacobi's rotations, each of which makes one
/// pair of entries 0.
fn eigen(mut matrix: Vec<f64>, d: usize) -> Vec<(f64, Vec<f64>)> {
    let mut axes: Vec<Vec<f64>> = (0..d).map(|at| (0..d).map(|to| f64::from(u8::from(at == to))).collect()).collect();
    let size: f64 = matrix.iter().map(|x| x * x).sum();
    for _ in 0..MOST_SWEEPS {
        let pairs = || (0..d).flat_map(|p| (p + 1..d).map(move |q| (p, q)));
        if pairs().map(|(p, q)| matrix[p * d + q].powi(2)).sum::<f64>() <= 1e-24 * size {
            break;
        }
        for (p, q) in pairs() {
            if matrix[p * d + q] != 0.0 {
                rotate(&mut matrix, &mut axes, d, p, q);
            }
        }
    }
    axes.into_iter().enumerate().map(|(at, axis)| (matrix[at * d + at].max(0.0), axis)).collect()
}

fn rotate(matrix: &mut [f64], axes: &mut [Vec<f64>], d: usize, p: usize, q: usize) {
    let theta = (matrix[q * d + q] - matrix[p * d + p]) / (2.0 * matrix[p * d + q]);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    let turned = |a: f64, b: f64| (cosine * a - sine * b, sine * a + cosine * b);
    for at in 0..d {
        (matrix[at * d + p], matrix[at * d + q]) = turned(matrix[at * d + p], matrix[at * d + q]);
    }
    for at in 0..d {
        (matrix[p * d + at], matrix[q * d + at]) = turned(matrix[p * d + at], matrix[q * d + at]);
    }
    let (low, high) = axes.split_at_mut(q);
    low[p].iter_mut().zip(&mut high[0]).for_each(|(a, b)| (*a, *b) = turned(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::super::mmd::normals;
    use super::*;
    use proptest::prelude::*;

    /// Rows of three columns: two go together, the third alone.
    fn rows(count: usize, together: f64, seed: u64) -> Vec<[f64; 3]> {
        let mut normal = normals(seed);
        let mut draw = || normal.next().expect("without end");
        let row = |_| {
            let (a, b, c) = (draw(), draw(), draw());
            [5.0 + 2.0 * a, together * a + (1.0 - together * together).sqrt() * b, 100.0 * c]
        };
        (0..count).map(row).collect()
    }

    fn learnt(rows: &[[f64; 3]]) -> Covariance {
        let mut covariance = Covariance::new(3).expect("three columns");
        rows.iter().for_each(|row| covariance.update(row));
        covariance
    }

    fn errors(pca: &Pca, rows: &[[f64; 3]]) -> Errors {
        let mut errors = Errors::default();
        rows.iter().filter_map(|row| pca.error(row)).for_each(|error| errors.update(error));
        errors
    }

    #[test]
    fn columns_that_no_longer_go_together_are_found() {
        let reference = rows(4000, 0.95, 1);
        let pca = Pca::fit(&learnt(&reference), 0.9).expect("rows");
        assert_eq!(pca.components(), 2, "one for the pair, one for the third");
        let before = errors(&pca, &reference);
        let (_, same) = before.shift(&errors(&pca, &rows(1000, 0.95, 2))).expect("rows");
        let (by, broken) = before.shift(&errors(&pca, &rows(1000, 0.0, 3))).expect("rows");
        assert!(same > 0.001 && broken < 1e-20 && by > 1.0, "{same} {broken} {by}");
    }

    #[test]
    fn odd_rows_and_columns_do_no_harm() {
        assert!(Covariance::new(0).is_none() && Covariance::new(MOST_COLUMNS + 1).is_none());
        let mut covariance = Covariance::new(2).expect("two columns");
        assert_eq!(Pca::fit(&covariance, 0.65), None);
        for row in [&[1.0, 3.0][..], &[2.0, 3.0], &[f64::NAN, 3.0], &[1.0], &[4.0, 3.0]] {
            covariance.update(row);
        }
        let pca = Pca::fit(&covariance, 0.65).expect("three rows");
        assert_eq!((pca.components(), pca.error(&[1.0])), (1, None));
        assert!(pca.error(&[f64::NAN, 1e9]).is_some_and(|error| error < 1e-9), "a constant column has no scale");
        assert_eq!(Errors::default().shift(&Errors::default()), None);
    }

    proptest! {
        #[test]
        fn axes_give_the_matrix_back(entries in prop::collection::vec(-3.0..3.0f64, 36)) {
            let d = 6;
            // A product with its own transpose is symmetric and has no negative eigenvalue.
            let at = |i: usize, j: usize| (0..d).map(|k| entries[i * d + k] * entries[j * d + k]).sum::<f64>();
            let matrix: Vec<f64> = (0..d * d).map(|ij| at(ij / d, ij % d)).collect();
            let axes = eigen(matrix.clone(), d);
            for (ij, wanted) in matrix.iter().enumerate() {
                let got: f64 = axes.iter().map(|(value, axis)| value * axis[ij / d] * axis[ij % d]).sum();
                prop_assert!((got - wanted).abs() < 1e-9, "{} {}", got, wanted);
            }
        }

        #[test]
        fn parts_merge_to_the_whole(cut in 1usize..59, seed in 0u64..1000) {
            let rows = rows(60, 0.5, seed);
            let (mut left, whole) = (learnt(&rows[..cut]), learnt(&rows));
            left.merge(&learnt(&rows[cut..]));
            let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-9 * b.abs().max(1.0));
            prop_assert!(left.n == whole.n && close(&left.mean, &whole.mean) && close(&left.products, &whole.products));
        }
    }
}
