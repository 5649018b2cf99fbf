//! A tree model that serves: one wide input, the answer, and on request margins and leaves.

use super::lines::LinearTrees;
use super::link::{Answer, Head};
use super::names::Names;
use super::trees::{self, Trees};
use crate::engine::tabular::forest::ensemble::Ensemble;
use crate::engine::{Dim, Extras, Prepared, RunError, Session, Signature, TensorSpec};
use crate::tensor::{DType, Tensor};
use rkyv::{Archive, Deserialize, Serialize};
use std::sync::Arc;

/// The input and the output, by the names that Triton's FIL backend gives them.
const INPUT: &str = "input__0";
const OUTPUT: &str = "output__0";
const LABEL: &str = "label";

/// What a reader makes of a file.
pub struct Parts {
    pub scorer: Scorer,
    pub head: Head,
    /// Columns of a row.
    pub features: usize,
    /// Their names, where the file has them.
    pub columns: Vec<String>,
    /// Columns of categories in which XGBoost takes every negative number for no category. The walk
    /// cuts fractions towards zero, so values between -1 and 0 are set to -1 for it.
    pub categories: Vec<u32>,
    pub classes: Names,
    /// Who wrote the file, and what it holds.
    pub reason: String,
}

/// What the margins come from.
pub enum Scorer {
    Trees(Ensemble),
    /// Trees with a linear model in each leaf, by tree and leaf.
    LinearTrees(Ensemble, Vec<Vec<LeafLine>>),
    Linear(Linear),
}

/// The linear model of a leaf.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct LeafLine {
    pub constant: f64,
    /// Columns and their weights.
    pub terms: Vec<(u32, f64)>,
    /// What the leaf says where one of these columns is missing.
    pub value: f64,
}

/// What computes them.
pub(super) enum Engine {
    Trees(Box<Trees>),
    LinearTrees(LinearTrees),
    Linear(Linear),
}

/// A linear booster: `bias + sum of weight x value`; missing values add nothing.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Linear {
    /// For each column, a weight for each target.
    pub weights: Vec<f32>,
    /// For each target, base score included.
    pub bias: Vec<f64>,
}

impl Linear {
    fn score(&self, row: &[f32], out: &mut [f64]) {
        out.copy_from_slice(&self.bias);
        let targets = self.bias.len();
        for (x, weights) in row.iter().zip(self.weights.chunks_exact(targets)).filter(|(x, _)| !x.is_nan()) {
            for (score, weight) in out.iter_mut().zip(weights) {
                *score += f64::from(*x) * f64::from(*weight);
            }
        }
    }
}

/// A prepared tree model.
pub struct TreeModel(Arc<Inner>);

/// Its parts, while they may still be written into the cache.
pub(super) struct Inner {
    pub engine: Engine,
    pub head: Head,
    pub features: usize,
    pub columns: Vec<String>,
    pub categories: Vec<u32>,
    pub classes: Names,
    extras: Extras,
    signature: Signature,
}

impl TreeModel {
    pub fn new(mut inner: Inner) -> Self {
        if let Engine::Trees(trees) = &mut inner.engine {
            trees.trim();
        }
        Self(Arc::new(inner))
    }
}

impl Inner {
    /// Checks the trees and lays them out; refuses leaves of a model that has none.
    pub fn new(parts: Parts, extras: Extras) -> Result<Self, String> {
        let Parts { scorer, head, features, columns, categories, classes, .. } = parts;
        if head.answer == Answer::Classes {
            classes.check(head.width())?;
        }
        let engine = match scorer {
            Scorer::Linear(_) if extras.leaf => {
                return Err("output.extra asks for \"leaf\", but a linear booster has no leaves".into());
            }
            Scorer::Linear(linear) => Engine::Linear(linear),
            Scorer::Trees(ensemble) => Engine::Trees(Box::new(Trees::new(ensemble, extras.leaf)?)),
            Scorer::LinearTrees(ensemble, lines) => Engine::LinearTrees(LinearTrees::new(ensemble, lines)?),
        };
        Ok(Self::joined(engine, head, features, columns, categories, classes, extras))
    }

    /// Parts that fit together.
    pub fn joined(
        engine: Engine,
        head: Head,
        features: usize,
        columns: Vec<String>,
        categories: Vec<u32>,
        classes: Names,
        extras: Extras,
    ) -> Self {
        let trees = match &engine {
            Engine::Trees(trees) => trees.count(),
            Engine::LinearTrees(trees) => trees.count(),
            Engine::Linear(_) => 0,
        };
        let signature = signature(&head, &classes, features, trees, extras);
        Self { engine, head, features, columns, categories, classes, extras, signature }
    }
}

