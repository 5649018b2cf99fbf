//! LinearClassifier and LinearRegressor.

use super::dot::Products;
use crate::engine::RunError;
use crate::engine::onnx::Attributes;
use crate::engine::tabular::isa::widest;
use crate::engine::tabular::ops::math::number::{Number, numbers};
use crate::engine::tabular::ops::operands::{length, matrix, one, operand, tensor, two};
use crate::engine::tabular::ops::scores::{Labels, PostTransform, argmax, logistic_pair};
use crate::engine::tabular::ops::{Op, Outputs};
use crate::tensor::Tensor;

/// Rows that are summed before their scores are handed on.
const ROWS: usize = 64;
/// Columns beyond which zeros are passed over: text is made of little else.
const SPARSE: usize = 256;

/// `x . coefficients + intercepts`, one sum per target, in `f64` and in an order that depends on nothing
/// but the model.
struct Linear {
    /// All columns of the first target, then of the second, and so on. Where zeros are passed over, all
    /// targets of the first column, then of the second.
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    targets: usize,
    columns: usize,
    /// Whether zeros are passed over: there are many columns, and nothing times a coefficient is
    /// nothing; infinity and NaN are counted out.
    sparse: bool,
}

impl Linear {
    fn new(attributes: &Attributes, targets: usize) -> Result<Self, String> {
        let given = attributes.floats("coefficients");
        let intercepts = attributes.floats("intercepts").to_vec();
        if targets == 0 || given.is_empty() || !given.len().is_multiple_of(targets) {
            return Err(format!("{} coefficients do not divide over {targets} targets", given.len()));
        }
        if !intercepts.is_empty() && intercepts.len() != targets {
            return Err(format!("{} intercepts, expected none or {targets}", intercepts.len()));
        }
        Ok(Self::of(given, intercepts, targets))
    }

    fn of(given: &[f32], intercepts: Vec<f32>, targets: usize) -> Self {
        let columns = given.len() / targets;
        let sparse = columns > SPARSE && given.iter().all(|w| w.is_finite());
        let column = |column: usize| (0..targets).map(move |target| given[target * columns + column]);
        let coefficients = if sparse { (0..columns).flat_map(column).collect() } else { given.to_vec() };
        Self { coefficients, intercepts, targets, columns, sparse }
    }

    fn memory_bytes(&self) -> usize {
        (self.coefficients.len() + self.intercepts.len()) * size_of::<f32>()
    }

    /// Hands the scores of each row on; answers how many rows there were.
    fn each_row(&self, input: &Tensor, then: impl FnMut(&mut [f64])) -> Result<usize, RunError> {
        let (rows, columns) = matrix(input);
        if columns != self.columns {
            return Err(RunError::Engine(format!(
                "rows have {columns} columns, the coefficients ask for {}",
                self.columns
            )));
        }
        length(&[rows, self.targets])?;
        numbers!(input.data(), values => self.rows(values, then));
        Ok(rows)
    }

    fn rows<T: Number>(&self, values: &[T], mut then: impl FnMut(&mut [f64])) {
        let mut scores = vec![0.0; self.targets * ROWS];
        for block in values.chunks(ROWS * self.columns) {
            let scores = &mut scores[..block.len() / self.columns * self.targets];
            match self.sparse {
                false => {
                    widest(Products { rows: block, weights: &self.coefficients, columns: self.columns, out: scores });
                }
                true => self.sparsely(block, scores),
            }
            for scores in scores.chunks_exact_mut(self.targets) {
                scores.iter_mut().zip(&self.intercepts).for_each(|(score, b)| *score += f64::from(*b));
                then(scores);
            }
        }
    }

    /// All targets side by side, column after column; zeros are passed over.
    fn sparsely<T: Number>(&self, rows: &[T], scores: &mut [f64]) {
        scores.fill(0.0);
        for (row, scores) in rows.chunks_exact(self.columns).zip(scores.chunks_exact_mut(self.targets)) {
            for (x, weights) in row.iter().zip(self.coefficients.chunks_exact(self.targets)) {
                let x = x.to_f64();
                if x != 0.0 {
                    scores.iter_mut().zip(weights).for_each(|(score, w)| *score += x * f64::from(*w));
                }
            }
        }
    }
}

pub struct Regressor {
    linear: Linear,
    post: PostTransform,
}

impl Regressor {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let targets = usize::try_from(attributes.int("targets", 1)).map_err(|_| "targets is negative")?;
        Ok(Self { linear: Linear::new(attributes, targets)?, post: PostTransform::any(attributes)? })
    }
}

