//! Many tests at once: p values adjusted so that a share of the alarms, not of the tests, is false.

/// Adjusted p values of Benjamini and Hochberg (1995): those up to `q` hold at most a share `q` of false
/// alarms in the mean, for independent tests and for positively dependent ones. NaN counts as 1.
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    adjusted(p, 1.0)
}

/// As [`benjamini_hochberg`], for any dependence (Benjamini and Yekutieli 2001): stricter by about ln of
/// the number of tests.
pub fn benjamini_yekutieli(p: &[f64]) -> Vec<f64> {
    adjusted(p, (1..=p.len()).map(|rank| 1.0 / rank as f64).sum())
}

/// The least of `p_(k) F / k * factor` over the ranks `k` at or above a value's own.
fn adjusted(p: &[f64], factor: f64) -> Vec<f64> {
    let sound = |at: usize| p.get(at).copied().filter(|p| !p.is_nan()).unwrap_or(1.0);
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| sound(*a).total_cmp(&sound(*b)));
    let (mut adjusted, mut least) = (vec![1.0; p.len()], 1.0);
    for (rank, at) in order.into_iter().enumerate().rev() {
        least = f64::min(least, sound(at) * p.len() as f64 / (rank + 1) as f64 * factor);
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(got: &[f64], wanted: &[f64]) {
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(wanted) {
            assert!((got - wanted).abs() < 1e-12, "{got}, expected {wanted}");
        }
    }

    /// scipy's `false_discovery_control`.
    #[test]
    fn adjusted_as_scipy_does() {
        let p = [0.01, 0.04, 0.03, 0.005, 0.55];
        close(&benjamini_hochberg(&p), &[0.025, 0.05, 0.05, 0.025, 0.55]);
        let harmonic = 1.0 + 1.0 / 2.0 + 1.0 / 3.0 + 1.0 / 4.0 + 1.0 / 5.0;
        close(&benjamini_yekutieli(&p), &[0.025 * harmonic, 0.05 * harmonic, 0.05 * harmonic, 0.025 * harmonic, 1.0]);
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        close(&benjamini_hochberg(&[f64::NAN, 0.01]), &[1.0, 0.02]);
    }

    proptest! {
        #[test]
        fn never_smaller_and_in_the_same_order(p in prop::collection::vec(0.0..=1.0f64, 1..40)) {
            let adjusted = benjamini_hochberg(&p);
            let strict = benjamini_yekutieli(&p);
            for (a, (p_a, strict_a)) in adjusted.iter().zip(p.iter().zip(&strict)) {
                prop_assert!(*a >= p_a * (1.0 - 1e-15) && strict_a >= a && *strict_a <= 1.0);
                for (b, p_b) in adjusted.iter().zip(&p) {
                    prop_assert!(p_a > p_b || a <= b);
                }
            }
        }
    }
}
