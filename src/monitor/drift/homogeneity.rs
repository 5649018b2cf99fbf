//! Tests of whether two sides of counts have one law.
//!
//! Both sides are samples. A goodness-of-fit test takes the reference for the exact law and then finds
//! a change where there is none: at nominal 5 % in 36 % of cases, for six categories and 500 rows a side.

use super::bins::{Cell, is_empty, sum};
use super::special;

/// Pearson's statistic of a 2 x B table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chi2 {
    pub statistic: f64,
    /// Bins that hold anything, less one.
    pub df: usize,
    pub p: f64,
}

/// The chi-square test of homogeneity.
pub(super) fn chi2(bins: &[Cell]) -> Chi2 {
    let [n, m] = sum(bins);
    let df = bins.iter().filter(|bin| !is_empty(**bin)).count().saturating_sub(1);
    if n <= 0.0 || m <= 0.0 || df == 0 {
        return Chi2 { statistic: 0.0, df: 0, p: 1.0 };
    }
    let (a, b) = ((n / m).sqrt(), (m / n).sqrt());
    let term = |[r, c]: &Cell| (a * c - b * r).powi(2) / (r + c);
    let statistic = bins.iter().filter(|bin| !is_empty(**bin)).map(term).sum();
    Chi2 { statistic, df, p: special::chi2_sf(statistic, df as f64) }
}

/// Two shares compared: how many of `rows` are `hits`, on either side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Proportions {
    /// Standard deviations by which the current share is above the reference's.
    pub z: f64,
    /// P of so large a share, or a larger one.
    pub above: f64,
    /// P of so small a share, or a smaller one.
    pub below: f64,
}

impl Proportions {
    pub fn two_sided(&self) -> f64 {
        (2.0 * self.above.min(self.below)).min(1.0)
    }
}

/// The two-proportion z test; where fewer than `plenty` hits are expected on the smaller side, the exact
/// law instead: given all hits, those on the current side are binomial by its share of the rows.
pub(super) fn proportions([r, c]: Cell, [n, m]: Cell) -> Option<Proportions> {
    let (all, rows) = (r + c, n + m);
    if n <= 0.0 || m <= 0.0 || all <= 0.0 || all >= rows {
        return None;
    }
    let pooled = all / rows;
    let z = (c / m - r / n) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    let (above, below) = if all.min(rows - all) * n.min(m) / rows >= PLENTY {
        (special::normal_sf(z), special::normal_sf(-z))
    } else if pooled <= 0.5 {
        exact(c, all, m / rows)
    } else {
        let (above, below) = exact(m - c, rows - all, m / rows);
        (below, above)
    };
    Some(Proportions { z, above, below })
}

/// Expected hits from which on z is normal enough far out in its tail.
const PLENTY: f64 = 20.0;

fn exact(hits: f64, all: f64, chance: f64) -> (f64, f64) {
    (special::binomial_at_least(hits, all, chance), special::binomial_at_most(hits, all, chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy's `chi2_contingency`; a goodness of fit would say 3.174603.
    #[test]
    fn both_sides_are_samples() {
        let bins = [[16.0, 16.0], [18.0, 16.0], [16.0, 16.0], [14.0, 16.0], [12.0, 16.0], [12.0, 8.0], [0.0, 0.0]];
        let found = chi2(&bins);
        assert!((found.statistic - 1.622_409).abs() < 5e-7, "{found:?}");
        assert!((found.p - 0.898_526).abs() < 5e-7, "{found:?}");
        assert_eq!(found.df, 5);
    }

    #[test]
    fn one_bin_or_one_side_is_no_evidence() {
        for bins in [&[[5.0, 9.0]][..], &[[5.0, 0.0], [9.0, 0.0]], &[]] {
            assert_eq!(chi2(bins).p, 1.0, "{bins:?}");
        }
    }

    #[test]
    fn few_hits_are_judged_by_the_exact_law() {
        let found = proportions([0.0, 10.0], [10_000.0, 1000.0]).expect("some hits, not all");
        let wanted = (1.0f64 / 11.0).powi(10);
        assert!((found.above / wanted - 1.0).abs() < 1e-10, "{found:?}, expected {wanted}");
        assert!((found.below - 1.0).abs() < 1e-12);
        let mirrored = proportions([10_000.0, 990.0], [10_000.0, 1000.0]).expect("not all are hits");
        assert!((mirrored.below / wanted - 1.0).abs() < 1e-9, "{mirrored:?}, expected {wanted}");
    }

    #[test]
    fn many_hits_are_judged_by_z() {
        let found = proportions([500.0, 600.0], [5000.0, 5000.0]).expect("some hits, not all");
        let z = 0.02 / (0.11f64 * 0.89 * 2.0 / 5000.0).sqrt();
        assert!((found.z - z).abs() < 1e-12);
        assert!((found.above / special::normal_sf(z) - 1.0).abs() < 1e-12);
        assert!(found.two_sided() < 0.002);
    }

    #[test]
    fn none_or_all_say_nothing() {
        for (hits, rows) in [([0.0, 0.0], [9.0, 9.0]), ([9.0, 9.0], [9.0, 9.0]), ([1.0, 0.0], [9.0, 0.0])] {
            assert_eq!(proportions(hits, rows), None);
        }
    }
}