impl Op for Regressor {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let mut answer = Vec::new();
        let rows = self.linear.each_row(operand(operands, 0)?, |scores| {
            self.post.apply(scores);
            answer.extend(scores.iter().map(|score| *score as f32));
        })?;
        Ok(one(tensor([rows, self.linear.targets], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        self.linear.memory_bytes()
    }
}

pub struct Classifier {
    linear: Linear,
    labels: Labels,
    post: PostTransform,
}

impl Classifier {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let labels = Labels::new(attributes)?;
        let intercepts = attributes.floats("intercepts").len();
        let targets = if intercepts == 0 { labels.len() } else { intercepts };
        if targets != labels.len() && (targets, labels.len()) != (1, 2) {
            return Err(format!("{targets} scores for {} classes", labels.len()));
        }
        let post = PostTransform::any(attributes)?;
        if targets == 1 && post == PostTransform::Probit {
            return Err("post_transform PROBIT of one score for two classes has no meaning".into());
        }
        Ok(Self { linear: Linear::new(attributes, targets)?, labels, post })
    }

    /// The class of a row, and its scores appended to `answer`.
    fn decide(&self, scores: &mut [f64], answer: &mut Vec<f32>) -> usize {
        if let ([margin], 2) = (&*scores, self.labels.len()) {
            let pair = match self.post {
                PostTransform::Logistic => logistic_pair(*margin),
                _ => [1.0 - margin, *margin],
            };
            answer.extend(pair.map(|score| score as f32));
            return usize::from(*margin > 0.0);
        }
        let class = argmax(scores);
        self.post.apply(scores);
        answer.extend(scores.iter().map(|score| *score as f32));
        class
    }
}

impl Op for Classifier {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let mut classes = Vec::new();
        let mut answer = Vec::new();
        let rows =
            self.linear.each_row(operand(operands, 0)?, |scores| classes.push(self.decide(scores, &mut answer)))?;
        Ok(two(self.labels.tensor(&classes)?, tensor([rows, self.labels.len()], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        self.linear.memory_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_summed_with_its_intercepts() {
        let linear = Linear::of(&[1.0, 2.0, 3.0, 4.0], vec![0.5, -0.5], 2);
        let sums = |input: Tensor| {
            let mut seen = Vec::new();
            linear.each_row(&input, |scores| seen.extend_from_slice(scores)).map(|_| seen)
        };
        let expected = Ok(vec![3.5, 6.5, 2.5, 5.5]);
        assert_eq!(sums(Tensor::of([2, 2], vec![1.0f32, 1.0, 2.0, 0.0]).expect("fits")), expected);
        assert_eq!(sums(Tensor::of([2, 2], vec![1i64, 1, 2, 0]).expect("fits")), expected);
        assert!(sums(Tensor::of([1, 1], vec![1.0f32]).expect("fits")).is_err());
    }

    #[test]
    fn zeros_are_passed_over_only_where_that_changes_nothing() {
        let sum = |first: f32| {
            let mut weights = vec![1.0; SPARSE + 1];
            weights[0] = first;
            let mut row = vec![0.0f32; SPARSE + 1];
            row[1] = 2.0;
            let mut seen = f64::INFINITY;
            Linear::of(&weights, vec![], 1).rows(&row, |scores| seen = scores[0]);
            seen
        };
        assert_eq!(sum(5.0), 2.0);
        assert!(sum(f32::INFINITY).is_nan());
    }

    #[test]
    fn a_row_has_one_sum_whatever_its_batch() {
        for (targets, columns) in [(1, 7), (3, 7), (2, SPARSE + 3)] {
            let weights: Vec<f32> = (0..targets * columns).map(|at| 0.1 * (at % 13) as f32 - 0.3).collect();
            let linear = Linear::of(&weights, vec![0.7; targets], targets);
            let rows: Vec<f32> = (0..19 * columns).map(|at| if at % 3 == 0 { 0.0 } else { at as f32 * 0.37 }).collect();
            let sums = |rows: &[f32]| {
                let mut seen = Vec::new();
                linear.rows(rows, |scores| seen.extend_from_slice(scores));
                seen
            };
            let alone: Vec<f64> = rows.chunks(columns).flat_map(sums).collect();
            assert_eq!(sums(&rows), alone, "{targets} targets, {columns} columns");
        }
    }

    #[test]
    fn doubles_are_summed_as_doubles() {
        let linear = Linear::of(&[1.0, -1.0], vec![], 1);
        let mut seen = 0.0;
        linear.rows(&[1.0 + 1e-12, 1.0], |scores| seen = scores[0]);
        assert!(seen > 0.9e-12);
    }
}
