//! From margins to what the training library's `predict` gives.

use crate::engine::tabular::ops::argmax;
use rkyv::{Archive, Deserialize, Serialize};

/// What is done to the margins of a row.
#[derive(Clone, Copy, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum Link {
    Identity,
    /// `1 / (1 + exp(-scale x))`. The exponent stops at `limit`: XGBoost's at 88.7, which keeps the
    /// smallest probability above zero, LightGBM's nowhere.
    Sigmoid {
        scale: f64,
        limit: f64,
    },
    /// `exp(x)`
    Exp,
    /// `ln(1 + exp(x))`, LightGBM's `cross_entropy_lambda`.
    Log1pExp,
    /// `sign(x) x^2`, LightGBM's `reg_sqrt`.
    SignedSquare,
    /// 1 above zero, else 0: XGBoost's `binary:hinge`.
    Step,
    /// `exp(x_i) / sum_j exp(x_j)` over the row.
    Softmax,
}

impl Link {
    /// Turns one row of margins into answers, in place.
    pub fn apply(self, row: &mut [f64]) {
        match self {
            Self::Identity => {}
            Self::Sigmoid { scale, limit } => each(row, |x| 1.0 / (1.0 + (-scale * x).min(limit).exp())),
            Self::Exp => each(row, f64::exp),
            Self::Log1pExp => each(row, |x| x.exp().ln_1p()),
            Self::SignedSquare => each(row, |x| if x < 0.0 { -x * x } else { x * x }),
            Self::Step => each(row, |x| if x > 0.0 { 1.0 } else { 0.0 }),
            Self::Softmax => softmax(row),
        }
    }
}

fn each(row: &mut [f64], link: impl Fn(f64) -> f64) {
    row.iter_mut().for_each(|x| *x = link(*x));
}

fn softmax(row: &mut [f64]) {
    let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    each(row, |x| (x - top).exp());
    let sum: f64 = row.iter().sum();
    each(row, |x| x / sum);
}

/// What the numbers of a row are to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Answer {
    /// One number for each target.
    Values,
    /// Probabilities of classes `0..n`, and the class of the highest. A single margin stands for
    /// class 1 of two.
    Classes,
}

/// The end of a model: margins in, answers and label out.
#[derive(Clone, Copy, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Head {
    pub link: Link,
    pub answer: Answer,
    /// Scores for each row.
    pub targets: usize,
    /// Scores are divided by this first: the iterations of a random forest that averages, else 1.
    pub divisor: f64,
    /// Whether the library works with 32-bit probabilities, and finds labels by these.
    pub single: bool,
}

impl Head {
    /// Numbers in a row of the answer.
    pub fn width(&self) -> usize {
        match self.answer {
            Answer::Classes if self.targets == 1 => 2,
            _ => self.targets,
        }
    }

    /// Answers one row: appends [`Head::width`] numbers and gives the class of classifiers.
    pub fn apply(&self, margins: &[f64], scratch: &mut Vec<f64>, out: &mut Vec<f32>) -> usize {
        scratch.clear();
        scratch.extend(margins.iter().map(|x| x / self.divisor));
        self.link.apply(scratch);
        if self.single {
            each(scratch, |x| f64::from(x as f32));
        }
        if self.answer == Answer::Classes && self.targets == 1 {
            scratch.insert(0, 1.0 - scratch[0]);
        }
        out.extend(scratch.iter().map(|x| *x as f32));
        argmax(scratch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(link: Link, mut row: Vec<f64>) -> Vec<f64> {
        link.apply(&mut row);
        row
    }

    #[test]
    fn links_hold_at_the_far_ends() {
        let sigmoid = Link::Sigmoid { scale: 1.0, limit: f64::INFINITY };
        assert_eq!(applied(sigmoid, vec![0.0, 800.0, -800.0]), [0.5, 1.0, 0.0]);
        let limited = Link::Sigmoid { scale: 1.0, limit: 88.7 };
        assert!(applied(limited, vec![-800.0])[0] > 2e-39);
        assert_eq!(applied(Link::Softmax, vec![1000.0, 1000.0, -1000.0]), [0.5, 0.5, 0.0]);
        assert_eq!(applied(Link::SignedSquare, vec![-3.0, 3.0]), [-9.0, 9.0]);
        assert_eq!(applied(Link::Step, vec![0.0, 1e-9]), [0.0, 1.0]);
        assert!((applied(Link::Log1pExp, vec![0.0])[0] - std::f64::consts::LN_2).abs() < 1e-15);
    }

    #[test]
    fn one_margin_of_a_classifier_answers_for_two_classes() {
        let link = Link::Sigmoid { scale: 1.0, limit: 88.7 };
        let head = Head { link, answer: Answer::Classes, targets: 1, divisor: 1.0, single: true };
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        // Even odds are class 0: the libraries ask for more than a half.
        assert_eq!([0.0, 1e-9, 0.1].map(|x| head.apply(&[x], &mut scratch, &mut out)), [0, 0, 1]);
        assert_eq!(out[..4], [0.5, 0.5, 0.5, 0.5]);
        assert_eq!((head.width(), out.len()), (2, 6));
    }
}
