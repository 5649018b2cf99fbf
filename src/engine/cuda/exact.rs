//! Whether a forest's votes may be added in any order.
//!
//! Doubles that are whole multiples of one power of two are added without rounding as long as no sum
//! is 2^53 of it or more: each order gives the same bits then, and a block of threads may add side
//! by side what the CPU adds one by one. Random forests and trees with `f32` leaves are often so.

use crate::engine::lowered::{Forest, Leaves, Nodes, Score};

/// Whether every sum of this forest's votes is exact, whatever the rows are.
pub fn sums_exactly(forest: &Forest) -> bool {
    let trees = forest.trees.len();
    if matches!(forest.aggregate, Score::Min | Score::Max) {
        return false;
    }
    match &forest.leaves {
        Leaves::Inline { .. } => match &forest.nodes {
            Nodes::Compact { nodes, shift } => {
                let mask = (1u32 << shift.saturating_sub(1)) - 1;
                exact(trees, nodes.iter().filter(|[_, link]| link & mask == 0).map(|[payload, _]| inline(*payload)))
            }
            Nodes::Wide { nodes, .. } => {
                let leaves = nodes.iter().filter(|node| node.column >> 28 & 7 == 0);
                exact(trees, leaves.map(|node| inline(node.number as u32)))
            }
        },
        Leaves::Table { weights, .. } | Leaves::Rows(weights) => exact(trees, weights.iter().copied()),
        Leaves::NarrowRows(weights) => exact(trees, weights.iter().copied().map(f64::from)),
        Leaves::Sparse { .. } => false,
    }
}

fn inline(payload: u32) -> f64 {
    f64::from(f32::from_bits(payload))
}

/// Whether sums of so many of these numbers are exact.
fn exact(terms: usize, weights: impl Iterator<Item = f64>) -> bool {
    let (mut unit, mut largest) = (i32::MAX, 0.0f64);
    for weight in weights.filter(|weight| *weight != 0.0) {
        if !weight.is_finite() {
            return false;
        }
        unit = unit.min(lowest_bit(weight));
        largest = largest.max(weight.abs());
    }
    // A bit less than there is, since the product is rounded.
    largest == 0.0 || terms as f64 * largest <= 2.0f64.powi(unit.saturating_add(52))
}

/// The exponent of the lowest bit that is set, of a number that is not zero.
fn lowest_bit(x: f64) -> i32 {
    let (exponent, fraction) = ((x.to_bits() >> 52 & 0x7ff) as i32, x.to_bits() & ((1 << 52) - 1));
    let (mantissa, exponent) = if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) };
    exponent + mantissa.trailing_zeros() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_lowest_bit_of_a_number_is_found() {
        let all = [1.0, -0.75, 3.0, 1024.0, 0.1f32.into(), f64::MIN_POSITIVE, 5e-324].map(lowest_bit);
        assert_eq!(all, [0, -2, 0, 10, -27, -1022, -1074]);
    }

    #[test]
    fn numbers_far_apart_are_not_exact() {
        assert!(exact(1000, [0.001f32, 0.5, 1.0].into_iter().map(f64::from)));
        assert!(!exact(1000, [0.1, 0.5].into_iter()), "all bits of a double are taken");
        assert!(!exact(2, [1e-9f32, 1e9].into_iter().map(f64::from)));
        assert!(!exact(2, [1.0, f64::INFINITY].into_iter()));
        assert!(exact(9, [0.0, -0.0].into_iter()));
        assert!(exact(1 << 20, [2.0f64.powi(-1000)].into_iter()));
        // The bound is held to: at it a sum still fits, twice as many terms are refused.
        assert!(exact(1 << 20, [1.0, 2.0f64.powi(-32)].into_iter()));
        assert!(!exact(1 << 21, [1.0, 2.0f64.powi(-32)].into_iter()));
    }

    proptest! {
        #[test]
        fn what_is_exact_has_the_same_bits_in_every_order(
            (weights, turned) in prop::collection::vec((-60i32..60, -4096i32..4096), 1..200)
                .prop_map(|drawn| drawn.into_iter().map(|(e, m)| f64::from(m) * 2.0f64.powi(e / 4)).collect::<Vec<f64>>())
                .prop_flat_map(|weights| (Just(weights.clone()), Just(weights).prop_shuffle())),
        ) {
            let sum = |numbers: &[f64]| numbers.iter().fold(0.0, |sum, x| sum + x).to_bits();
            let by_eights: f64 = turned.chunks(8).map(|few| few.iter().fold(0.0, |sum, x| sum + x)).fold(0.0, |a, b| a + b);
            if exact(weights.len(), weights.iter().copied()) {
                prop_assert_eq!(sum(&weights), sum(&turned));
                prop_assert_eq!(sum(&weights), by_eights.to_bits());
            }
        }
    }
}
