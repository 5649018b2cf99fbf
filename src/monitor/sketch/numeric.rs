//! One numeric column in one pane: counters, moments and cells of every row, quantiles and distinct
//! values of some.
//!
//! The first three cost a few nanoseconds a row and are exact. Quantiles and distinct values cost
//! tens of nanoseconds, so they are fed apart, by [`enrich`](Numeric::enrich), with the rows that the
//! caller chose by hash.

use super::{Counters, Distinct, Edges, Moments, Quantiles};
use std::mem::size_of;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Numeric {
    pub(crate) edges: Option<Arc<Edges>>,
    pub(crate) counters: Counters,
    pub(crate) moments: Moments,
    /// Finite values by cell; empty without edges.
    pub(crate) cells: Box<[u32]>,
    pub(crate) quantiles: Option<Quantiles>,
    pub(crate) distinct: Option<Distinct>,
}

/// Values that are moved into order at a time when not all of them are finite.
const PIECE: usize = 64;

impl Numeric {
    pub fn new(edges: Option<Arc<Edges>>) -> Self {
        let cells = edges.as_ref().map_or(0, |edges| edges.cells());
        let quantiles = if edges.is_some() { Quantiles::new() } else { Quantiles::finer() };
        Self {
            edges,
            counters: Counters::default(),
            moments: Moments::default(),
            cells: vec![0; cells].into(),
            quantiles: Some(quantiles),
            distinct: Some(Distinct::of_numbers()),
        }
    }

    /// Counts one value, and feeds the sketches with it if the row is a `rich` one.
    pub fn update(&mut self, x: f64, rich: bool) {
        self.update_column(&[x]);
        if rich {
            self.enrich(&[x]);
        }
    }

    /// Counts the values of many rows: quicker than one by one. Rows whose value is missing or of
    /// another type are told by [`nulls`](Self::nulls) and [`type_errors`](Self::type_errors).
    pub fn update_column(&mut self, values: &[f64]) {
        if values.iter().fold(true, |all, x| all & x.is_finite()) {
            self.count_finite(values);
        } else {
            self.count_mixed(values);
        }
    }

    /// Feeds quantiles and distinct values, from rows that are counted by `update_column` too. NaN is
    /// passed over, infinities are values.
    pub fn enrich(&mut self, values: &[f64]) {
        if let Some(quantiles) = &mut self.quantiles {
            values.iter().for_each(|x| quantiles.update(*x));
        }
        if let Some(distinct) = &mut self.distinct {
            values.iter().filter(|x| !x.is_nan()).for_each(|x| distinct.add_number(*x));
        }
    }

    pub fn nulls(&mut self, rows: u32) {
        self.counters.null = self.counters.null.saturating_add(rows);
    }

    pub fn type_errors(&mut self, rows: u32) {
        self.counters.type_error = self.counters.type_error.saturating_add(rows);
    }

    pub fn edges(&self) -> Option<&Arc<Edges>> {
        self.edges.as_ref()
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    pub fn moments(&self) -> &Moments {
        &self.moments
    }

    pub fn cells(&self) -> &[u32] {
        &self.cells
    }

    pub fn quantiles(&self) -> Option<&Quantiles> {
        self.quantiles.as_ref()
    }

    pub fn distinct(&self) -> Option<&Distinct> {
        self.distinct.as_ref()
    }

    /// Bytes held, without the edges.
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&self.cells[..])
            + self.quantiles.as_ref().map_or(0, Quantiles::memory)
            + self.distinct.as_ref().map_or(0, Distinct::memory)
    }

    fn count_finite(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let rows = u32::try_from(values.len()).unwrap_or(u32::MAX);
        self.counters.finite = self.counters.finite.saturating_add(rows);
        self.counters.zero = self.counters.zero.saturating_add(how_many(values, |x| x == 0.0));
        let moments = Moments::of(values);
        if let Some(edges) = &self.edges {
            let (low, high) = edges.range();
            if moments.min < low {
                self.counters.below = self.counters.below.saturating_add(how_many(values, |x| x < low));
            }
            if moments.max > high {
                self.counters.above = self.counters.above.saturating_add(how_many(values, |x| x > high));
            }
            edges.count(values, &mut self.cells);
        }
        self.moments.merge(&moments);
    }

    /// Moves the finite values together, a piece at a time.
    fn count_mixed(&mut self, values: &[f64]) {
        for piece in values.chunks(PIECE) {
            let mut finite = [0.0; PIECE];
            let mut count = 0;
            for x in piece {
                if x.is_finite() {
                    finite[count] = *x;
                    count += 1;
                } else {
                    self.count_strange(*x);
                }
            }
            self.count_finite(&finite[..count]);
        }
    }

    fn count_strange(&mut self, x: f64) {
        let counter = match x {
            x if x.is_nan() => &mut self.counters.nan,
            x if x > 0.0 => &mut self.counters.pos_inf,
            _ => &mut self.counters.neg_inf,
        };
        *counter = counter.saturating_add(1);
    }
}

