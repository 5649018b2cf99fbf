//! TreeEnsembleClassifier, TreeEnsembleRegressor and TreeEnsemble.

use super::scores::{Labels, PostTransform, argmax, logistic_pair};
use super::{Call, Op, Outputs, RunError, floats, length, matrix, one, operand, tensor, two};
use crate::engine::Origin;
use crate::engine::cache::{self, Entry, Place};
use crate::engine::lowered::{Head, HeadKind};
use crate::engine::onnx::Attributes;
use crate::engine::tabular::forest::ensemble::Ensemble;
use crate::engine::tabular::forest::{Forest, Rows, onnx, onnx5};
use crate::tensor::{DType, Data, Tensor};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64;

/// A forest whose targets are numbers.
pub struct Regressor {
    forest: Forest,
    post: PostTransform,
    /// The scores are of the rows' type, else FP32 always.
    typed: bool,
    origin: Origin,
}

impl Regressor {
    pub fn new(call: &Call<'_>) -> Result<Self, String> {
        let attributes = call.attributes();
        let (forest, origin) = forest(call, targets(attributes), || onnx::regressor(attributes))?;
        Ok(Self { forest, post: PostTransform::new(attributes)?, typed: false, origin })
    }

    /// TreeEnsemble, whose attributes are numbers where its forerunners' are words.
    pub fn of_version_5(call: &Call<'_>) -> Result<Self, String> {
        let attributes = call.attributes();
        let (forest, origin) = forest(call, targets(attributes), || onnx5::tree_ensemble(attributes))?;
        let post = match attributes.int("post_transform", 0) {
            0 => PostTransform::None,
            1 => PostTransform::Softmax,
            2 => PostTransform::Logistic,
            3 => PostTransform::SoftmaxZero,
            4 => return Err("post_transform PROBIT is not supported".into()),
            other => return Err(format!("unknown post_transform {other}, expected 0 to 4")),
        };
        Ok(Self { forest, post, typed: true, origin })
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

    fn origin(&self) -> Origin {
        self.origin
    }

    fn forest(&self) -> Option<&Forest> {
        Some(&self.forest)
    }

    fn head(&self, dtype: DType) -> Result<Option<(Head, Option<Labels>)>, String> {
        if self.typed && dtype != DType::F32 {
            return Err(format!("the trees answer {dtype}, a device FP32"));
        }
        Ok(Some((Head { kind: HeadKind::Scores, link: self.post.lower(), labels: false }, None)))
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
    origin: Origin,
}

/// Two classes of which the trees score only one: the score's meaning decides the other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    /// All weights are non-negative: the score is a probability, its threshold one half.
    Probability,
    /// The score is a margin, its threshold zero.
    Margin,
}

/// Above it a probability speaks for class 1.
const PROBABLE: f32 = 0.5;

impl Classifier {
    pub fn new(call: &Call<'_>) -> Result<Self, String> {
        let attributes = call.attributes();
        let labels = Labels::new(attributes)?;
        let ids = attributes.ints("class_ids");
        let one_sided = labels.len() == 2 && ids.windows(2).all(|pair| pair[0] == pair[1]);
        let weights = attributes.doubles("class_weights")?;
        let binary = one_sided.then(|| match weights.iter().all(|weight| *weight >= 0.0) {
            true => Binary::Probability,
            false => Binary::Margin,
        });
        let (forest, origin) = match binary {
            Some(_) => forest(call, 1, || onnx::one_sided_classifier(attributes))?,
            None => forest(call, labels.len(), || onnx::classifier(attributes, labels.len()))?,
        };
        Ok(Self { forest, labels, post: PostTransform::new(attributes)?, binary, origin })
    }

    /// Scores to probabilities (in `row`) and the index of the class.
    fn decide(&self, scores: &[f64], row: &mut [f64]) -> usize {
        if let Some(kind) = self.binary {
            return self.decide_binary(kind, scores[0], row);
        }
        // As `f32`, which the votes are stored in: else a tie of equal votes would be none.
        row.iter_mut().zip(scores).for_each(|(to, score)| *to = f64::from(*score as f32));
        let class = argmax(row);
        row.copy_from_slice(scores);
        self.post.apply(row);
        class
    }

