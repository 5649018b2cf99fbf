//! Sample ratio mismatch: do the arms have the units that their weights promise?
//!
//! A mismatch means that assignment or counting is broken, and that no comparison can be trusted. The
//! e-value is that of a Dirichlet-multinomial against the promised shares; an alarm at 1,000 is false
//! in at most one experiment of a thousand, looked at as often as one likes.

use libm::lgamma;

/// How close to the promised shares the alternative is expected, in units: small mismatches matter.
const PRIOR: f64 = 1000.0;

/// The logarithm of the e-value of `counts` against `shares`, which sum to 1. Arms without a share are
/// left out.
pub fn log_mismatch(counts: &[u64], shares: &[f64]) -> f64 {
    let cells = || counts.iter().zip(shares).filter(|(_, share)| **share > 0.0);
    let n: f64 = cells().map(|(count, _)| *count as f64).sum();
    let terms = cells().map(|(count, share)| {
        let (count, prior) = (*count as f64, PRIOR * share);
        lgamma(prior + count) - lgamma(prior) - count * share.ln()
    });
    lgamma(PRIOR) - lgamma(PRIOR + n) + terms.sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::testing::Draws;

    #[test]
    fn a_mismatch_is_caught_and_chance_is_not() {
        let alarm = |counts: &[u64], shares: &[f64]| log_mismatch(counts, shares) >= 1000_f64.ln();
        assert!(!alarm(&[5000, 5000], &[0.5, 0.5]) && !alarm(&[5100, 4900], &[0.5, 0.5]));
        assert!(alarm(&[5300, 4700], &[0.5, 0.5]));
        assert!(alarm(&[90_000, 11_000], &[0.9, 0.1]));
        assert!(!alarm(&[0, 0], &[0.9, 0.1]));
    }

    #[test]
    fn without_a_mismatch_the_alarm_is_as_rare_as_it_says() {
        let (mut draws, runs) = (Draws::new(5), 2000);
        let mut alarms = 0;
        for _ in 0..runs {
            let mut counts = [0, 0];
            let rang = (0..40).any(|_| {
                (0..100).for_each(|_| counts[usize::from(draws.chance(0.3))] += 1);
                log_mismatch(&counts, &[0.7, 0.3]) >= 20_f64.ln()
            });
            alarms += u32::from(rang);
        }
        assert!(f64::from(alarms) <= 0.05 * f64::from(runs), "{alarms} of {runs} at 5 %");
    }
}
