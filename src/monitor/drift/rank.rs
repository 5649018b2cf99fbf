//! Tests that use the order of the cells: Kolmogorov-Smirnov, scores for location and spread, tails.
//!
//! They see only ranks, so a change of units, a logarithm or one huge value does not matter. Rows within
//! one cell are tied.

use super::bins::{Cell, is_empty, sum};
use super::{homogeneity, special};

/// The two-sample Kolmogorov-Smirnov statistic on shared edges.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ks {
    /// The largest difference between the CDFs at an edge.
    pub statistic: f64,
    /// What it is at most between edges: the largest share of a cell more.
    pub upper: f64,
    /// By the law of large samples. Too large rather than too small, for ties make the statistic smaller.
    pub p: f64,
}

pub(super) fn ks(cells: &[Cell]) -> Option<Ks> {
    let [n, m] = sum(cells);
    if n <= 0.0 || m <= 0.0 {
        return None;
    }
    let (mut below, mut statistic, mut largest) = ([0.0; 2], 0.0, 0.0);
    for [r, c] in cells {
        below = [below[0] + r, below[1] + c];
        statistic = f64::max(statistic, (below[0] / n - below[1] / m).abs());
        largest = f64::max(largest, f64::max(r / n, c / m));
    }
    let p = special::kolmogorov_sf(statistic * (n * m / (n + m)).sqrt());
    Some(Ks { statistic, upper: (statistic + largest).min(1.0), p })
}

/// P of as many current values in an outermost cell, either one, where nothing has changed.
///
/// Few rows far out move neither the middle nor, much, the spread; this is what finds them.
pub(super) fn tails(cells: &[Cell]) -> Option<f64> {
    let rows = sum(cells);
    let outer = [cells.first()?, cells.last()?].map(|cell| homogeneity::proportions(*cell, rows));
    let p = outer.iter().flatten().map(|found| found.above).reduce(f64::min)?;
    Some((2.0 * p).min(1.0))
}

/// Whether the current side lies higher, and whether it is wider: standard normal where nothing changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scores {
    pub location: f64,
    pub spread: f64,
}

/// Normal scores (van der Waerden) for location, their squares (Klotz) for spread.
///
/// Against a shift these lose nothing to a t test on normal data and win on all other (Chernoff and
/// Savage 1958). The variance is that of a draw without replacement from the pooled scores, exact with
/// ties; the skewness of that draw is taken out of the statistic (the first term of Cornish and Fisher),
/// without which few rows beside many would be called wide too often.
pub(super) fn scores(cells: &[Cell]) -> Option<Scores> {
    let [n, m] = sum(cells);
    let all = n + m;
    if n <= 0.0 || m <= 0.0 || all <= 3.0 {
        return None;
    }
    let mut below = 0.0;
    let mut scored = Vec::with_capacity(cells.len());
    for cell in cells.iter().filter(|cell| !is_empty(**cell)) {
        let tied = cell[0] + cell[1];
        scored.push((*cell, special::normal_quantile((below + 0.5 * tied) / all)));
        below += tied;
    }
    let location = standardised(&scored, |score| score, [n, m])?;
    let spread = standardised(&scored, |score| score * score, [n, m]).unwrap_or(0.0);
    Some(Scores { location, spread })
}

/// How far the current side's sum of scores is from its mean, in standard deviations, less its skewness.
/// `None` where all scores are one.
fn standardised(scored: &[(Cell, f64)], of: impl Fn(f64) -> f64, [n, m]: Cell) -> Option<f64> {
    let all = n + m;
    let mean = scored.iter().map(|([r, c], score)| (r + c) * of(*score)).sum::<f64>() / all;
    let (mut drawn, mut squares, mut cubes) = (0.0, 0.0, 0.0);
    for ([r, c], score) in scored {
        let off = of(*score) - mean;
        drawn += c * off;
        squares += (r + c) * off * off;
        cubes += (r + c) * off * off * off;
    }
    let variance = n * m / (all * (all - 1.0)) * squares;
    // Scores of a symmetric table differ by rounding alone.
    if variance <= 1e-12 * n.min(m) {
        return None;
    }
    let skewness = n * m * (n - m) / (all * (all - 1.0) * (all - 2.0)) * cubes / variance.powf(1.5);
    Some(unskewed(drawn / variance.sqrt(), skewness))
}

