//! The borders between the cells in which a numeric column is counted.
//!
//! Cell `j` holds `edge[j - 1] < x <= edge[j]`, the first everything up to the first edge, the last
//! everything above the last. Edges at quantiles of the reference give every cell about the same
//! share; counts on them are exact, so that no distance computed from them has a sketch's error.

use super::Quantiles;
use super::guide::{Guide, PADDED};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// Cells of a column that has enough different values: 119 edges, folded by 6 into 20 bins.
pub const CELLS: usize = 120;
/// More edges than this are refused.
pub const MOST_EDGES: usize = PADDED - 1;

/// Strictly increasing finite edges, with the range in which the reference lay. Immutable: shared by
/// all summaries of a column.
#[derive(Clone, Debug)]
pub struct Edges {
    /// The edges, then infinity.
    padded: Box<[f64; PADDED]>,
    count: usize,
    guide: Guide,
    low: f64,
    high: f64,
    digest: u64,
}

#[derive(Debug, Error, PartialEq)]
pub enum EdgesError {
    #[error("{0} edges, expected at most {MOST_EDGES}")]
    Many(usize),
    #[error("edge {at} is {value}, expected a finite number")]
    NotFinite { at: usize, value: f64 },
    #[error("edge {at} is {value}, not above the one before it")]
    NotIncreasing { at: usize, value: f64 },
    #[error("the range from {low} to {high} holds nothing")]
    Range { low: f64, high: f64 },
}

impl Edges {
    /// Edges with no range: nothing counts as below or above.
    pub fn new(edges: Vec<f64>) -> Result<Self, EdgesError> {
        Self::within(edges, f64::NEG_INFINITY, f64::INFINITY)
    }

    /// Values below `low` and above `high` are counted as out of the reference's range.
    pub fn within(edges: Vec<f64>, low: f64, high: f64) -> Result<Self, EdgesError> {
        check(&edges)?;
        if low.is_nan() || high.is_nan() || low > high {
            return Err(EdgesError::Range { low, high });
        }
        let mut padded = Box::new([f64::INFINITY; PADDED]);
        padded.iter_mut().zip(&edges).for_each(|(place, edge)| *place = *edge);
        let guide = Guide::over(&edges);
        let bytes: Vec<u8> = edges.iter().chain([&low, &high]).flat_map(|value| value.to_le_bytes()).collect();
        Ok(Self { padded, count: edges.len(), guide, low, high, digest: xxh3_64(&bytes) | 1 })
    }

    /// Edges that cut what `quantiles` has seen into up to `cells` cells of about the same share: one
    /// cell per value where there are no more than 64 different ones. `None` if nothing was seen.
    pub fn from_quantiles(quantiles: &Quantiles, cells: usize) -> Option<Self> {
        let cells = cells.clamp(2, MOST_EDGES + 1);
        let (low, high) = (quantiles.min()?, quantiles.max()?);
        let edges = match quantiles.values(FEW_VALUES) {
            Some(values) => values,
            None => {
                let ranks: Vec<f64> = (1..cells).map(|at| at as f64 / cells as f64).collect();
                quantiles.quantiles(&ranks)?
            }
        };
        Self::sorted(edges, low, high).ok()
    }

    /// Edges from numbers in any order, some of them perhaps equal or not finite.
    pub fn sorted(mut edges: Vec<f64>, low: f64, high: f64) -> Result<Self, EdgesError> {
        edges.retain(|edge| edge.is_finite());
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|next, kept| *next == *kept);
        Self::within(edges, low, high)
    }

    /// The cell of a finite number. Infinities and NaN get some cell: the caller counts them apart.
    #[inline]
    pub fn cell(&self, x: f64) -> usize {
        self.guide.cell(&self.padded, x)
    }

    /// Adds one to the cell of each number. Numbers must be finite.
    pub(super) fn count(&self, values: &[f64], cells: &mut [u32]) {
        self.guide.count(&self.padded, values, cells);
    }

    /// How many cells there are: one more than edges.
    pub fn cells(&self) -> usize {
        self.count + 1
    }

    pub fn as_slice(&self) -> &[f64] {
        &self.padded[..self.count]
    }

    /// The reference's range: what lies outside is counted as below or above.
    pub fn range(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Of the edges and the range; never 0.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Fewer edges: `bins` cells, each of neighbouring cells of this. `cell * bins / cells()` is the
    /// bin of a cell.
    pub fn folded(&self, bins: usize) -> Self {
        let cells = self.cells();
        if bins == 0 || cells <= bins {
            return self.clone();
        }
        let border = |cell: usize| cell * bins / cells != (cell + 1) * bins / cells;
        let kept = self.as_slice().iter().enumerate().filter(|(cell, _)| border(*cell)).map(|(_, edge)| *edge);
        Self::within(kept.collect(), self.low, self.high).expect("a part of edges that were checked")
    }
}

/// A column with up to this many different values is counted value by value.
const FEW_VALUES: usize = 64;