fn how_many(values: &[f64], of: impl Fn(f64) -> bool) -> u32 {
    values.iter().map(|x| u32::from(of(*x))).fold(0, u32::wrapping_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn edges() -> Arc<Edges> {
        Arc::new(Edges::within(vec![-2.0, -1.0, 0.0, 1.0, 2.0], -3.0, 3.0).expect("edges"))
    }

    fn strange() -> impl Strategy<Value = f64> {
        prop_oneof![
            8 => -5.0..5.0f64,
            2 => Just(0.0), 1 => Just(-0.0), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY),
            1 => Just(f64::NEG_INFINITY), 1 => Just(3.0), 1 => Just(-3.0),
        ]
    }

    proptest! {
        #[test]
        fn counts_are_those_of_counting_by_hand(values in prop::collection::vec(strange(), 0..300), by_row: bool) {
            let mut numeric = Numeric::new(Some(edges()));
            if by_row {
                values.iter().for_each(|x| numeric.update(*x, false));
            } else {
                numeric.update_column(&values);
            }
            let count = |of: &dyn Fn(f64) -> bool| values.iter().filter(|x| of(**x)).count() as u32;
            let finite = |of: &dyn Fn(f64) -> bool| count(&|x| x.is_finite() && of(x));
            let expected = Counters {
                finite: finite(&|_| true),
                null: 0,
                nan: count(&f64::is_nan),
                pos_inf: count(&|x| x == f64::INFINITY),
                neg_inf: count(&|x| x == f64::NEG_INFINITY),
                type_error: 0,
                zero: finite(&|x| x == 0.0),
                below: finite(&|x| x < -3.0),
                above: finite(&|x| x > 3.0),
            };
            prop_assert_eq!(numeric.counters(), &expected);
            let borders = [f64::NEG_INFINITY, -2.0, -1.0, 0.0, 1.0, 2.0, f64::INFINITY];
            let cells: Vec<u32> = borders.windows(2).map(|pair| finite(&|x| pair[0] < x && x <= pair[1])).collect();
            prop_assert_eq!(numeric.cells(), &cells[..]);
            prop_assert_eq!(numeric.moments().n, f64::from(expected.finite));
        }
    }

    #[test]
    fn what_is_missing_is_told_apart() {
        let mut numeric = Numeric::new(None);
        numeric.nulls(3);
        numeric.type_errors(2);
        numeric.update(f64::NAN, true);
        numeric.update(7.0, true);
        numeric.update(7.0, false);
        let counters = numeric.counters();
        assert_eq!((counters.null, counters.type_error, counters.nan, counters.finite), (3, 2, 1, 2));
        assert_eq!(numeric.quantiles().map(Quantiles::n), Some(1));
        assert_eq!(numeric.distinct().map(|distinct| distinct.estimate().round()), Some(1.0));
        assert!(numeric.cells().is_empty());
    }
}
