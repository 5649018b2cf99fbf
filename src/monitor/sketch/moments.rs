//! Mean, variance and extremes of finite numbers, merged without loss.
//!
//! Two parts merge by the formula of Chan, Golub and LeVeque (1983):
//! `M2 = M2_a + M2_b + d^2 n_a n_b / n`, where `d` is the difference of the means. It does not cancel
//! as sums of squares do.

/// Of `n` numbers, or of numbers that together weigh `n`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    pub n: f64,
    /// 0 if there are no numbers.
    pub mean: f64,
    /// The sum of squared distances from the mean. Infinite where a square has overflowed.
    pub m2: f64,
    /// Infinity if there are no numbers.
    pub min: f64,
    /// Minus infinity if there are no numbers.
    pub max: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self { n: 0.0, mean: 0.0, m2: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

/// Sums that are kept apart, so that the processor adds them side by side.
const LANES: usize = 4;

impl Moments {
    /// Of finite numbers.
    pub fn of(values: &[f64]) -> Self {
        let mut sums = [0.0; LANES];
        let (mut min, mut max) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        let (lanes, rest) = values.as_chunks::<LANES>();
        for chunk in lanes {
            for lane in 0..LANES {
                let x = chunk[lane];
                sums[lane] += x;
                min[lane] = if x < min[lane] { x } else { min[lane] };
                max[lane] = if x > max[lane] { x } else { max[lane] };
            }
        }
        for x in rest {
            sums[0] += x;
            min[0] = min[0].min(*x);
            max[0] = max[0].max(*x);
        }
        let n = values.len() as f64;
        let mean = middle(values, sums.iter().sum::<f64>() / n);
        let smallest = min.into_iter().fold(f64::INFINITY, f64::min);
        let largest = max.into_iter().fold(f64::NEG_INFINITY, f64::max);
        Self { n, mean, m2: squares(values, mean), min: smallest, max: largest }
    }

    /// Adds one finite number.
    #[inline]
    pub fn update(&mut self, x: f64) {
        self.merge(&Self { n: 1.0, mean: x, m2: 0.0, min: x, max: x });
    }

    pub fn merge(&mut self, other: &Self) {
        if other.n <= 0.0 {
            return;
        }
        if self.n <= 0.0 {
            *self = *other;
            return;
        }
        let n = self.n + other.n;
        let apart = other.mean - self.mean;
        let share = other.n / n;
        self.m2 += other.m2 + apart * apart * self.n * share;
        self.mean = match apart.is_finite() {
            true => self.mean + apart * share,
            false => self.mean * (1.0 - share) + other.mean * share,
        };
        self.n = n;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The same numbers, each standing for `weight`.
    pub fn weighted(&self, weight: f64) -> Self {
        Self { n: self.n * weight, m2: self.m2 * weight, ..*self }
    }

    pub fn to_array(&self) -> [f64; 5] {
        let Self { n, mean, m2, min, max } = *self;
        [n, mean, m2, min, max]
    }

    /// `None` if these cannot be the moments of numbers.
    pub fn from_array([n, mean, m2, min, max]: [f64; 5]) -> Option<Self> {
        let sound = if n > 0.0 { n.is_finite() && mean.is_finite() && m2 >= 0.0 && min <= max } else { n == 0.0 };
        sound.then_some(Self { n, mean, m2, min, max })
    }

    /// The population's, `M2 / n`; `None` without numbers.
    pub fn variance(&self) -> Option<f64> {
        (self.n > 0.0).then(|| self.m2 / self.n)
    }

    /// The population's; `None` without numbers.
    pub fn deviation(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }
}

/// The mean, also where the sum of all has overflowed.
fn middle(values: &[f64], mean: f64) -> f64 {
    if mean.is_finite() {
        return mean;
    }
    let n = values.len() as f64;
    values.iter().map(|x| x / n).sum()
}

fn squares(values: &[f64], mean: f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (lanes, rest) = values.as_chunks::<LANES>();
    for chunk in lanes {
        for lane in 0..LANES {
            let apart = chunk[lane] - mean;
            sums[lane] += apart * apart;
        }
    }
    rest.iter().for_each(|x| sums[0] += (x - mean) * (x - mean));
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_hand(values: &[f64]) -> (f64, f64) {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, values.iter().map(|x| (x - mean).powi(2)).sum::<f64>())
    }

    proptest! {
        #[test]
        fn parts_merge_to_the_whole(values in prop::collection::vec(-1e6..1e6f64, 1..200), cut in 0..200usize, offset in prop_oneof![Just(0.0), Just(1e9)]) {
            let values: Vec<f64> = values.iter().map(|x| x + offset).collect();
            let (left, right) = values.split_at(cut.min(values.len()));
            let mut merged = Moments::of(left);
            merged.merge(&Moments::of(right));
            let mut single = Moments::default();
            values.iter().for_each(|x| single.update(*x));
            let (mean, m2) = by_hand(&values);
            for moments in [merged, single, Moments::of(&values)] {
                prop_assert_eq!(moments.n, values.len() as f64);
                prop_assert!((moments.mean - mean).abs() <= 1e-12 * (mean.abs() + 1e6));
                // The numbers themselves are known to an ulp of the offset.
                prop_assert!((moments.m2 - m2).abs() <= 1e-9 * m2 + 1e-6 * values.len() as f64);
                prop_assert_eq!(moments.min, values.iter().copied().fold(f64::INFINITY, f64::min));
                prop_assert_eq!(moments.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            }
        }
    }

    #[test]
    fn nothing_is_nothing() {
        let mut none = Moments::of(&[]);
        assert_eq!((none.n, none.variance()), (0.0, None));
        none.merge(&Moments::default());
        assert_eq!(none.n, 0.0);
        none.merge(&Moments::of(&[2.0, 4.0]));
        assert_eq!((none.mean, none.m2, none.min, none.max), (3.0, 2.0, 2.0, 4.0));
    }

    #[test]
    fn the_largest_numbers_have_a_mean() {
        let mut moments = Moments::of(&[f64::MAX, f64::MAX]);
        assert_eq!(moments.mean, f64::MAX);
        moments.merge(&Moments::of(&[-f64::MAX, -f64::MAX]));
        assert_eq!(moments.mean, 0.0);
        assert_eq!(moments.m2, f64::INFINITY);
    }
}