fn check(edges: &[f64]) -> Result<(), EdgesError> {
    if edges.len() > MOST_EDGES {
        return Err(EdgesError::Many(edges.len()));
    }
    if let Some((at, value)) = edges.iter().enumerate().find(|(_, edge)| !edge.is_finite()) {
        return Err(EdgesError::NotFinite { at, value: *value });
    }
    match edges.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(before) => Err(EdgesError::NotIncreasing { at: before + 1, value: edges[before + 1] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_hand(edges: &[f64], x: f64) -> usize {
        edges.iter().filter(|edge| **edge < x).count()
    }

    fn any_edges() -> impl Strategy<Value = Edges> {
        let scale = prop_oneof![Just(1.0), Just(1e-300), Just(1e300), Just(1e9)];
        let spread = prop_oneof![Just(1.0), Just(8.0), Just(60.0)];
        (prop::collection::vec(-1.0..1.0f64, 0..=MOST_EDGES), scale, spread).prop_map(|(raw, scale, spread)| {
            let heavy = |x: f64| x.signum() * scale * ((x.abs() * spread).exp_m1() / spread.exp_m1());
            Edges::sorted(raw.into_iter().map(heavy).collect(), f64::NEG_INFINITY, f64::INFINITY).expect("sorted")
        })
    }

    proptest! {
        #[test]
        fn every_number_gets_the_cell_that_counting_gives(
            edges in any_edges(), numbers in prop::collection::vec(prop::num::f64::NORMAL | prop::num::f64::ZERO, 0..64),
        ) {
            let near = edges.as_slice().iter().flat_map(|edge| [edge.next_down(), *edge, edge.next_up()]);
            let numbers: Vec<f64> = near.chain(numbers).filter(|x| x.is_finite()).collect();
            let mut cells = vec![0; edges.cells()];
            edges.count(&numbers, &mut cells);
            for x in numbers {
                let cell = by_hand(edges.as_slice(), x);
                prop_assert_eq!(edges.cell(x), cell, "{}", x);
                cells[cell] -= 1;
            }
            prop_assert!(cells.iter().all(|left| *left == 0));
        }

        #[test]
        fn folding_keeps_cells_whole(edges in any_edges(), bins in 1..40usize, numbers in prop::collection::vec(-2.0..2.0f64, 0..64)) {
            let folded = edges.folded(bins);
            if edges.cells() > bins {
                prop_assert_eq!(folded.cells(), bins);
                for x in numbers {
                    prop_assert_eq!(folded.cell(x), edges.cell(x) * bins / edges.cells());
                }
            } else {
                prop_assert_eq!(folded.as_slice(), edges.as_slice());
            }
        }
    }

    #[test]
    fn numbers_that_are_none_do_no_harm() {
        let edges = Edges::new(vec![-1.0, 0.0, 1.0]).expect("edges");
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(edges.cell(x) < 4);
        }
        assert_eq!(edges.cell(f64::INFINITY), 3);
        assert_eq!(edges.cell(f64::NEG_INFINITY), 0);
    }

    #[test]
    fn what_are_no_edges_is_told() {
        assert_eq!(
            Edges::new(vec![0.0, f64::INFINITY]).err(),
            Some(EdgesError::NotFinite { at: 1, value: f64::INFINITY })
        );
        assert_eq!(Edges::new(vec![0.0, 1.0, 1.0]).err(), Some(EdgesError::NotIncreasing { at: 2, value: 1.0 }));
        assert_eq!(Edges::new((0..128).map(f64::from).collect()).err(), Some(EdgesError::Many(128)));
        assert_eq!(Edges::within(vec![], 1.0, 0.0).err(), Some(EdgesError::Range { low: 1.0, high: 0.0 }));
    }

    #[test]
    fn a_few_values_get_a_cell_each() {
        let mut quantiles = Quantiles::new();
        (0..5_000).for_each(|at| quantiles.update(f64::from(at % 7)));
        let edges = Edges::from_quantiles(&quantiles, CELLS).expect("values were seen");
        assert_eq!(edges.as_slice(), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(edges.range(), (0.0, 6.0));
    }

    #[test]
    fn many_values_are_cut_into_like_shares() {
        let mut quantiles = Quantiles::new();
        (0..100_000).for_each(|at| quantiles.update(f64::from(at * 7919 % 100_000)));
        let edges = Edges::from_quantiles(&quantiles, CELLS).expect("values were seen");
        assert_eq!(edges.cells(), CELLS);
        for (at, edge) in edges.as_slice().iter().enumerate() {
            let share = edge / 100_000.0;
            assert!((share - (at + 1) as f64 / CELLS as f64).abs() < 0.03, "edge {at} at {share}");
        }
    }

    #[test]
    fn edges_and_range_make_the_digest() {
        let digest = |edges: &[f64], high: f64| Edges::within(edges.to_vec(), 0.0, high).expect("edges").digest();
        assert_eq!(digest(&[1.0, 2.0], 3.0), digest(&[1.0, 2.0], 3.0));
        assert_ne!(digest(&[1.0, 2.0], 3.0), digest(&[1.0, 2.0], 4.0));
        assert_ne!(digest(&[1.0, 2.0], 3.0), digest(&[1.0], 3.0));
    }
}
