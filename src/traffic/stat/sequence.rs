//! Confidence sequences for means: bands that hold the truth at all times together.
//!
//! The asymptotic sequence of Waudby-Smith and others (arXiv 2103.06476), as GrowthBook uses it,
//! tuned to be narrowest at 5,000 observations.

/// Observations at which the band is narrowest for its level.
const TUNED_AT: f64 = 5000.0;

/// Mixing variance for a level: `sqrt((-2 ln a + ln(-2 ln a + 1)) / 5000)`.
fn rho(alpha: f64) -> f64 {
    let log = -2.0 * alpha.ln();
    ((log + (log + 1.0).ln()) / TUNED_AT).sqrt()
}

/// Half the width of the band around a mean of `n` observations with standard deviation 1.
pub fn half_width(n: f64, alpha: f64) -> f64 {
    let rho = rho(alpha);
    let spread = n * rho * rho + 1.0;
    (2.0 * spread / (n * rho).powi(2) * (spread.sqrt() / alpha).ln()).sqrt()
}

/// How much larger one mean is than another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// Valid at all times: the smallest level at which zero is outside the band.
    pub p: f64,
}

/// Mean, variance and number of observations of one side.
pub type Side = (f64, f64, f64);

/// The band of the difference `a - b` of two independent means; `None` for fewer than two
/// observations on a side.
pub fn difference(a: Side, b: Side, alpha: f64) -> Option<Difference> {
    let ((mean_a, var_a, n_a), (mean_b, var_b, n_b)) = (a, b);
    if n_a < 2.0 || n_b < 2.0 {
        return None;
    }
    let n = n_a + n_b;
    // As a single mean of `n` observations whose variance gives the difference its own.
    let sd = (n * (var_a / n_a + var_b / n_b)).sqrt();
    let mean = mean_a - mean_b;
    let half = sd * half_width(n, alpha);
    let p = if sd > 0.0 { p_value(n, mean / sd, alpha) } else { f64::from(u8::from(mean == 0.0)) };
    Some(Difference { mean, low: mean - half, high: mean + half, p })
}

fn p_value(n: f64, standardised: f64, alpha: f64) -> f64 {
    let rho2 = rho(alpha).powi(2);
    let spread = n * rho2 + 1.0;
    let log_e = rho2 * (n * standardised).powi(2) / (2.0 * spread) - spread.sqrt().ln();
    (-log_e).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::testing::Draws;

    #[test]
    fn the_widths_are_those_of_the_formula() {
        assert!((rho(0.05) - 0.039_840_1).abs() < 1e-7);
        for (n, width) in [(500.0, 0.172), (1000.0, 0.106), (5000.0, 0.043), (20_000.0, 0.0221)] {
            let got = half_width(n, 0.05);
            assert!((got - width).abs() < 0.02 * width, "{n}: {got} instead of {width}");
        }
    }

    #[test]
    fn the_band_leaves_zero_out_where_p_is_below_the_level() {
        for shift in [0.0, 0.05, 0.1, 0.2] {
            let one = difference((shift, 1.0, 3000.0), (0.0, 1.0, 3000.0), 0.05).expect("enough");
            assert_eq!(one.low > 0.0, one.p < 0.05, "{one:?}");
        }
        assert_eq!(difference((1.0, 0.0, 1.0), (0.0, 0.0, 9.0), 0.05), None);
    }

    #[test]
    fn looking_all_the_time_does_not_make_it_lie() {
        let (mut wrong, runs) = (0, 2000);
        let mut draws = Draws::new(11);
        for _ in 0..runs {
            let mut sides = [(0.0, 0.0); 2];
            let mut left = false;
            for n in 1..=2000_u32 {
                sides.iter_mut().for_each(|(sum, squares)| {
                    let x = f64::from(u8::from(draws.chance(0.3)));
                    *sum += x;
                    *squares += x * x;
                });
                if n >= 100 && n % 20 == 0 {
                    let n = f64::from(n);
                    let side = |(sum, squares): (f64, f64)| (sum / n, (squares - sum * sum / n) / (n - 1.0), n);
                    let band = difference(side(sides[0]), side(sides[1]), 0.05).expect("enough");
                    left |= band.low > 0.0 || band.high < 0.0;
                }
            }
            wrong += u32::from(left);
        }
        assert!(f64::from(wrong) <= 0.05 * f64::from(runs), "{wrong} of {runs}");
    }
}
