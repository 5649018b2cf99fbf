//! How far apart two distributions are, by the measures that people compare.
//!
//! For small changes four of them are one number: PSI ~ 8 JS^2 ~ 8 H^2, with JS the distance. None
//! says whether the change is more than chance: that is what the tests are for.

use super::bins::{Cell, is_empty, sum};

/// Distances between the shares of two sides.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Distances {
    /// Jensen-Shannon distance, natural logarithm: the square root of the divergence.
    pub js: f64,
    pub hellinger: f64,
    /// Total variation distance: half the sum of the differences.
    pub tvd: f64,
    /// The largest difference.
    pub linf: f64,
}

/// All but PSI. A side without rows is as far as can be.
pub(super) fn distances(cells: &[Cell]) -> Distances {
    let [n, m] = sum(cells);
    let mut found = Distances::default();
    let (mut divergence, mut hellinger) = (0.0, 0.0);
    for (p, q) in cells.iter().map(|[r, c]| (share(*r, n), share(*c, m))) {
        let middle = 0.5 * (p + q);
        divergence += 0.5 * (kl_term(p, middle) + kl_term(q, middle));
        hellinger += 0.5 * (p.sqrt() - q.sqrt()).powi(2);
        found.tvd += 0.5 * (p - q).abs();
        found.linf = f64::max(found.linf, (p - q).abs());
    }
    found.js = f64::max(divergence, 0.0).sqrt();
    found.hellinger = hellinger.sqrt();
    found
}

/// Population stability index: the sum of `(p - q) ln(p / q)`.
///
/// A side with an empty bin gets half a row more in every bin; a fixed small share in its place would
/// make one unseen value weigh as much as the constant chosen. Bins that both sides leave empty say
/// nothing and are left out.
pub(super) fn psi(bins: &[Cell]) -> f64 {
    let used: Vec<Cell> = bins.iter().copied().filter(|bin| !is_empty(*bin)).collect();
    let side = |at: usize| {
        let extra = if used.iter().any(|bin| bin[at] <= 0.0) { 0.5 } else { 0.0 };
        let total = sum(&used)[at] + extra * used.len() as f64;
        move |bin: &Cell| (bin[at] + extra) / total
    };
    let (p, q) = (side(0), side(1));
    used.iter().map(|bin| (p(bin) - q(bin)) * (p(bin) / q(bin)).ln()).sum()
}

/// What PSI is in the mean where nothing has changed: `(B - 1) (1/n + 1/m)` over `B` used bins.
pub(super) fn psi_by_chance(bins: &[Cell]) -> f64 {
    let used = bins.iter().filter(|bin| !is_empty(**bin)).count();
    let [n, m] = sum(bins);
    if n > 0.0 && m > 0.0 { used.saturating_sub(1) as f64 * (1.0 / n + 1.0 / m) } else { 0.0 }
}

/// The reference's range, mean and standard deviation, and the current mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub low: f64,
    pub high: f64,
    pub reference_mean: f64,
    pub reference_std: f64,
    pub current_mean: f64,
}

impl Scale {
    /// How far the mean has moved, in standard deviations of the reference.
    pub fn mean_shift(&self) -> Option<f64> {
        let shift = (self.current_mean - self.reference_mean) / self.reference_std;
        (self.reference_std > 0.0 && shift.is_finite()).then_some(shift)
    }

    /// The first Wasserstein distance in standard deviations of the reference, from counts on `edges`.
    ///
    /// Between edges it is the sum of the CDFs' difference times the width; the outer cells reach to the
    /// reference's extremes and no further, so that a single huge value cannot stand for a whole cell.
    /// The difference of the means is a lower bound of the distance and takes over beyond that. The
    /// error is at most the sum over the cells of the larger share times the width.
    pub fn wasserstein(&self, cells: &[Cell], edges: &[f64]) -> Option<f64> {
        let ([n, m], mut below) = (sum(cells), [0.0; 2]);
        if edges.len() + 1 != cells.len() || n <= 0.0 || m <= 0.0 {
            return None;
        }
        let mut area = 0.0;
        for (at, (cell, edge)) in cells.iter().zip(edges).enumerate() {
            below = [below[0] + cell[0], below[1] + cell[1]];
            let apart = (below[0] / n - below[1] / m).abs();
            let before = if at == 0 { 0.5 * (edge - self.low).max(0.0) } else { 0.0 };
            let after = edges.get(at + 1).map_or_else(|| 0.5 * (self.high - edge).max(0.0), |next| next - edge);
            area += apart * (before + after);
        }
        let distance = (area / self.reference_std).max(self.mean_shift()?.abs());
        distance.is_finite().then_some(distance)
    }
}

