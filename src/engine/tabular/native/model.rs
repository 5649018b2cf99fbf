//! A tree model that serves: one wide input, the answer, and on request margins and leaves.

use super::lines::LinearTrees;
use super::link::{Answer, Head};
use super::names::Names;
use super::session::State;
use crate::engine::tabular::forest::ensemble::Ensemble;
use crate::engine::tabular::forest::{Forest, Rows};
use crate::engine::{Dim, Extras, Lowered, Options, Prepared, RunError, Session, Signature, TensorSpec, Words};
use crate::tensor::DType;
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
    /// The words for categories, by column in ascending order.
    pub words: Vec<(usize, Words)>,
    /// Whether the library compares values as FP64 where it gets them so.
    pub double: bool,
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
    Trees(Box<Forest>),
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
    /// XGBoost's values are of 32 bits, whatever the rows are.
    fn score(&self, row: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.bias);
        let targets = self.bias.len();
        for (x, weights) in row.iter().zip(self.weights.chunks_exact(targets)).filter(|(x, _)| !x.is_nan()) {
            for (score, weight) in out.iter_mut().zip(weights) {
                *score += f64::from(*x as f32) * f64::from(*weight);
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
    pub words: Vec<(usize, Words)>,
    /// What every answer holds beside the outputs.
    pub always: Extras,
    pub signature: Signature,
}

impl TreeModel {
    pub fn new(mut inner: Inner) -> Self {
        if let Engine::Trees(forest) = &mut inner.engine {
            forest.trim();
        }
        Self(Arc::new(inner))
    }

    pub(super) fn inner(&self) -> &Arc<Inner> {
        &self.0
    }
}

impl Inner {
    /// Checks the trees and lays them out.
    pub fn new(parts: Parts, options: Options) -> Result<Self, String> {
        let Parts { scorer, head, features, columns, categories, classes, words, double, .. } = parts;
        if options.double && !double {
            return Err("input.datatype asks for FP64, but the library that wrote the file compares FP32".into());
        }
        if head.answer == Answer::Classes {
            classes.check(head.width())?;
        }
        let engine = match scorer {
            Scorer::Linear(linear) => Engine::Linear(linear),
            Scorer::Trees(ensemble) => Engine::Trees(Box::new(forest(&ensemble, options.double)?)),
            Scorer::LinearTrees(ensemble, lines) => Engine::LinearTrees(LinearTrees::new(ensemble, lines)?),
        };
        Ok(Self { words, ..Self::joined(engine, head, features, columns, categories, classes, options) })
    }

    /// Parts that fit together, without words.
    pub fn joined(
        engine: Engine,
        head: Head,
        features: usize,
        columns: Vec<String>,
        categories: Vec<u32>,
        classes: Names,
        options: Options,
    ) -> Self {
        let trees = match &engine {
            Engine::Trees(forest) => Some(forest.trees()),
            Engine::LinearTrees(trees) => Some(trees.count()),
            Engine::Linear(_) => None,
        };
        let dtype = if options.double { DType::F64 } else { DType::F32 };
        let signature = signature(&head, &classes, wide(INPUT, dtype, features));
        let extras = Extras { margin: true, leaf: trees.is_some() };
        let signature = signature.with_extras(options.extras, extras.specs(head.targets, trees.unwrap_or(0)));
        let (words, always) = (Vec::new(), options.extras);
        Self { engine, head, features, columns, categories, classes, words, always, signature }
    }

    /// Margins of every row.
    pub fn score(&self, rows: Rows<'_>, margins: &mut [f64]) {
        match &self.engine {
            Engine::Trees(forest) => forest.score(rows, margins),
            Engine::LinearTrees(trees) => trees.score(rows, margins),
            Engine::Linear(linear) => {
                let targets = self.head.targets;
                rows.each_double(self.features, |at, row| linear.score(row, &mut margins[at * targets..][..targets]));
            }
        }
    }

    /// Numbers of the leaves that every row comes to: one for each of [`Inner::trees`].
    pub fn leaves(&self, rows: Rows<'_>, out: &mut [i64]) {
        match &self.engine {
            Engine::Trees(forest) => forest.leaves(rows, out),
            Engine::LinearTrees(trees) => trees.leaves(rows, out),
            Engine::Linear(_) => {}
        }
    }

    /// Trees that tell leaves.
    pub fn trees(&self) -> usize {
        match &self.engine {
            Engine::Trees(forest) => forest.trees(),
            Engine::LinearTrees(trees) => trees.count(),
            Engine::Linear(_) => 0,
        }
    }
}

/// Lays trees out and finds the fastest kernels for them.
fn forest(ensemble: &Ensemble, double: bool) -> Result<Forest, String> {
    let mut forest = if double { Forest::new(ensemble)? } else { Forest::for_singles(ensemble)? };
    forest.tune();
    Ok(forest)
}

fn wide(name: &str, dtype: DType, width: usize) -> TensorSpec {
    TensorSpec::new(name, dtype, vec![Dim::Any(None), Dim::Fixed(width)])
}

fn signature(head: &Head, classes: &Names, input: TensorSpec) -> Signature {
    let mut outputs = vec![wide(OUTPUT, DType::F32, head.width())];
    if head.answer == Answer::Classes {
        outputs[0].labels = Some(classes.texts(head.width()));
        outputs.push(TensorSpec::new(LABEL, classes.dtype(), vec![Dim::Any(None)]));
    }
    Signature::new(vec![input], outputs)
}

impl Prepared for TreeModel {
    fn signature(&self) -> &Signature {
        &self.0.signature
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(State::new(self.0.clone())))
    }

    fn memory_bytes(&self) -> usize {
        match &self.0.engine {
            Engine::Trees(forest) => forest.memory_bytes(),
            Engine::LinearTrees(trees) => trees.memory_bytes(),
            Engine::Linear(linear) => size_of_val(linear.weights.as_slice()),
        }
    }

    fn columns(&self) -> &[String] {
        &self.0.columns
    }

    fn words(&self, column: usize) -> Option<&Words> {
        let words = &self.0.words;
        words.binary_search_by_key(&column, |(at, _)| *at).ok().map(|at| &words[at].1)
    }

    fn lower(&self) -> Result<Lowered, String> {
        self.lowered()
    }

    fn describe(&self) -> Vec<String> {
        match &self.0.engine {
            Engine::Trees(forest) => forest.describe(),
            Engine::LinearTrees(_) => vec!["linear leaves: one tree after the other".into()],
            Engine::Linear(_) => vec!["a weight for each column".into()],
        }
    }
}
