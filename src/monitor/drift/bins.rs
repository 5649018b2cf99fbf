//! Counts of two sides side by side, folded into the bins that each statistic needs.
//!
//! Everything below works on effective rows: weighted counts scaled so that they sum to the effective
//! sample size, divided by the overdispersion. So a weight, and rows that resemble their neighbours,
//! count once here and nowhere else.

/// What one side knows of a column.
///
/// `cells` are weighted counts: of a numeric column on the reference's edges, with -inf in the first
/// cell and +inf in the last; of a categorical one by code, all unseen values in the last. `missing`
/// counts nulls and NaN, on the same scale. `n_eff` is the effective number of rows that all of these
/// come from, `(sum w)^2 / sum w^2`: the plain number of rows where every row counts the same.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    pub cells: &'a [f64],
    pub missing: f64,
    pub n_eff: f64,
}

impl Counts<'_> {
    /// What a weighted count is multiplied with to get effective rows. `None` where there is nothing to
    /// scale, or a count is negative or no number.
    fn scale(&self) -> Option<f64> {
        let sound = |count: &f64| count.is_finite() && *count >= 0.0;
        if !self.cells.iter().all(sound) || !sound(&self.missing) {
            return None;
        }
        let total = self.cells.iter().sum::<f64>() + self.missing;
        let scale = self.n_eff / total;
        (total > 0.0 && scale > 0.0 && scale.is_finite()).then_some(scale)
    }
}

/// Reference and current count of one cell.
pub(super) type Cell = [f64; 2];

/// A test on counts wants at least this many expected rows in a cell on either side.
const LEAST_EXPECTED: f64 = 5.0;
/// Bins are made no narrower than this many rows of the smaller side.
const ROWS_PER_BIN: f64 = 10.0;

/// Both sides of a column, in effective rows.
#[derive(Debug)]
pub(super) struct Pair {
    pub cells: Vec<Cell>,
    pub missing: Cell,
}

/// Cells joined into bins, and the last cell of each.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Folded {
    pub bins: Vec<Cell>,
    pub ends: Vec<usize>,
}

impl Pair {
    /// `None` where the sides do not have the same cells, or one has no rows.
    pub fn new(reference: &Counts, current: &Counts, overdispersion: f64) -> Option<Self> {
        if reference.cells.len() != current.cells.len() || reference.cells.is_empty() {
            return None;
        }
        let shrink = if overdispersion.is_finite() { overdispersion.max(1.0) } else { 1.0 };
        let (r, c) = (reference.scale()? / shrink, current.scale()? / shrink);
        let cells = reference.cells.iter().zip(current.cells).map(|(a, b)| [a * r, b * c]).collect();
        Some(Self { cells, missing: [reference.missing * r, current.missing * c] })
    }

    /// Effective rows that are not missing.
    pub fn present(&self) -> Cell {
        sum(&self.cells)
    }

    /// Effective rows.
    pub fn rows(&self) -> Cell {
        let [n, m] = self.present();
        [n + self.missing[0], m + self.missing[1]]
    }

    /// Neighbouring cells joined into at most `most` bins of equal reference mass, each with enough
    /// expected rows for a test. A value that holds more than its share keeps a bin of its own.
    pub fn equal_mass(&self, most: usize) -> Folded {
        let ([n, m], rows) = (self.present(), self.rows());
        let wanted = (n.min(m) / ROWS_PER_BIN).clamp(1.0, most.max(1) as f64).floor();
        let mut folded = Folded::default();
        let (mut open, mut below, mut last) = ([0.0; 2], 0.0, f64::NAN);
        for (at, cell) in self.cells.iter().enumerate() {
            let place = if n > 0.0 { ((below + 0.5 * cell[0]) / n * wanted).floor().min(wanted - 1.0) } else { 0.0 };
            if place != last && expected(open, rows) >= LEAST_EXPECTED {
                folded.bins.push(open);
                folded.ends.push(at - 1);
                open = [0.0; 2];
            }
            last = place;
            below += cell[0];
            open = [open[0] + cell[0], open[1] + cell[1]];
        }
        match folded.bins.last_mut() {
            Some(end) if expected(open, rows) < LEAST_EXPECTED => {
                *end = [end[0] + open[0], end[1] + open[1]];
                folded.ends.pop();
            }
            _ => folded.bins.push(open),
        }
        folded.ends.push(self.cells.len() - 1);
        folded
    }