fn share(count: f64, total: f64) -> f64 {
    if total > 0.0 { count / total } else { 0.0 }
}

fn kl_term(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * (p / q).ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const P: [f64; 6] = [16.0, 18.0, 16.0, 14.0, 12.0, 12.0];
    const Q: [f64; 6] = [16.0, 16.0, 16.0, 16.0, 16.0, 8.0];

    fn cells(p: &[f64], q: &[f64]) -> Vec<Cell> {
        p.iter().zip(q).map(|(p, q)| [*p, *q]).collect()
    }

    /// scipy's figures.
    #[test]
    fn distances_of_known_counts() {
        let cells = cells(&P, &Q);
        let found = distances(&cells);
        for (got, wanted) in [
            (found.js, 0.068_048_2),
            (found.js / 2f64.ln().sqrt(), 0.081_734_2),
            (found.hellinger, 0.068_127_7),
            (found.linf, 0.045_454_5),
            (psi(&cells), 0.037_218_4),
        ] {
            assert!((got - wanted).abs() < 5e-8, "{got}, expected {wanted}");
        }
        assert!((found.tvd - 6.0 / 88.0).abs() < 1e-15, "{}", found.tvd);
    }

    #[test]
    fn small_changes_are_one_number() {
        let cells = cells(&[1000.0, 1010.0, 990.0, 1000.0], &[1002.0, 1000.0, 1000.0, 998.0]);
        let (found, psi) = (distances(&cells), psi(&cells));
        assert!((found.js.powi(2) / psi - 0.125).abs() < 1e-4);
        assert!((found.hellinger.powi(2) / psi - 0.125).abs() < 1e-4);
    }

    #[test]
    fn empty_bins_are_smoothed_on_the_side_that_has_them() {
        let half = psi(&[[50.0, 49.0], [50.0, 51.0], [0.0, 0.0]]);
        assert!((half - (0.01 * (0.5f64 / 0.49).ln() - 0.01 * (0.5f64 / 0.51).ln())).abs() < 1e-15);
        let unseen = psi(&[[100.0, 90.0], [0.0, 10.0]]);
        let (p, q) = (0.5_f64 / 101.0, 0.1_f64);
        let wanted = (p - q) * (p / q).ln() + (q - p) * ((1.0 - p) / (1.0 - q)).ln();
        assert!((unseen - wanted).abs() < 1e-15, "{unseen}, expected {wanted}");
    }

    #[test]
    fn one_value_on_both_sides_is_no_distance() {
        let cells = [[7.0, 3.0]];
        assert_eq!((psi(&cells), distances(&cells)), (0.0, Distances::default()));
        assert_eq!(psi_by_chance(&cells), 0.0);
    }

    #[test]
    fn wasserstein_of_a_shift_is_the_shift() {
        let edges: Vec<f64> = (1..100).map(f64::from).collect();
        let reference = vec![10.0; 100];
        let current: Vec<f64> = (0..100).map(|at| if at < 10 { 0.0 } else { 1000.0 / 90.0 }).collect();
        let scale = Scale { low: 0.0, high: 100.0, reference_mean: 50.0, reference_std: 28.87, current_mean: 55.0 };
        let found = scale.wasserstein(&cells(&reference, &current), &edges).expect("both sides have rows");
        assert!((found - 5.0 / 28.87).abs() < 1e-3, "{found}");
    }

    #[test]
    fn wasserstein_beyond_the_range_is_the_shift_of_the_mean() {
        let scale = Scale { low: 0.0, high: 1.0, reference_mean: 0.5, reference_std: 0.25, current_mean: 100.5 };
        assert_eq!(scale.wasserstein(&[[5.0, 0.0], [5.0, 10.0]], &[0.5]), Some(400.0));
        let constant = Scale { reference_std: 0.0, ..scale };
        assert_eq!(constant.wasserstein(&[[5.0, 0.0], [5.0, 10.0]], &[0.5]), None);
    }
}
