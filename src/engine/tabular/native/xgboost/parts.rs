//! A read file held together: targets, base scores, the trees that count.

use super::file::{Booster, File};
use super::objective::Objective;
use super::tree::Trees;
use crate::engine::LoadError;
use crate::engine::tabular::forest::ensemble::{Aggregate, Ensemble, MOST_TARGETS, Node, Test, Tree};
use crate::engine::tabular::native::link::{Answer, Head};
use crate::engine::tabular::native::model::{Linear, Parts, Scorer};
use crate::engine::tabular::native::names::Names;

/// Makes a file ready to serve.
pub fn parts(file: File) -> Result<Parts, LoadError> {
    let unsupported = |words: String| LoadError::Unsupported(format!("XGBoost: {words}"));
    let objective = Objective::new(&file.objective, &file.version).map_err(unsupported)?;
    if !["gbtree", "dart", "gblinear"].contains(&file.booster.name.as_str()) {
        let name = crate::text::shorten(&file.booster.name, 60);
        return Err(unsupported(format!("booster '{name}' is none of gbtree, dart and gblinear")));
    }
    joined(file, objective).map_err(|words| LoadError::native("XGBoost", words))
}

fn joined(mut file: File, objective: Objective) -> Result<Parts, String> {
    let targets = file.params.targets.max(file.params.classes).max(1);
    let targets = usize::try_from(targets).ok().filter(|targets| *targets <= MOST_TARGETS);
    let targets = targets.ok_or_else(|| format!("it has more than {MOST_TARGETS} classes or targets"))?;
    let features = usize::try_from(file.params.features).unwrap_or(usize::MAX);
    if features == 0 {
        return Err("num_feature is 0 or missing: the model has not been trained".into());
    }
    let base = objective.base_margins(&file.params.base_score, targets)?;
    let version = file.version.iter().map(i64::to_string).collect::<Vec<_>>().join(".");
    let mut reason = format!("XGBoost {version}, {}", file.objective);
    let mut categories = Vec::new();
    let words = std::mem::take(&mut file.booster.words);
    if let Some((column, _)) = words.last().filter(|(column, _)| *column >= features) {
        return Err(format!("cats has an entry for column {column}, but rows have {features}"));
    }
    let scorer = if file.booster.name == "gblinear" {
        reason.push_str(", linear");
        Scorer::Linear(linear(&mut file.booster, features, base)?)
    } else {
        let kept = kept_trees(&file, targets)?;
        let ensemble = ensemble(file.booster, kept, features, base)?;
        categories = category_columns(&ensemble);
        reason.push_str(&format!(", {} trees", ensemble.trees.len()));
        Scorer::Trees(ensemble)
    };
    let answer = match objective.answer {
        // Several labels at once have no highest class.
        _ if file.params.targets > 1 => Answer::Values,
        answer => answer,
    };
    let head = Head { link: objective.link, answer, targets, divisor: 1.0, single: true };
    let columns = if file.feature_names.len() == features { file.feature_names } else { Vec::new() };
    let classes = Names::Counted;
    Ok(Parts { scorer, head, features, columns, categories, classes, words, double: false, reason })
}

/// How many of the first trees count, as `predict` has it: an estimator of the scikit-learn
/// interface stops at its best iteration, a `Booster` uses all.
fn kept_trees(file: &File, targets: usize) -> Result<usize, String> {
    let booster = &file.booster;
    let all = booster.trees.trees.len();
    let (true, Some(best)) = (file.estimator, file.best_iteration) else { return Ok(all) };
    let outside = || format!("best_iteration is {best}, but there are only {all} trees");
    let best = usize::try_from(best).map_err(|_| outside())?;
    if let Some(end) = booster.iterations.get(best.saturating_add(1)) {
        return usize::try_from(*end).ok().filter(|end| *end <= all).ok_or_else(outside);
    }
    let groups = if booster.trees.leaf_size > 1 { 1 } else { targets };
    let each = groups.saturating_mul(usize::try_from(booster.parallel_trees.max(1)).unwrap_or(usize::MAX));
    let end = best.saturating_add(1).saturating_mul(each);
    if booster.iterations.is_empty() && end <= all { Ok(end) } else { Err(outside()) }
}