    /// The cells with enough expected rows for a test, and all others added up.
    pub fn frequent(&self) -> (Vec<Cell>, Cell) {
        let rows = self.rows();
        let (kept, rare): (Vec<_>, Vec<_>) =
            self.cells.iter().copied().partition(|cell| expected(*cell, rows) >= LEAST_EXPECTED);
        (kept, sum(&rare))
    }

    /// Whether a count is large enough on both sides for the laws of large samples.
    pub fn is_plenty(&self, cell: Cell) -> bool {
        expected(cell, self.rows()) >= LEAST_EXPECTED
    }
}

pub(super) fn sum(cells: &[Cell]) -> Cell {
    cells.iter().fold([0.0; 2], |[n, m], [r, c]| [n + r, m + c])
}

pub(super) fn is_empty(cell: Cell) -> bool {
    cell[0] + cell[1] <= 0.0
}

/// Rows of the smaller side that a cell would hold if both sides had one law.
fn expected(cell: Cell, [n, m]: Cell) -> f64 {
    (cell[0] + cell[1]) * n.min(m) / (n + m)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(reference: &[f64], current: &[f64]) -> Pair {
        let counts = |cells: &'static [f64]| Counts { cells, missing: 0.0, n_eff: cells.iter().sum() };
        Pair::new(&counts(reference.to_vec().leak()), &counts(current.to_vec().leak()), 1.0).expect("both have rows")
    }

    #[test]
    fn equal_cells_fold_into_equal_bins() {
        let folded = pair(&[100.0; 120], &[10.0; 120]).equal_mass(20);
        assert_eq!(folded.bins, vec![[600.0, 60.0]; 20]);
        assert_eq!(folded.ends, (1..=20).map(|bin| bin * 6 - 1).collect::<Vec<_>>());
    }

    #[test]
    fn few_rows_get_few_bins() {
        assert_eq!(pair(&[100.0; 120], &[0.5; 120]).equal_mass(20).bins.len(), 6);
        let one = Folded { bins: vec![[1.0, 1.0]], ends: vec![0] };
        assert_eq!(pair(&[1.0], &[1.0]).equal_mass(20), one);
    }

    #[test]
    fn a_heavy_value_keeps_its_bin() {
        let mut reference = [10.0; 40];
        reference[0] = 400.0;
        let folded = pair(&reference, &[100.0; 40]).equal_mass(10);
        assert_eq!((folded.bins[0], folded.ends[0]), ([400.0, 100.0], 0));
        assert_eq!((sum(&folded.bins), folded.ends.last()), ([790.0, 4000.0], Some(&39)));
    }

    #[test]
    fn rare_categories_are_added_up() {
        let (kept, rare) = pair(&[500.0, 496.0, 3.0, 1.0, 0.0], &[50.0, 48.0, 0.0, 1.0, 1.0]).frequent();
        assert_eq!((kept.len(), rare), (2, [4.0, 2.0]));
    }

    #[test]
    fn weights_scale_to_effective_rows() {
        let weighted = Counts { cells: &[64.0, 128.0], missing: 64.0, n_eff: 8.0 };
        let plain = Counts { cells: &[4.0, 4.0], missing: 0.0, n_eff: 8.0 };
        let pair = Pair::new(&weighted, &plain, 2.0).expect("both have rows");
        assert_eq!((pair.cells, pair.missing), (vec![[1.0, 2.0], [2.0, 2.0]], [1.0, 0.0]));
    }

    #[test]
    fn what_cannot_be_compared_is_none() {
        let good = Counts { cells: &[1.0, 2.0], missing: 0.0, n_eff: 3.0 };
        for (cells, missing, n_eff) in [
            (&[1.0][..], 0.0, 1.0),
            (&[0.0, 0.0], 0.0, 1.0),
            (&[1.0, f64::NAN], 0.0, 1.0),
            (&[1.0, -1.0], 3.0, 1.0),
            (&[1.0, 1.0], 0.0, 0.0),
            (&[1.0, 1.0], f64::INFINITY, 1.0),
            (&[1.0, 1.0], 0.0, f64::NAN),
        ] {
            assert!(Pair::new(&good, &Counts { cells, missing, n_eff }, 1.0).is_none(), "{cells:?} {missing} {n_eff}");
        }
    }
}
