//! Sums of products.

use crate::engine::tabular::isa::Loop;
use crate::engine::tabular::ops::math::number::Number;

/// Sums side by side.
const SIDE: usize = 8;

/// The sum of products in double precision: eight sums side by side, of every eighth product each, added
/// up in their order, and then the products that are left over. The order is the same wherever it runs.
#[inline(always)]
pub fn dot<T: Number>(values: &[T], weights: &[f32]) -> f64 {
    let mut sums = [0.0; SIDE];
    let (values, last_values) = values.as_chunks::<SIDE>();
    let (weights, last_weights) = weights.as_chunks::<SIDE>();
    for (values, weights) in values.iter().zip(weights) {
        for at in 0..SIDE {
            sums[at] += values[at].to_f64() * f64::from(weights[at]);
        }
    }
    let last = last_values.iter().zip(last_weights).map(|(x, w)| x.to_f64() * f64::from(*w));
    sums.into_iter().chain(last).fold(0.0, |sum, part| sum + part)
}

/// Rows times weights, each `columns` long: `out` gets a sum for each row and each list of weights.
pub struct Products<'a, T> {
    pub rows: &'a [T],
    pub weights: &'a [f32],
    pub columns: usize,
    pub out: &'a mut [f64],
}

impl<T: Number> Loop for Products<'_, T> {
    #[inline(always)]
    fn run(self) {
        let targets = self.weights.len() / self.columns;
        for (row, out) in self.rows.chunks_exact(self.columns).zip(self.out.chunks_exact_mut(targets)) {
            for (out, weights) in out.iter_mut().zip(self.weights.chunks_exact(self.columns)) {
                *out = dot(row, weights);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tabular::isa::{narrower, widest};

    #[test]
    fn every_product_is_in_the_sum() {
        for length in 0..40u8 {
            let values: Vec<f64> = (0..length).map(|at| f64::from(at) - 7.0).collect();
            let weights: Vec<f32> = (0..length).map(|at| f32::from(at % 5)).collect();
            let plain: f64 = values.iter().zip(&weights).map(|(x, w)| x * f64::from(*w)).sum();
            assert_eq!(dot(&values, &weights), plain, "whole numbers: no order rounds");
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        for (columns, targets) in [(1, 1), (7, 3), (30, 1), (33, 5)] {
            let number = |at: usize| ((at * 7919) % 1000) as f32 * 0.37 - 100.0;
            let rows: Vec<f32> = (0..9 * columns).map(number).collect();
            let weights: Vec<f32> = (0..targets * columns).map(|at| number(at + 31)).collect();
            let mut sums = [vec![0.0; 9 * targets], vec![0.0; 9 * targets], vec![0.0; 9 * targets]];
            let [plain, narrow, wide] = &mut sums;
            Products { rows: &rows, weights: &weights, columns, out: plain }.run();
            narrower(Products { rows: &rows, weights: &weights, columns, out: narrow });
            widest(Products { rows: &rows, weights: &weights, columns, out: wide });
            assert_eq!(sums[0], sums[1]);
            assert_eq!(sums[0], sums[2]);
        }
    }
}
