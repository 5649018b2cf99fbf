//! TreeEnsembleClassifier and TreeEnsembleRegressor.

use super::scores::{Labels, PostTransform, argmax, logistic};
use super::{Op, Outputs, RunError, floats, matrix, one, operand, tensor, two};
use crate::engine::onnx::Attributes;
use crate::engine::tabular::forest::{self, Forest, Score};
use crate::tensor::Tensor;

/// A forest whose targets are numbers.
pub struct Regressor {
    forest: Forest,
    post: PostTransform,
}

impl Regressor {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        Ok(Self { forest: forest::regressor(attributes)?, post: PostTransform::new(attributes)? })
    }
}

impl Op for Regressor {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let targets = self.forest.targets;
        let mut answer = Vec::new();
        let mut values = vec![0.0; targets];
        let rows = each_row(&self.forest, operand(operands, 0)?, |scores| {
            for (at, (value, score)) in values.iter_mut().zip(scores).enumerate() {
                *value = score.value + base(&self.forest, at);
            }
            self.post.apply(&mut values);
            answer.extend(values.iter().map(|value| *value as f32));
        })?;
        Ok(one(tensor([rows, targets], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        self.forest.memory_bytes()
    }
}

/// A forest whose targets are classes.
pub struct Classifier {
    forest: Forest,
    labels: Labels,
    post: PostTransform,
    binary: Option<Binary>,
}

/// Two classes of which the trees score only one: the score's meaning decides the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    /// All weights are non-negative: the score is a probability, its threshold one half.
    Probability,
    /// The score is a margin, its threshold zero.
    Margin,
}

impl Classifier {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let labels = Labels::new(attributes)?;
        let ids = attributes.ints("class_ids");
        let one_sided = labels.len() == 2 && ids.windows(2).all(|pair| pair[0] == pair[1]);
        let weights = attributes.doubles("class_weights")?;
        let binary = one_sided.then(|| match weights.iter().all(|weight| *weight >= 0.0) {
            true => Binary::Probability,
            false => Binary::Margin,
        });
        let post = PostTransform::new(attributes)?;
        Ok(Self { forest: forest::classifier(attributes, labels.len())?, labels, post, binary })
    }

    /// Scores to probabilities (in `row`) and the index of the class.
    fn decide(&self, scores: &[Score], row: &mut [f64]) -> usize {
        match self.binary {
            Some(kind) => self.decide_binary(kind, scores, row),
            None => {
                for (at, (value, score)) in row.iter_mut().zip(scores).enumerate() {
                    *value = score.value + base(&self.forest, at);
                }
                let class = argmax(row);
                self.post.apply(row);
                class
            }
        }
    }

    fn decide_binary(&self, kind: Binary, scores: &[Score], row: &mut [f64]) -> usize {
        // The trees speak of one column, whichever the file numbers it, and mean the second class.
        let spoken = scores.iter().find(|score| score.has).map_or(0.0, |score| score.value);
        let positive = spoken + self.forest.base_values.last().copied().unwrap_or(0.0);
        let (pair, threshold) = match kind {
            Binary::Probability if self.post == PostTransform::None => (complement(positive), 0.5),
            Binary::Probability => (self.two_sided(positive), 0.5),
            Binary::Margin => (self.two_sided(positive), 0.0),
        };
        row.copy_from_slice(&pair);
        usize::from(positive > threshold)
    }

    fn two_sided(&self, margin: f64) -> [f64; 2] {
        match self.post {
            PostTransform::Logistic => [logistic(-margin), logistic(margin)],
            other => {
                let mut pair = [-margin, margin];
                other.apply(&mut pair);
                pair
            }
        }
    }
}

/// A probability and its complement. Rounded first: the stored weights sum to one only as `f32`.
fn complement(probability: f64) -> [f64; 2] {
    let rounded = f64::from(probability as f32);
    [1.0 - rounded, rounded]
}

impl Op for Classifier {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let width = self.labels.len();
        let mut classes = Vec::new();
        let mut answer = Vec::new();
        let mut row = vec![0.0; width];
        let rows = each_row(&self.forest, operand(operands, 0)?, |scores| {
            classes.push(self.decide(scores, &mut row));
            answer.extend(row.iter().map(|value| *value as f32));
        })?;
        Ok(two(self.labels.tensor(&classes)?, tensor([rows, width], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        self.forest.memory_bytes()
    }
}

/// Walks every row and hands its scores on; answers how many rows there were.
fn each_row(forest: &Forest, input: &Tensor, mut then: impl FnMut(&[Score])) -> Result<usize, RunError> {
    let values = floats(input)?;
    let (rows, columns) = matrix(input);
    if columns < forest.features {
        return Err(RunError::Engine(format!("rows have {columns} columns, the trees ask for {}", forest.features)));
    }
    let mut scores = vec![Score::default(); forest.targets];
    for row in values.chunks_exact(columns) {
        forest.score(row, &mut scores);
        then(&scores);
    }
    Ok(rows)
}

/// The base value of a target; a single one in the file counts for the first target alone.
fn base(forest: &Forest, target: usize) -> f64 {
    forest.base_values.get(target).copied().unwrap_or(0.0)
}
