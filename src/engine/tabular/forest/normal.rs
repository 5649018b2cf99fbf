//! Every comparison brought to one: a row takes the second child where `x >= threshold`.
//!
//! `x < t` sends rows to its second side where `x >= t`. `x <= t` is `x < next_up(t)`, and `>` and
//! `>=` are the same tests with the children swapped. No number is `>= NaN`, so a test that holds
//! for all numbers, or for none, has NaN for its threshold.

use super::ensemble::{Ensemble, Node, Split, Test};
use rkyv::{Archive, Deserialize, Serialize};

/// A comparison in the one form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normal {
    /// Rows with `x >= threshold` take the second child.
    pub threshold: f64,
    /// A missing value takes the second child.
    pub missing_second: bool,
    /// The second child is the split's `yes`.
    pub swapped: bool,
}

impl Normal {
    /// `None` for tests that are no comparison.
    pub fn of(split: &Split) -> Option<Self> {
        let (threshold, swapped) = match split.test {
            Test::Less(t) => (t, false),
            Test::LessOrEqual(t) => (above(t), false),
            Test::GreaterOrEqual(t) => (t, true),
            Test::Greater(t) => (above(t), true),
            Test::Equal(_) | Test::NotEqual(_) | Test::In(_) | Test::LessOrEqualZeroMissing(_) => return None,
        };
        Some(Self { threshold, missing_second: split.missing_yes == swapped, swapped })
    }
}

/// `x > t` is `x >= above(t)`.
fn above(t: f64) -> f64 {
    if t == f64::INFINITY { f64::NAN } else { t.next_up() }
}

/// The smallest `f32` that is not below `t`: for every `f32` x, `x >= t` is `x >= narrow(t)`.
pub fn narrow(t: f64) -> f32 {
    let near = t as f32;
    if f64::from(near) < t { near.next_up() } else { near }
}

/// How rows of `f64` may be brought to `f32` without sending any of them another way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Rounding {
    /// All tests are `<=` or `>` with thresholds that are `f32`: to the nearest that is not below.
    Up,
    /// All tests are `<` or `>=` with thresholds that are `f32`: to the nearest that is not above.
    Down,
}

impl Rounding {
    /// `None` if the tests are of both kinds, or need more than `f32`.
    pub fn of(ensemble: &Ensemble) -> Option<Self> {
        let splits = ensemble.trees.iter().flat_map(|tree| &tree.nodes).filter_map(|node| match node {
            Node::Split(split) => Some(split.test),
            Node::Leaf { .. } => None,
        });
        let mut common = None;
        for test in splits {
            let (kind, t) = match test {
                Test::Less(t) | Test::GreaterOrEqual(t) => (Self::Down, t),
                Test::LessOrEqual(t) | Test::Greater(t) => (Self::Up, t),
                _ => return None,
            };
            if f64::from(t as f32) != t || *common.get_or_insert(kind) != kind {
                return None;
            }
        }
        // Single leaves ask nothing.
        Some(common.unwrap_or(Self::Up))
    }

    /// NaN stays NaN.
    #[inline]
    pub fn round(self, x: f64) -> f32 {
        let near = x as f32;
        match self {
            Self::Up if f64::from(near) < x => near.next_up(),
            Self::Down if f64::from(near) > x => near.next_down(),
            _ => near,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thresholds and values that meet each other exactly or nearly, and the ends of the line.
    fn numbers() -> Vec<f64> {
        let mut numbers =
            vec![0.0, -0.0, 1e-310, f64::from(f32::MIN_POSITIVE), 1e-46, 0.1, f64::from(0.1f32), 1.5, 1e300];
        numbers.extend([f64::from(f32::MAX), f64::from(f32::MAX).next_up(), f64::MAX, f64::INFINITY]);
        let near: Vec<f64> =
            numbers.iter().flat_map(|x| [x.next_up(), x.next_down()]).filter(|x| !x.is_nan()).collect();
        numbers.extend(near);
        numbers.iter().flat_map(|x| [*x, -*x]).collect()
    }

    fn tests(t: f64) -> [Test; 4] {
        [Test::Less(t), Test::LessOrEqual(t), Test::Greater(t), Test::GreaterOrEqual(t)]
    }

    fn split(test: Test, missing_yes: bool) -> Split {
        Split { feature: 0, test, missing_yes, yes: 1, no: 2 }
    }

    fn goes(normal: &Normal, second: bool) -> u32 {
        if second == normal.swapped { 1 } else { 2 }
    }

    #[test]
    fn the_one_form_sends_every_value_where_its_test_does() {
        for split in numbers().into_iter().flat_map(tests).map(|test| split(test, false)) {
            let normal = Normal::of(&split).expect("a comparison");
            for x in numbers() {
                assert_eq!(goes(&normal, x >= normal.threshold), split.next(x, &[]), "{split:?} {x:e}");
                let single = x as f32;
                let second = single >= narrow(normal.threshold);
                assert_eq!(goes(&normal, second), split.next(f64::from(single), &[]), "{split:?} {single:e}");
            }
        }
    }

    #[test]
    fn missing_values_follow_their_flag() {
        for (test, missing) in tests(0.5).into_iter().flat_map(|test| [(test, false), (test, true)]) {
            let split = split(test, missing);
            let normal = Normal::of(&split).expect("a comparison");
            assert_eq!(goes(&normal, normal.missing_second), split.next(f64::NAN, &[]), "{split:?}");
        }
    }

    #[test]
    fn rows_rounded_towards_the_test_keep_their_way() {
        for t in numbers().into_iter().filter(|t| f64::from(*t as f32) == *t) {
            for test in tests(t) {
                let rounding = match test {
                    Test::LessOrEqual(_) | Test::Greater(_) => Rounding::Up,
                    _ => Rounding::Down,
                };
                let split = split(test, false);
                for x in numbers() {
                    let rounded = f64::from(rounding.round(x));
                    assert_eq!(split.next(rounded, &[]), split.next(x, &[]), "{test:?} {x:e} as {rounded:e}");
                }
            }
        }
    }
}
