//! What a comparison shows where nothing has changed, learnt from panes of the reference.
//!
//! Rows that come in bursts, from the same users or in the same minute, vary more than independent ones.
//! Each pane of the reference is compared with all the others: with the whole, itself included, every
//! figure would come out too small.

use super::bins::{Cell, Counts, Pair, is_empty};
use super::compare::BINS;
use super::{distance, homogeneity};
use serde::{Deserialize, Serialize};

/// How a column's panes differ from each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispersion {
    /// Panes that could be compared.
    pub panes: usize,
    /// The median of chi-square over what independent rows give; 1 for those.
    pub ratio: f64,
    /// Corrected PSI of a pane against the others: its mean, and its deviation (by N - 1).
    pub psi_mean: f64,
    pub psi_deviation: f64,
}

/// Compares each pane with the sum of the others. `ordered` columns are folded into bins as numeric ones
/// are, the rest taken by category. `None` with fewer than three panes that can be compared.
pub fn leave_one_out(panes: &[Counts], ordered: bool) -> Option<Dispersion> {
    let cells = panes.first()?.cells.len();
    let panes: Vec<&Counts> = panes.iter().filter(|pane| pane.cells.len() == cells).collect();
    let rows: Vec<(Vec<f64>, f64)> = panes.iter().filter_map(|pane| effective(pane)).collect();
    let mut all = (vec![0.0; cells], 0.0);
    for (pane, missing) in &rows {
        all.0.iter_mut().zip(pane).for_each(|(sum, count)| *sum += count);
        all.1 += missing;
    }
    let found: Vec<(f64, f64)> = rows.iter().filter_map(|pane| against_rest(pane, &all, ordered)).collect();
    if found.len() < 3 {
        return None;
    }
    let n = found.len() as f64;
    let psi_mean = found.iter().map(|(_, psi)| psi).sum::<f64>() / n;
    let psi_deviation = (found.iter().map(|(_, psi)| (psi - psi_mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let ratio = median(found.iter().map(|(ratio, _)| *ratio).collect())?;
    Some(Dispersion { panes: found.len(), ratio, psi_mean, psi_deviation })
}

/// The overdispersion of a model's traffic: the median over its columns, and never below 1. A single
/// column's own ratio is too uncertain to be used alone.
pub fn overdispersion<'a>(columns: impl IntoIterator<Item = &'a Dispersion>) -> f64 {
    let ratios = columns.into_iter().map(|column| column.ratio).filter(|ratio| ratio.is_finite()).collect();
    median(ratios).unwrap_or(1.0).max(1.0)
}

/// Counts scaled to effective rows.
fn effective(pane: &Counts) -> Option<(Vec<f64>, f64)> {
    let pair = Pair::new(pane, pane, 1.0)?;
    Some((pair.cells.iter().map(|cell| cell[0]).collect(), pair.missing[0]))
}

/// Chi-square over its median for independent rows, and the corrected PSI, of a pane beside all others.
fn against_rest(pane: &(Vec<f64>, f64), all: &(Vec<f64>, f64), ordered: bool) -> Option<(f64, f64)> {
    let rest: Vec<f64> = all.0.iter().zip(&pane.0).map(|(all, own)| (all - own).max(0.0)).collect();
    let rest_missing = (all.1 - pane.1).max(0.0);
    let counts = |cells, missing| -> Counts {
        let cells: &[f64] = cells;
        Counts { cells, missing, n_eff: cells.iter().sum::<f64>() + missing }
    };
    let pair = Pair::new(&counts(&rest, rest_missing), &counts(&pane.0, pane.1), 1.0)?;
    let mut bins: Vec<Cell> = if ordered { pair.equal_mass(BINS).bins } else { pair.frequent().0 };
    bins.extend(Some(pair.missing).filter(|missing| !is_empty(*missing) && pair.is_plenty(*missing)));
    let chi2 = homogeneity::chi2(&bins);
    let psi = distance::psi(&bins) - distance::psi_by_chance(&bins);
    (chi2.df > 0).then(|| (chi2.statistic / chi2_median(chi2.df as f64), psi))
}

/// Wilson and Hilferty's approximation, within 1 % from 2 degrees on.
fn chi2_median(df: f64) -> f64 {
    df * (1.0 - 2.0 / (9.0 * df)).powi(3)
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    let lower = values.get((values.len() - 1) / 2)?;
    Some(0.5 * (lower + upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panes of `rows` draws over 20 cells, each draw counted `copies` times.
    fn panes(count: usize, rows: usize, copies: f64, seed: u64) -> Vec<Vec<f64>> {
        let mut state = seed;
        let mut draw = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as usize % 20
        };
        let mut pane = |_| {
            let mut cells = vec![0.0; 20];
            (0..rows).for_each(|_| cells[draw()] += copies);
            cells
        };
        (0..count).map(&mut pane).collect()
    }

    fn dispersion(panes: &[Vec<f64>], ordered: bool) -> Option<Dispersion> {
        let counts = panes.iter().map(|cells| Counts { cells, missing: 0.0, n_eff: cells.iter().sum() });
        leave_one_out(&counts.collect::<Vec<_>>(), ordered)
    }

    #[test]
    fn independent_rows_have_ratio_one() {
        for ordered in [true, false] {
            let found = dispersion(&panes(60, 1000, 1.0, 5), ordered).expect("sixty panes");
            assert!((found.ratio - 1.0).abs() < 0.15 && found.psi_mean.abs() < 0.004, "{found:?}");
        }
    }

    #[test]
    fn rows_that_come_in_fours_have_ratio_four() {
        let columns: Vec<Dispersion> = (1..6).filter_map(|seed| dispersion(&panes(24, 500, 4.0, seed), true)).collect();
        let found = overdispersion(&columns);
        assert!((found - 4.0).abs() < 0.6, "{found}");
    }

    #[test]
    fn what_cannot_be_learnt_is_none() {
        assert_eq!(dispersion(&panes(2, 1000, 1.0, 1), true), None);
        assert_eq!(dispersion(&[], true), None);
        assert_eq!(dispersion(&vec![vec![0.0; 20]; 9], true), None);
        assert_eq!(overdispersion(&[]), 1.0);
        let calm = Dispersion { panes: 9, ratio: 0.4, psi_mean: 0.0, psi_deviation: 0.0 };
        assert_eq!(overdispersion(&[calm]), 1.0, "never more sure than independent rows");
    }
}