fn ensemble(booster: Booster, kept: usize, features: usize, base: Vec<f64>) -> Result<Ensemble, String> {
    let targets = base.len();
    let Trees { mut trees, mut votes, ranges, ids, sets, leaf_size, .. } = booster.trees;
    let count = trees.len();
    if booster.tree_count != Some(count as u64) {
        let told = booster.tree_count.map_or_else(|| "missing".to_owned(), |told| told.to_string());
        return Err(format!("the file holds {count} trees, but num_trees is {told}"));
    }
    if leaf_size > 1 && leaf_size != targets {
        return Err(format!("leaves have {leaf_size} weights, but there are {targets} targets"));
    }
    let order = order(&ids)?;
    let dart = booster.name == "dart";
    for (range, id) in ranges.into_iter().zip(&order) {
        let info = booster.tree_info.get(*id).ok_or_else(|| format!("tree_info does not name tree {id}"))?;
        let drop = if dart { booster.weight_drop.get(*id) } else { Some(&1.0) };
        let drop = drop.ok_or_else(|| format!("weight_drop does not name tree {id}"))?;
        for vote in &mut votes[range] {
            if leaf_size == 1 {
                vote.target = u32::try_from(*info).unwrap_or(u32::MAX);
            }
            vote.weight *= f64::from(*drop);
        }
    }
    put_in_order(&mut trees, order);
    trees.truncate(kept);
    Ok(Ensemble { trees, votes, sets, targets, aggregate: Aggregate::Sum, base_values: base, features })
}

/// The trees' numbers as places; they may stand in any order, each once.
fn order(ids: &[i64]) -> Result<Vec<usize>, String> {
    let mut seen = vec![false; ids.len()];
    let place = |id: &i64| {
        let place = usize::try_from(*id).ok().filter(|place| *place < ids.len());
        match place.map(|place| std::mem::replace(&mut seen[place], true)) {
            Some(false) => Ok(place.unwrap_or(0)),
            Some(true) => Err(format!("two trees have the id {id}")),
            None => Err(format!("a tree has the id {id}, but there are {} trees", ids.len())),
        }
    };
    ids.iter().map(place).collect()
}

/// Moves each tree to its place.
fn put_in_order(trees: &mut [Tree], mut order: Vec<usize>) {
    for at in 0..order.len() {
        while order[at] != at {
            let to = order[at];
            trees.swap(at, to);
            order.swap(at, to);
        }
    }
}

/// The columns that some tree splits by categories.
fn category_columns(ensemble: &Ensemble) -> Vec<u32> {
    let nodes = ensemble.trees.iter().flat_map(|tree| &tree.nodes);
    let mut columns: Vec<u32> = nodes
        .filter_map(|node| match node {
            Node::Split(split) if matches!(split.test, Test::In(_)) => Some(split.feature),
            _ => None,
        })
        .filter(|feature| (*feature as usize) < ensemble.features)
        .collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

fn linear(booster: &mut Booster, features: usize, base: Vec<f64>) -> Result<Linear, String> {
    let mut weights = std::mem::take(&mut booster.weights);
    let targets = base.len();
    let expected = features.checked_add(1).and_then(|rows| rows.checked_mul(targets));
    if expected != Some(weights.len()) {
        let got = weights.len();
        return Err(format!("a linear booster of {features} columns and {targets} targets cannot have {got} weights"));
    }
    let bias = weights.split_off(features * targets);
    // XGBoost takes the first base score for all targets here.
    let bias = bias.iter().map(|bias| f64::from(*bias) + base[0]).collect();
    Ok(Linear { weights, bias })
}
