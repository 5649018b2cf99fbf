//! TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble.

use super::scores::{Labels, PostTransform, argmax, logistic};
use super::{Op, Outputs, RunError, floats, matrix, one, operand, tensor, two};
use crate::engine::onnx::Attributes;
use crate::engine::tabular::forest::ensemble::Ensemble;
use crate::engine::tabular::forest::{Forest, Rows, onnx, onnx5};
use crate::tensor::{DType, Data, Tensor};
use smallvec::SmallVec;

/// A forest whose targets are numbers.
pub struct Regressor {
    forest: Forest,
    post: PostTransform,
    /// The scores are of the rows' type, else FP32 always.
    typed: bool,
}

impl Regressor {
    pub fn new(attributes: &Attributes) -> Result<Self, String> {
        let forest = forest(&onnx::regressor(attributes)?)?;
        Ok(Self { forest, post: PostTransform::new(attributes)?, typed: false })
    }

    /// TreeEnsemble, whose attributes are numbers where its forerunners' are words.
    pub fn of_version_5(attributes: &Attributes) -> Result<Self, String> {
        let forest = forest(&onnx5::tree_ensemble(attributes)?)?;
        let post = match attributes.int("post_transform", 0) {
            0 => PostTransform::None,
            1 => PostTransform::Softmax,
            2 => PostTransform::Logistic,
            3 => PostTransform::SoftmaxZero,
            4 => return Err("post_transform PROBIT is not supported".into()),
            other => return Err(format!("unknown post_transform {other}, expected 0 to 4")),
        };
        Ok(Self { forest, post, typed: true })
    }
}

impl Op for Regressor {
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError> {
        let targets = self.forest.targets();
        let input = operand(operands, 0)?;
        let (rows, mut scores) = score(&self.forest, input)?;
        if self.post != PostTransform::None {
            scores.chunks_exact_mut(targets).for_each(|row| self.post.apply(row));
        }
        Ok(one(match input.dtype() {
            DType::F64 if self.typed => tensor([rows, targets], scores)?,
            DType::F16 if self.typed => {
                tensor([rows, targets], scores.iter().map(|score| half::f16::from_f64(*score)).collect())?
            }
            _ => tensor([rows, targets], scores.iter().map(|score| *score as f32).collect::<Vec<f32>>())?,
        }))
    }

    fn memory_bytes(&self) -> usize {
        self.forest.memory_bytes()
    }

    fn describe(&self) -> Vec<String> {
        self.forest.describe()
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
        let ensemble = match binary {
            Some(_) => onnx::one_sided_classifier(attributes)?,
            None => onnx::classifier(attributes, labels.len())?,
        };
        Ok(Self { forest: forest(&ensemble)?, labels, post: PostTransform::new(attributes)?, binary })
    }

    /// Scores to probabilities (in `row`) and the index of the class.
    fn decide(&self, scores: &[f64], row: &mut [f64]) -> usize {
        if let Some(kind) = self.binary {
            return self.decide_binary(kind, scores[0], row);
        }
        row.copy_from_slice(scores);
        let class = argmax(row);
        self.post.apply(row);
        class
    }

    fn decide_binary(&self, kind: Binary, positive: f64, row: &mut [f64]) -> usize {
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
        let (rows, scores) = score(&self.forest, operand(operands, 0)?)?;
        let mut classes = Vec::with_capacity(rows);
        let mut answer = Vec::with_capacity(rows * width);
        let mut row = SmallVec::<[f64; 8]>::from_elem(0.0, width);
        for scores in scores.chunks_exact(self.forest.targets()) {
            classes.push(self.decide(scores, &mut row));
            answer.extend(row.iter().map(|value| *value as f32));
        }
        Ok(two(self.labels.tensor(&classes)?, tensor([rows, width], answer)?))
    }

    fn memory_bytes(&self) -> usize {
        self.forest.memory_bytes()
    }

    fn describe(&self) -> Vec<String> {
        self.forest.describe()
    }
}

/// Lays the trees out and measures the kernels on them.
fn forest(ensemble: &Ensemble) -> Result<Forest, String> {
    let mut forest = Forest::new(ensemble)?;
    forest.tune();
    forest.trim();
    Ok(forest)
}

/// The scores of every row, and how many rows there are.
fn score(forest: &Forest, input: &Tensor) -> Result<(usize, Vec<f64>), RunError> {
    let (rows, columns) = matrix(input);
    let features = forest.features();
    if columns < features {
        return Err(RunError::Engine(format!("rows have {columns} columns, the trees ask for {features}")));
    }
    let mut scores = vec![0.0; rows * forest.targets()];
    match input.data() {
        Data::F64(values) => forest.score(Rows::F64(values), &mut scores),
        _ => forest.score(Rows::F32(&floats(input)?), &mut scores),
    }
    Ok((rows, scores))
}
