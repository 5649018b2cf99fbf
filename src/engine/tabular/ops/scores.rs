//! What classifiers share: class labels, post-transforms, and the step from scores to a label.

use crate::engine::RunError;
use crate::engine::lowered::Link;
use crate::engine::onnx::Attributes;
use crate::tensor::{Data, Tensor};
use smallvec::SmallVec;
use std::sync::Arc;

/// The classes' names, integers or text.
#[derive(Clone, Debug)]
pub enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<Arc<str>>),
}

impl Labels {
    /// Reads `{prefix}_int64s` / `_ints` or `{prefix}_strings`.
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let texts = attributes.strings("classlabels_strings");
        if !texts.is_empty() {
            return Ok(Self::Texts(texts));
        }
        let ints = [attributes.ints("classlabels_int64s"), attributes.ints("classlabels_ints")].concat();
        if ints.is_empty() {
            Err("neither integer nor text class labels are given".into())
        } else {
            Ok(Self::Ints(ints))
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Ints(ids) => ids.len(),
            Self::Texts(names) => names.len(),
        }
    }

    /// The label of each class index.
    pub fn tensor(&self, classes: &[usize]) -> Result<Tensor, RunError> {
        let data = match self {
            Self::Ints(ids) => Data::I64(classes.iter().map(|class| ids[*class]).collect()),
            Self::Texts(names) => Data::Str(classes.iter().map(|class| names[*class].clone()).collect()),
        };
        Tensor::new([classes.len()], data).map_err(|error| RunError::Engine(error.to_string()))
    }
}

/// ONNX-ML's `post_transform`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostTransform {
    None,
    Logistic,
    Softmax,
    SoftmaxZero,
    Probit,
}

impl PostTransform {
    /// Those that trees have: a probit of a sum of votes means nothing.
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        match Self::any(attributes)? {
            Self::Probit => Err("post_transform PROBIT is not supported".into()),
            other => Ok(other),
        }
    }

    /// All that ONNX-ML has.
    pub fn any(attributes: &Attributes) -> Result<Self, String> {
        match attributes.string("post_transform", "NONE").as_str() {
            "NONE" => Ok(Self::None),
            "LOGISTIC" => Ok(Self::Logistic),
            "SOFTMAX" => Ok(Self::Softmax),
            "SOFTMAX_ZERO" => Ok(Self::SoftmaxZero),
            "PROBIT" => Ok(Self::Probit),
            other => Err(format!("post_transform {other} is not known")),
        }
    }

    /// The same on a device. Trees have no probit.
    pub fn lower(self) -> Link {
        match self {
            Self::None | Self::Probit => Link::None,
            Self::Logistic => Link::Logistic,
            Self::Softmax => Link::Softmax,
            Self::SoftmaxZero => Link::SoftmaxZero,
        }
    }

    /// Transforms one row of scores in place.
    pub fn apply(self, scores: &mut [f64]) {
        match self {
            Self::None => {}
            Self::Logistic => scores.iter_mut().for_each(|score| *score = logistic(*score)),
            Self::Softmax => softmax(scores, |_| true),
            // Scores this small count as zero in ONNX Runtime, and so here.
            Self::SoftmaxZero => softmax(scores, |score| score.abs() > 1e-7),
            Self::Probit => scores.iter_mut().for_each(|score| *score = probit(*score)),
        }
    }
}

/// `1 / (1 + exp(-x))`, without overflow on either side.
pub fn logistic(x: f64) -> f64 {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    if x < 0.0 { 1.0 - v } else { v }
}

/// `[logistic(-x), logistic(x)]`
pub fn logistic_pair(x: f64) -> [f64; 2] {
    let v = 1.0 / (1.0 + (-x.abs()).exp());
    match x < 0.0 {
        true => [v, 1.0 - v],
        // Zero has no side.
        false => [if x > 0.0 { 1.0 - v } else { v }, v],
    }
}

/// The quantile of the normal distribution for a probability, by the approximation that ONNX's reference
/// and ONNX Runtime use (Winitzki's, with `a = 0.147`): right to about three digits.
fn probit(p: f64) -> f64 {
    const A: f64 = 0.147;
    let x = 2.0 * p - 1.0;
    let log = ((1.0 - x) * (1.0 + x)).ln();
    let half = 2.0 / (std::f64::consts::PI * A) + 0.5 * log;
    let root = ((half * half - log / A).sqrt() - half).sqrt();
    std::f64::consts::SQRT_2 * if x < 0.0 { -root } else { root }
}

/// Softmax over the scores that take part; the others, which are as good as zero, stay so.
fn softmax(scores: &mut [f64], takes_part: impl Fn(f64) -> bool) {
    let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let part: SmallVec<[bool; 16]> = scores.iter().map(|score| takes_part(*score)).collect();
    let mut sum = 0.0;
    for (score, _) in scores.iter_mut().zip(&part).filter(|(_, part)| **part) {
        *score = (*score - top).exp();
        sum += *score;
    }
    if sum > 0.0 {
        scores.iter_mut().zip(&part).filter(|(_, part)| **part).for_each(|(score, _)| *score /= sum);
    }
}

/// The index of the largest score; the first of equals.
pub fn argmax(scores: &[f64]) -> usize {
    let mut best = 0;
    for (at, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = at;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_hold_at_the_far_ends() {
        assert_eq!(logistic(0.0), 0.5);
        for x in [0.0, -0.0, 1e-9, -3.0, 40.0, f64::INFINITY, f64::NAN] {
            assert_eq!(logistic_pair(x).map(f64::to_bits), [logistic(-x), logistic(x)].map(f64::to_bits), "{x}");
        }
        assert_eq!((logistic(800.0), logistic(-800.0)), (1.0, 0.0));
        let mut scores = [1000.0, 1000.0, -1000.0];
        PostTransform::Softmax.apply(&mut scores);
        assert_eq!(scores, [0.5, 0.5, 0.0]);
        let mut scores = [0.0, 2.0, 2.0];
        PostTransform::SoftmaxZero.apply(&mut scores);
        assert_eq!(scores, [0.0, 0.5, 0.5]);
        let mut scores = [1e-9, 900.0, 0.5];
        PostTransform::SoftmaxZero.apply(&mut scores);
        assert_eq!(scores, [1e-9, 1.0, 0.0]);
    }

    #[test]
    fn a_probit_is_a_quantile_to_three_digits() {
        for (p, quantile) in [(0.5, 0.0), (0.975, 1.959_96), (0.025, -1.959_96), (0.841_345, 1.0)] {
            assert!((probit(p) - quantile).abs() < 5e-3, "{p}: {}", probit(p));
        }
    }

    #[test]
    fn the_first_of_equal_scores_wins() {
        assert_eq!(argmax(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(argmax(&[f64::NAN]), 0);
    }
}
