//! The error ledger: is one arm's share of the errors larger than its share of the traffic?
//!
//! Only errors are looked at. If both arms err alike, each error falls into the canary with the
//! probability of its share of the traffic, whatever the error rate is. A beta prior around that share
//! against the share itself gives an e-process: the chance that it ever exceeds 1/alpha is at most
//! alpha, at any number of looks and with any number of errors, few or none.

use libm::lgamma;

/// How much the prior is worth in errors.
const PRIOR: f64 = 4.0;

/// The logarithm of the e-value after `events`, of which `canary` fell into the arm with `share` of the
/// traffic: `ln B(a+x, b+k-x) / B(a, b) - x ln(share) - (k-x) ln(1-share)`, `a = 4 share`,
/// `b = 4 (1 - share)`. Zero where there is nothing to compare with.
pub fn log_ledger(canary: u64, events: u64, share: f64) -> f64 {
    if events == 0 || canary > events || !(share > 0.0 && share < 1.0) {
        return 0.0;
    }
    let (x, k) = (canary as f64, events as f64);
    let (a, b) = (PRIOR * share, PRIOR * (1.0 - share));
    log_beta(a + x, b + k - x) - log_beta(a, b) - x * share.ln() - (k - x) * (1.0 - share).ln()
}

fn log_beta(a: f64, b: f64) -> f64 {
    lgamma(a) + lgamma(b) - lgamma(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::testing::Draws;

    #[test]
    fn it_is_the_product_of_its_predictions() {
        let (share, mut log, mut x) = (0.1, 0.0, 0.0);
        for (k, into) in [true, false, true, true, false, true].into_iter().enumerate() {
            let predicted = (PRIOR * share + x) / (PRIOR + k as f64);
            log += if into { (predicted / share).ln() } else { ((1.0 - predicted) / (1.0 - share)).ln() };
            x += f64::from(u8::from(into));
        }
        assert!((log - log_ledger(4, 6, share)).abs() < 1e-12, "{log} {}", log_ledger(4, 6, share));
        assert_eq!((log_ledger(0, 0, 0.1), log_ledger(5, 9, 1.0), log_ledger(9, 5, 0.5)), (0.0, 0.0, 0.0));
    }

    /// One run: does the ledger ever reach `bar` within `errors` errors of which each falls into the
    /// canary with `chance`? Answers after how many.
    fn trips(draws: &mut Draws, share: f64, chance: f64, errors: u64, bar: f64) -> Option<u64> {
        let (mut log, mut x) = (0.0, 0.0);
        for k in 0..errors {
            let predicted = (PRIOR * share + x) / (PRIOR + k as f64);
            let into = draws.chance(chance);
            log += if into { (predicted / share).ln() } else { ((1.0 - predicted) / (1.0 - share)).ln() };
            x += f64::from(u8::from(into));
            if log >= bar && x / (k + 1) as f64 > share {
                return Some(k + 1);
            }
        }
        None
    }

    #[test]
    fn without_harm_it_trips_no_more_often_than_it_says() {
        let runs = 20_000;
        for (share, seed) in [(0.01, 1), (0.1, 2), (0.5, 3)] {
            let mut draws = Draws::new(seed);
            let bar = 20_f64.ln();
            let tripped = (0..runs).filter(|_| trips(&mut draws, share, share, 300, bar).is_some()).count();
            // Stated: 5 %. Three standard deviations of 20,000 runs are half a percent.
            assert!(tripped as f64 <= 0.05 * f64::from(runs), "share {share}: {tripped} of {runs}");
        }
    }

    #[test]
    fn harm_is_found_within_the_requests_of_the_table() {
        // Base error rate 0.5 %, alpha 0.001: median requests of the canary until it trips.
        for (share, ratio, at_most) in [
            (0.01, 10.0, 148.0),
            (0.01, 4.0, 793.0),
            (0.1, 2.0, 5145.0),
            (0.1, 4.0, 815.0),
            (0.1, 10.0, 168.0),
            (0.5, 2.0, 9466.0),
        ] {
            let chance = ratio * share / (ratio * share + 1.0 - share);
            let rate = 0.005 * (ratio * share + 1.0 - share);
            let mut draws = Draws::new(7);
            let mut requests: Vec<f64> = (0..400)
                .map(|_| {
                    trips(&mut draws, share, chance, 100_000, 1000_f64.ln()).expect("it trips") as f64 / rate * share
                })
                .collect();
            requests.sort_by(f64::total_cmp);
            // The table is itself a simulation: a fifth is the spread of two of them.
            assert!(requests[200] < 1.2 * at_most, "share {share}, ratio {ratio}: {} of {at_most}", requests[200]);
        }
    }
}