/// Cornish and Fisher's first correction, held at its turning point where it would no longer grow with z.
fn unskewed(z: f64, skewness: f64) -> f64 {
    let z = if skewness * z > 3.0 { 3.0 / skewness } else { z };
    z - skewness * (z * z - 1.0) / 6.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn halves(reference: [f64; 4], current: [f64; 4]) -> Vec<Cell> {
        reference.into_iter().zip(current).map(|(r, c)| [r, c]).collect()
    }

    #[test]
    fn ks_is_the_largest_gap_at_an_edge() {
        let found = ks(&halves([4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0])).expect("both sides have rows");
        assert!((found.statistic - 0.4).abs() < 1e-15);
        assert!((found.upper - 0.8).abs() < 1e-15);
        assert!((found.p - special::kolmogorov_sf(0.4 * 5f64.sqrt())).abs() < 1e-15);
        assert_eq!(ks(&halves([1.0, 1.0, 1.0, 1.0], [0.0; 4])), None);
    }

    /// scipy's figures for these rows: D, and the p of its asymptotic mode.
    #[test]
    fn ks_of_known_rows() {
        let x = [38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0];
        let y = [39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8];
        let mut edges = [x, y].concat();
        edges.sort_by(f64::total_cmp);
        let at = |rows: &[f64; 8], edge: f64| rows.iter().filter(|row| **row == edge).count() as f64;
        let cells: Vec<Cell> = edges.iter().map(|edge| [at(&x, *edge), at(&y, *edge)]).collect();
        let found = ks(&cells).expect("both sides have rows");
        assert!((found.statistic - 0.625).abs() < 1e-12 && (found.p - 0.087_866_414).abs() < 1e-8, "{found:?}");
    }

    #[test]
    fn scores_tell_the_direction() {
        let even = [100.0; 4];
        let higher = scores(&halves(even, [60.0, 80.0, 120.0, 140.0])).expect("rows");
        assert!(higher.location > 4.0 && higher.spread.abs() < 2.0, "{higher:?}");
        let wider = scores(&halves(even, [130.0, 70.0, 70.0, 130.0])).expect("rows");
        assert!(wider.location.abs() < 1e-9 && wider.spread > 4.0, "{wider:?}");
        let narrower = scores(&halves(even, [70.0, 130.0, 130.0, 70.0])).expect("rows");
        assert!((narrower.spread + wider.spread).abs() < 1e-9, "{narrower:?}");
    }

    #[test]
    fn few_rows_far_out_are_found() {
        let mut cells = vec![[100.0, 10.0]; 100];
        cells[99] = [100.0, 60.0];
        let scores = scores(&cells).expect("rows");
        assert!(tails(&cells).is_some_and(|p| p < 1e-15) && scores.spread < 8.0, "{scores:?}");
        assert!(tails(&[[100.0, 10.0]; 100]).is_some_and(|p| p > 0.5));
        assert_eq!((tails(&[]), tails(&[[9.0, 9.0]])), (None, None));
    }

    #[test]
    fn ties_and_constants_say_nothing() {
        assert_eq!(scores(&[[50.0, 20.0]]), None);
        assert_eq!(scores(&[[0.0, 0.0], [50.0, 20.0], [0.0, 0.0]]), None);
        let even = scores(&[[50.0, 20.0], [50.0, 20.0]]).expect("two values");
        assert!(even.location.abs() < 1e-9, "{even:?}");
    }

    #[test]
    fn the_correction_for_skewness_grows_with_z() {
        let mut last = f64::NEG_INFINITY;
        for step in 0..200 {
            let z = unskewed(f64::from(step) * 0.1 - 5.0, 0.4);
            assert!(z >= last, "{step}: {z} after {last}");
            last = z;
        }
    }
}
