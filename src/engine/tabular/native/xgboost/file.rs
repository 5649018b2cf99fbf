//! The members of an XGBoost file that say how to predict; all others are skipped.

use super::tree::{self, Trees};
use super::words;
use crate::engine::Words;
use crate::engine::tabular::native::document::{Document, Fault};

/// What was read, before any of it is held against the rest.
#[derive(Default)]
pub struct File {
    pub version: Vec<i64>,
    pub objective: String,
    pub booster: Booster,
    pub params: Params,
    pub feature_names: Vec<String>,
    /// `c` for a column of categories.
    pub feature_types: Vec<String>,
    /// The last iteration worth keeping, where training stopped early.
    pub best_iteration: Option<u64>,
    /// Whether an estimator of the scikit-learn interface wrote the file.
    pub estimator: bool,
}

/// `learner_model_param`.
#[derive(Default)]
pub struct Params {
    /// One number, or a list of numbers in brackets since 3.1, as text.
    pub base_score: String,
    pub features: u64,
    pub classes: u64,
    /// Missing before 1.6, where it is 1.
    pub targets: u64,
}

/// `gradient_booster`.
#[derive(Default)]
pub struct Booster {
    /// `gbtree`, `dart` or `gblinear`.
    pub name: String,
    pub trees: Trees,
    pub tree_count: Option<u64>,
    pub parallel_trees: u64,
    /// The target of each tree.
    pub tree_info: Vec<i64>,
    /// Where each iteration's trees start, since 2.0.
    pub iterations: Vec<i64>,
    /// DART's weight of each tree.
    pub weight_drop: Vec<f32>,
    /// The weights of a linear booster.
    pub weights: Vec<f32>,
    /// The words for categories, by column.
    pub words: Vec<(usize, Words)>,
}

/// Reads a file to its end.
pub fn read<D: Document>(document: &mut D) -> Result<File, Fault> {
    let mut file = File::default();
    document.object(|document, key| {
        match key {
            "learner" => learner(document, &mut file)?,
            "version" => file.version = document.integers()?,
            _ => document.skip()?,
        }
        Ok(())
    })?;
    Ok(file)
}

fn learner<D: Document>(document: &mut D, file: &mut File) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "attributes" => attributes(document, file)?,
            "feature_names" => file.feature_names = document.texts()?,
            "feature_types" => file.feature_types = document.texts()?,
            "gradient_booster" => booster(document, &mut file.booster)?,
            "learner_model_param" => params(document, &mut file.params).map_err(|fault| fault.at(key))?,
            "objective" => file.objective = name_of(document)?,
            _ => document.skip()?,
        }
        Ok(())
    })
}

fn attributes<D: Document>(document: &mut D, file: &mut File) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "best_iteration" => file.best_iteration = Some(document.number_text().map_err(|fault| fault.at(key))?),
            "scikit_learn" => {
                file.estimator = true;
                document.skip()?;
            }
            _ => document.skip()?,
        }
        Ok(())
    })
}

fn params<D: Document>(document: &mut D, params: &mut Params) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "base_score" => params.base_score = document.text()?,
            "num_feature" => params.features = document.number_text()?,
            "num_class" => params.classes = document.number_text()?,
            "num_target" => params.targets = document.number_text()?,
            _ => document.skip()?,
        }
        Ok(())
    })
}

fn name_of<D: Document>(document: &mut D) -> Result<String, Fault> {
    let mut name = String::new();
    document.object(|document, key| {
        match key {
            "name" => name = document.text()?,
            _ => document.skip()?,
        }
        Ok(())
    })?;
    Ok(name)
}

fn booster<D: Document>(document: &mut D, booster: &mut Booster) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "name" => booster.name = document.text()?,
            "model" => model(document, booster)?,
            // DART wraps the trees' booster, whose own name is of no interest.
            "gbtree" => document.object(|document, key| match key {
                "model" => model(document, booster),
                _ => document.skip(),
            })?,
            "weight_drop" => booster.weight_drop = document.floats()?,
            _ => document.skip()?,
        }
        Ok(())
    })
}

fn model<D: Document>(document: &mut D, booster: &mut Booster) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "cats" => booster.words = words::read(document)?,
            "gbtree_model_param" => tree_params(document, booster).map_err(|fault| fault.at(key))?,
            "iteration_indptr" => booster.iterations = document.integers()?,
            "tree_info" => booster.tree_info = document.integers()?,
            "trees" => document.array(|document| tree::read(document, &mut booster.trees))?,
            "weights" => booster.weights = document.floats()?,
            _ => document.skip()?,
        }
        Ok(())
    })
}

fn tree_params<D: Document>(document: &mut D, booster: &mut Booster) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "num_trees" => booster.tree_count = Some(document.number_text()?),
            "num_parallel_tree" => booster.parallel_trees = document.number_text()?,
            _ => document.skip()?,
        }
        Ok(())
    })
}