fn signature(head: &Head, classes: &Names, features: usize, trees: usize, extras: Extras) -> Signature {
    let rows = || Dim::Any(None);
    let wide = |name: &str, dtype, width| TensorSpec::new(name, dtype, vec![rows(), Dim::Fixed(width)]);
    let mut outputs = vec![wide(OUTPUT, DType::F32, head.width())];
    if head.answer == Answer::Classes {
        outputs[0].labels = Some(classes.texts(head.width()));
        outputs.push(TensorSpec::new(LABEL, classes.dtype(), vec![rows()]));
    }
    if extras.margin {
        outputs.push(wide("margin", DType::F32, head.targets));
    }
    if extras.leaf {
        outputs.push(wide("leaf", DType::I64, trees));
    }
    Signature::new(vec![wide(INPUT, DType::F32, features)], outputs)
}

impl Prepared for TreeModel {
    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(State { model: self.0.clone(), margins: Vec::new(), scratch: Vec::new() }))
    }

    fn memory_bytes(&self) -> usize {
        match &self.0.engine {
            Engine::Trees(trees) => trees.memory_bytes(),
            Engine::LinearTrees(trees) => trees::bytes(trees.ensemble()),
            Engine::Linear(linear) => size_of_val(linear.weights.as_slice()),
        }
    }

    fn columns(&self) -> &[String] {
        &self.0.columns
    }

    fn describe(&self) -> Vec<String> {
        match &self.0.engine {
            Engine::Trees(trees) => trees.describe(),
            Engine::LinearTrees(_) => vec!["linear leaves: one tree after the other".into()],
            Engine::Linear(_) => vec!["a weight for each column".into()],
        }
    }
}

/// The working memory of one thread.
struct State {
    model: Arc<Inner>,
    margins: Vec<f64>,
    scratch: Vec<f64>,
}

impl Session for State {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let broken = |words: &str| RunError::Engine(words.into());
        let input = inputs.first().ok_or_else(|| broken("the input is not there"))?;
        let values = input.as_slice::<f32>().ok_or_else(|| broken("the input is not FP32"))?;
        let rows = input.rows();
        let model = self.model.clone();
        if rows.checked_mul(model.features) != Some(values.len()) {
            return Err(broken("the input has another width than the model"));
        }
        let tidied = model.tidy(values);
        let values = tidied.as_deref().unwrap_or(values);
        self.margins.clear();
        self.margins.resize(rows * model.head.targets, 0.0);
        model.score(values, &mut self.margins);
        self.answer(rows, values).map_err(|error| broken(&error.to_string()))
    }
}

impl Inner {
    fn score(&self, values: &[f32], margins: &mut [f64]) {
        match &self.engine {
            Engine::Trees(trees) => trees.score(values, margins),
            Engine::LinearTrees(trees) => trees.score(values, margins),
            Engine::Linear(linear) => {
                let rows = values.chunks_exact(self.features);
                rows.zip(margins.chunks_exact_mut(self.head.targets)).for_each(|(row, out)| linear.score(row, out));
            }
        }
    }

    /// The rows with fractions below zero in columns of categories set to -1; `None` where there are none.
    fn tidy(&self, values: &[f32]) -> Option<Vec<f32>> {
        let fraction = |x: f32| x < 0.0 && x > -1.0;
        let any = |row: &[f32]| self.categories.iter().any(|at| fraction(row[*at as usize]));
        if self.categories.is_empty() || !values.chunks_exact(self.features).any(any) {
            return None;
        }
        let mut values = values.to_vec();
        for row in values.chunks_exact_mut(self.features) {
            for at in &self.categories {
                let x = &mut row[*at as usize];
                *x = if fraction(*x) { -1.0 } else { *x };
            }
        }
        Some(values)
    }
}

impl State {
    /// Margins to the outputs, in the signature's order.
    fn answer(&mut self, rows: usize, values: &[f32]) -> Result<Vec<Tensor>, crate::tensor::TensorError> {
        let Inner { engine, head, extras, .. } = &*self.model;
        let width = head.width();
        let mut answers = Vec::with_capacity(rows * width);
        let mut labels = Vec::with_capacity(rows);
        for margins in self.margins.chunks_exact(head.targets) {
            labels.push(head.apply(margins, &mut self.scratch, &mut answers));
        }
        let mut outputs = vec![Tensor::of([rows, width], answers)?];
        if head.answer == Answer::Classes {
            outputs.push(Tensor::new([rows], self.model.classes.of(labels))?);
        }
        if extras.margin {
            let margins: Vec<f32> = self.margins.iter().map(|x| *x as f32).collect();
            outputs.push(Tensor::of([rows, head.targets], margins)?);
        }
        if extras.leaf {
            let leaves = match engine {
                Engine::Trees(trees) => trees.leaves(values),
                Engine::LinearTrees(trees) => trees::leaves(trees.ensemble(), values),
                Engine::Linear(_) => Vec::new(),
            };
            outputs.push(Tensor::of([rows, leaves.len() / rows.max(1)], leaves)?);
        }
        Ok(outputs)
    }
}
