//! Maximum mean discrepancy by random Fourier features: a distance of whole rows from a few sums.
//!
//! A Gaussian kernel is the mean product of random cosines (Rahimi and Recht 2007). So the mean of those
//! cosines over many rows stands for the rows, merges by addition, and two of them give the distance. Its
//! error falls as one over the square root of the number of features.

use serde::{Deserialize, Serialize};
use std::f64::consts::{PI, SQRT_2};

/// Features that are drawn where nothing else is asked for.
pub const FEATURES: usize = 256;
/// Columns times features are bounded by this.
const MOST_WEIGHTS: usize = 1 << 20;

/// The random cosines. Two sides can be compared only through the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RandomFourier {
    columns: usize,
    /// A line of weights for each feature.
    weights: Vec<f64>,
    phases: Vec<f64>,
}

impl RandomFourier {
    /// Features of the kernel `exp(-|x - y|^2 / (2 width^2))` over rows of `columns`. The median distance
    /// between rows is a good width; for standardised columns `sqrt(columns)` is near it. `None` where there
    /// is nothing to draw, too much, or no width.
    pub fn new(columns: usize, features: usize, width: f64, seed: u64) -> Option<Self> {
        let weights = columns.checked_mul(features).filter(|weights| (1..=MOST_WEIGHTS).contains(weights))?;
        if !(width.is_finite() && width > 0.0) {
            return None;
        }
        let mut chance = Uniform(seed);
        let phases = (0..features).map(|_| 2.0 * PI * chance.draw()).collect();
        let weights = normals(seed ^ 0x5eed).take(weights).map(|normal| normal / width).collect();
        Some(Self { columns, weights, phases })
    }

    /// A mean without rows.
    pub fn empty(&self) -> MeanMap {
        MeanMap { n: 0.0, sums: vec![0.0; self.phases.len()], squares: 0.0 }
    }

    /// Takes a row into a mean. One of another length, or with a value that is not finite, is passed over.
    pub fn add(&self, row: &[f64], to: &mut MeanMap) {
        if row.len() != self.columns || to.sums.len() != self.phases.len() || !row.iter().all(|x| x.is_finite()) {
            return;
        }
        let scale = SQRT_2 / (self.phases.len() as f64).sqrt();
        to.n += 1.0;
        for ((line, phase), sum) in self.weights.chunks_exact(self.columns).zip(&self.phases).zip(&mut to.sums) {
            let angle: f64 = line.iter().zip(row).map(|(w, x)| w * x).sum();
            let feature = scale * (angle + phase).cos();
            *sum += feature;
            to.squares += feature * feature;
        }
    }
}

/// Rows as a sum of their features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeanMap {
    pub n: f64,
    sums: Vec<f64>,
    /// The sum over rows of the squared length of their features.
    squares: f64,
}

impl MeanMap {
    /// Takes in the rows of another, made by the same features; of others, nothing.
    pub fn merge(&mut self, other: &Self) {
        if other.sums.len() == self.sums.len() {
            self.n += other.n;
            self.squares += other.squares;
            self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
        }
    }

    /// The squared discrepancy, without bias: where nothing has changed its mean is 0, so it may be below.
    /// `None` without two rows a side.
    pub fn mmd2(&self, other: &Self) -> Option<f64> {
        if self.n < 2.0 || other.n < 2.0 || self.sums.len() != other.sums.len() {
            return None;
        }
        let product = |a: &Self, b: &Self| a.sums.iter().zip(&b.sums).map(|(a, b)| a * b).sum::<f64>();
        // Pairs of a row with itself are left out: they are what makes the plain mean too large.
        let within = |side: &Self| (product(side, side) - side.squares) / (side.n * (side.n - 1.0));
        Some(within(self) + within(other) - 2.0 * product(self, other) / (self.n * other.n))
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, seeded, and the same everywhere.
struct Uniform(u64);

impl Uniform {
    /// In (0, 1].
    fn draw(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 * (1.0 / (1_u64 << 53) as f64) + 0.5 / (1_u64 << 53) as f64
    }
}

/// Standard normal numbers from a seed, by Box and Muller.
pub(in crate::monitor) fn normals(seed: u64) -> impl Iterator<Item = f64> {
    let mut chance = Uniform(seed);
    std::iter::repeat_with(move || (-2.0 * chance.draw().ln()).sqrt() * (2.0 * PI * chance.draw()).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(fourier: &RandomFourier, rows: usize, shift: f64, seed: u64) -> MeanMap {
        let (mut map, mut normal) = (fourier.empty(), normals(seed));
        for _ in 0..rows {
            let row: Vec<f64> = normal.by_ref().take(4).map(|x| x + shift).collect();
            fourier.add(&row, &mut map);
        }
        map
    }

    fn features() -> RandomFourier {
        RandomFourier::new(4, FEATURES, 2.0, 11).expect("four columns")
    }

    /// For normal rows in d columns shifted by delta, the kernel of width h gives
    /// 2 (h^2 / (h^2 + 2))^(d/2) (1 - exp(-|delta|^2 / (2 (h^2 + 2)))).
    #[test]
    fn the_discrepancy_of_a_known_shift() {
        let features = features();
        let reference = side(&features, 4000, 0.0, 1);
        let found = reference.mmd2(&side(&features, 4000, 0.5, 2)).expect("rows");
        let wanted = 2.0 * (4.0f64 / 6.0).powi(2) * (1.0 - (-1.0f64 / 12.0).exp());
        assert!((found / wanted - 1.0).abs() < 0.2, "{found}, expected {wanted}");
    }

    #[test]
    fn nothing_changed_is_nothing_in_the_mean() {
        let features = features();
        let found: Vec<f64> = (0..40)
            .filter_map(|seed| side(&features, 100, 0.0, 2 * seed).mmd2(&side(&features, 100, 0.0, 2 * seed + 1)))
            .collect();
        let mean = found.iter().sum::<f64>() / found.len() as f64;
        assert!(mean.abs() < 0.002 && found.iter().any(|x| *x < 0.0), "{mean}; a biased mean is 0.01");
    }

    #[test]
    fn parts_merge_to_the_whole() {
        let features = features();
        let (mut left, right) = (side(&features, 30, 0.0, 1), side(&features, 50, 1.0, 2));
        let other = side(&features, 40, 0.5, 3);
        let (n, squares) = (left.n + right.n, left.squares + right.squares);
        left.merge(&right);
        assert_eq!((left.n, left.squares), (n, squares));
        assert!(left.mmd2(&other).is_some_and(f64::is_finite));
    }

    #[test]
    fn what_cannot_be_is_none() {
        for (columns, features, width) in
            [(0, 9, 1.0), (9, 0, 1.0), (1 << 12, 1 << 12, 1.0), (2, 2, 0.0), (2, 2, f64::NAN)]
        {
            assert!(RandomFourier::new(columns, features, width, 1).is_none(), "{columns} {features} {width}");
        }
        let features = features();
        let mut map = features.empty();
        for row in [&[1.0][..], &[1.0, 2.0, f64::NAN, 4.0]] {
            features.add(row, &mut map);
        }
        assert_eq!((map.n, map.mmd2(&side(&features, 9, 0.0, 1))), (0.0, None));
    }
}
