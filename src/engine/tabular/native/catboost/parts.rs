//! A read file held together: symmetric trees become plain ones.

use super::file::{Column, File, Symmetric};
use crate::engine::LoadError;
use crate::engine::tabular::forest::ensemble::{Aggregate, Ensemble, MOST_TARGETS, Node, Split, Test, Tree, Vote};
use crate::engine::tabular::native::link::{Answer, Head, Link};
use crate::engine::tabular::native::model::{Parts, Scorer};

/// Makes a file ready to serve.
pub fn parts(file: File) -> Result<Parts, LoadError> {
    let unsupported = |words: String| Err(LoadError::Unsupported(format!("CatBoost: {words}")));
    if let Some(kind) = file.strange.first() {
        return unsupported(format!("the model has {kind} columns, and the file does not say how these are computed"));
    }
    if file.lopsided {
        return unsupported("trees that are not symmetric (grow_policy) are not read".into());
    }
    let Some((link, answer)) = link(&file.loss) else {
        return unsupported(format!("loss function '{}' is not known", crate::text::shorten(&file.loss, 60)));
    };
    joined(file, link, answer).map_err(|words| LoadError::native("CatBoost", words))
}

/// How raw values become what the estimators' `predict` and `predict_proba` give.
fn link(loss: &str) -> Option<(Link, Answer)> {
    let sigmoid = Link::Sigmoid { scale: 1.0, limit: f64::INFINITY };
    Some(match loss {
        "RMSE" | "MAE" | "Quantile" | "Huber" | "LogCosh" | "MAPE" | "Lq" | "Expectile" | "MultiRMSE" | "YetiRank"
        | "PairLogit" | "QueryRMSE" => (Link::Identity, Answer::Values),
        "Poisson" | "Tweedie" => (Link::Exp, Answer::Values),
        "Logloss" | "CrossEntropy" => (sigmoid, Answer::Classes),
        "MultiClass" => (Link::Softmax, Answer::Classes),
        "MultiClassOneVsAll" => (sigmoid, Answer::Classes),
        _ => return None,
    })
}

fn joined(file: File, link: Link, answer: Answer) -> Result<Parts, String> {
    let features = width(&file.columns)?;
    let targets = targets(&file)?;
    let mut ensemble = Ensemble { targets, features, aggregate: Aggregate::Sum, ..Ensemble::default() };
    for (at, tree) in file.trees.iter().enumerate() {
        let tree = plain(tree, &file, targets, &mut ensemble.votes).map_err(|words| format!("tree {at}: {words}"))?;
        ensemble.trees.push(tree);
    }
    ensemble.base_values = match file.bias.as_slice() {
        [] => vec![0.0; targets],
        [one] => vec![*one; targets],
        many if many.len() == targets => many.to_vec(),
        many => return Err(format!("there are {} biases for {targets} targets", many.len())),
    };
    let mut columns = vec![String::new(); features];
    for column in &file.columns {
        columns[column.place as usize].clone_from(&column.name);
    }
    if columns.iter().any(String::is_empty) {
        columns.clear();
    }
    let head = Head { link, answer, targets, divisor: 1.0, single: false };
    let reason = format!("CatBoost, {}, {} trees", file.loss, ensemble.trees.len());
    Ok(Parts {
        scorer: Scorer::Trees(ensemble),
        head,
        features,
        columns,
        categories: Vec::new(),
        classes: file.classes,
        words: Vec::new(),
        double: false,
        reason,
    })
}

/// Columns of a row: they are numbered without a gap, as all are numeric.
fn width(columns: &[Column]) -> Result<usize, String> {
    let mut places: Vec<i64> = columns.iter().map(|column| column.place).collect();
    places.sort_unstable();
    match !places.is_empty() && places.iter().zip(0..).all(|(place, expected)| *place == expected) {
        true => Ok(places.len()),
        false => Err("the columns' flat_feature_index do not count from 0 without a gap".into()),
    }
}

/// Values in a leaf.
fn targets(file: &File) -> Result<usize, String> {
    let first = file.trees.first().ok_or("the file holds no trees")?;
    let leaves = leaf_count(first)?;
    match first.leaves.len() / leaves {
        targets @ 1..=MOST_TARGETS => Ok(targets),
        other => Err(format!("a leaf has {other} values, expected 1 to {MOST_TARGETS}")),
    }
}

fn leaf_count(tree: &Symmetric) -> Result<usize, String> {
    let depth = u32::try_from(tree.splits.len()).ok().filter(|depth| *depth < 32);
    depth.map(|depth| 1 << depth).ok_or_else(|| format!("{} splits, expected at most 31", tree.splits.len()))
}

/// The tree with a node for every place: on level `l` the nodes are `2^l - 1` and on, in the order of
/// the answers so far, of which the first is the lowest bit. So are the leaves numbered in the file.
fn plain(tree: &Symmetric, file: &File, targets: usize, votes: &mut Vec<Vote>) -> Result<Tree, String> {
    let leaves = leaf_count(tree)?;
    if leaves.checked_mul(targets) != Some(tree.leaves.len()) {
        let got = tree.leaves.len();
        return Err(format!("{got} leaf_values, but {leaves} leaves with {targets} values each"));
    }
    if !tree.numeric {
        return Err("a split is not by a border of a numeric column".into());
    }
    let mut nodes = Vec::with_capacity(2 * leaves);
    for (level, (column, border)) in tree.splits.iter().enumerate() {
        let column = usize::try_from(*column).ok().and_then(|at| file.columns.get(at));
        let column = column.ok_or_else(|| format!("split {level} names a column that is not there"))?;
        let below = (2u32 << level) - 1;
        nodes.extend((0..1u32 << level).map(|answers| {
            Node::Split(Split {
                feature: u32::try_from(column.place).unwrap_or(u32::MAX),
                test: Test::Greater(f64::from(*border)),
                missing_yes: column.missing_high,
                yes: below + (answers | 1 << level),
                no: below + answers,
            })
        }));
    }
    for (leaf, values) in tree.leaves.chunks_exact(targets).enumerate() {
        let start = u32::try_from(votes.len()).map_err(|_| "all trees have more than 2^32 leaf_values")?;
        votes.extend(values.iter().zip(0..).map(|(value, target)| Vote { target, weight: value * file.scale }));
        nodes.push(Node::Leaf { votes: start..start + targets as u32, id: leaf as i64 });
    }
    Ok(Tree { nodes })
}