    fn decide_binary(&self, kind: Binary, positive: f64, row: &mut [f64]) -> usize {
        let (pair, threshold) = match kind {
            Binary::Probability if self.post == PostTransform::None => (complement(positive), PROBABLE),
            Binary::Probability => (self.two_sided(positive), PROBABLE),
            Binary::Margin => (self.two_sided(positive), 0.0),
        };
        row.copy_from_slice(&pair);
        // A tie of stored votes is one only as `f32`: five times 0.1f is more than a half.
        usize::from(positive as f32 > threshold)
    }

    fn two_sided(&self, margin: f64) -> [f64; 2] {
        match self.post {
            PostTransform::Logistic => logistic_pair(margin),
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

    fn origin(&self) -> Origin {
        self.origin
    }

    fn forest(&self) -> Option<&Forest> {
        Some(&self.forest)
    }

    fn head(&self, _: DType) -> Result<Option<(Head, Option<Labels>)>, String> {
        let kind = match self.binary {
            None => HeadKind::Scores,
            Some(Binary::Probability) if self.post == PostTransform::None => {
                HeadKind::Complement { threshold: PROBABLE }
            }
            Some(Binary::Probability) => HeadKind::OneSided { threshold: PROBABLE },
            Some(Binary::Margin) => HeadKind::OneSided { threshold: 0.0 },
        };
        Ok(Some((Head { kind, link: self.post.lower(), labels: true }, Some(self.labels.clone()))))
    }

    fn describe(&self) -> Vec<String> {
        self.forest.describe()
    }
}

/// The targets that a regressor names.
fn targets(attributes: &Attributes) -> usize {
    usize::try_from(attributes.int("n_targets", 1)).unwrap_or(0).max(1)
}

/// The node's forest: from the cache, or else the trees that `read` finds, laid out and measured.
fn forest(
    call: &Call<'_>,
    targets: usize,
    read: impl FnOnce() -> Result<Ensemble, String>,
) -> Result<(Forest, Origin), String> {
    // What a node gives has a name that no other node's results have.
    let name =
        |place: Place<'_>| place.name(&format!("onnx-{:016x}", xxh3_64(call.node.outputs.join("\0").as_bytes())));
    let revive = |entry: &Entry| {
        let forest = Forest::revive(cache::unarchive(entry.head()?)?, entry)?;
        if forest.targets() == targets { Ok(forest) } else { Err("it has other targets than the node".into()) }
    };
    let kept = call.place.and_then(|place| place.cache.load(&name(place), revive));
    let (mut forest, origin) = match kept {
        Some(forest) => (forest, Origin::Cache),
        None => {
            let mut forest = Forest::new(&read()?)?;
            forest.tune();
            if let Some(place) = call.place {
                place.cache.store(&name(place), |writer| forest.keep(writer));
            }
            (forest, Origin::File)
        }
    };
    forest.trim();
    Ok((forest, origin))
}

/// The scores of every row, and how many rows there are.
fn score(forest: &Forest, input: &Tensor) -> Result<(usize, Vec<f64>), RunError> {
    let rows = rows(forest, input)?;
    let mut scores = vec![0.0; length(&[rows, forest.targets()])?];
    match input.data() {
        Data::F64(values) => forest.score(Rows::F64(values), &mut scores),
        _ => forest.score(Rows::F32(&floats(input)?), &mut scores),
    }
    Ok((rows, scores))
}

fn rows(forest: &Forest, input: &Tensor) -> Result<usize, RunError> {
    let (rows, columns) = matrix(input);
    let features = forest.features();
    match columns < features {
        true => Err(RunError::Engine(format!("rows have {columns} columns, the trees ask for {features}"))),
        false => Ok(rows),
    }
}

/// The scores of every row before the post-transform, FP32: rows x targets.
pub fn margins(forest: &Forest, input: &Tensor) -> Result<Tensor, RunError> {
    let (rows, scores) = score(forest, input)?;
    tensor([rows, forest.targets()], scores.iter().map(|score| *score as f32).collect::<Vec<f32>>())
}

/// The numbers of the leaves that every row comes to, INT64: rows x trees.
pub fn leaves(forest: &Forest, input: &Tensor) -> Result<Tensor, RunError> {
    let rows = rows(forest, input)?;
    let mut leaves = vec![0i64; length(&[rows, forest.trees()])?];
    match input.data() {
        Data::F64(values) => forest.leaves(Rows::F64(values), &mut leaves),
        _ => forest.leaves(Rows::F32(&floats(input)?), &mut leaves),
    }
    tensor([rows, forest.trees()], leaves)
}
