//! LinearClassifier and LinearRegressor.

use crate::engine::onnx::Attributes;
use crate::engine::tabular::ops::scores::{Labels, PostTransform, argmax, logistic};
use crate::engine::tabular::ops::{Op, Outputs, RunError, floats, matrix, one, operand, tensor, two};
use crate::tensor::Tensor;

/// `x . coefficients + intercepts`, one sum per target, in `f64` and in column order.
struct Linear {
    coefficients: Vec<f32>,
    intercepts: Vec<f32>,
    targets: usize,
    columns: usize,
}

impl Linear {
    fn new(attributes: &Attributes, targets: usize) -> Result<Self, String> {
        let coefficients = attributes.floats("coefficients").to_vec();
        let intercepts = attributes.floats("intercepts").to_vec();
        if targets == 0 || coefficients.is_empty() || !coefficients.len().is_multiple_of(targets) {
            return Err(format!("{} coefficients do not divide over {targets} targets", coefficients.len()));
        }
        if !intercepts.is_empty() && intercepts.len() != targets {
            return Err(format!("{} intercepts, expected none or {targets}", intercepts.len()));
        }
        let columns = coefficients.len() / targets;
        Ok(Self { coefficients, intercepts, targets, columns })
    }

    fn memory_bytes(&self) -> usize {
        (self.coefficients.len() + self.intercepts.len()) * size_of::<f32>()
    }

    fn each_row(&self, input: &Tensor, mut then: impl FnMut(&mut [f64])) -> Result<usize, RunError> {
        let values = floats(input)?;
        let (rows, columns) = matrix(input);
        if columns != self.columns {
            return Err(RunError::Engine(format!(
                "rows have {columns} columns, the coefficients ask for {}",
                self.columns
            )));
        }
        let mut scores = vec![0.0; self.targets];
        for row in values.chunks_exact(columns) {
            for (target, score) in scores.iter_mut().enumerate() {
                let weights = &self.coefficients[target * columns..][..columns];
                let products = row.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w));
                *score = products.sum::<f64>() + f64::from(self.intercepts.get(target).copied().unwrap_or(0.0));
            }
            then(&mut scores);
        }
        Ok(rows)
    }
}

pub struct Regressor {
    linear: Linear,
    post: PostTransform,
}

impl Regressor {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let targets = usize::try_from(attributes.int("targets", 1)).map_err(|_| "targets is negative")?;
        Ok(Self { linear: Linear::new(attributes, targets)?, post: PostTransform::new(attributes)? })
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
        Ok(Self { linear: Linear::new(attributes, targets)?, labels, post: PostTransform::new(attributes)? })
    }

    /// The class of a row, and its scores appended to `answer`.
    fn decide(&self, scores: &mut [f64], answer: &mut Vec<f32>) -> usize {
        if let ([margin], 2) = (&*scores, self.labels.len()) {
            let pair = match self.post {
                PostTransform::Logistic => [logistic(-margin), logistic(*margin)],
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
    fn a_row_is_summed_in_column_order() {
        let linear =
            Linear { coefficients: vec![1.0, 2.0, 3.0, 4.0], intercepts: vec![0.5, -0.5], targets: 2, columns: 2 };
        let input = Tensor::of([2, 2], vec![1.0f32, 1.0, 2.0, 0.0]).expect("fits");
        let mut seen = Vec::new();
        linear.each_row(&input, |scores| seen.extend_from_slice(scores)).expect("two columns");
        assert_eq!(seen, [3.5, 6.5, 2.5, 5.5]);
        let narrow = Tensor::of([1, 1], vec![1.0f32]).expect("fits");
        assert!(linear.each_row(&narrow, |_| {}).is_err());
    }
}
