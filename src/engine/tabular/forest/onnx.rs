//! TreeEnsembleClassifier and TreeEnsembleRegressor (`ai.onnx.ml` 1 and 3) to an [`Ensemble`].

use super::ensemble::{Aggregate, Ensemble, Node, Split, Test, Tree, Vote};
use crate::engine::onnx::Attributes;
use std::collections::HashMap;
use std::sync::Arc;

/// Reads a classifier's trees; each class is a target.
pub fn classifier(attributes: &Attributes, classes: usize) -> Result<Ensemble, String> {
    let base_values = base_values(attributes.doubles("base_values")?, classes)?;
    let votes = Votes::new(attributes, "class", classes)?;
    read(attributes, &votes, Ensemble { targets: classes, base_values, ..Ensemble::default() })
}

/// Reads the trees of a classifier of two classes that score only one of them. Whichever column
/// the file numbers it, the score means the second class: it is the one target.
pub fn one_sided_classifier(attributes: &Attributes) -> Result<Ensemble, String> {
    // One value, or one for each class of which the second counts.
    let base = attributes.doubles("base_values")?;
    if base.len() > 2 {
        return Err(format!("base_values has {} entries, expected none, 1 or 2", base.len()));
    }
    let base_values = base.last().copied().into_iter().collect();
    let mut votes = Votes::new(attributes, "class", 2)?;
    votes.by_node.values_mut().flatten().for_each(|vote| vote.target = 0);
    read(attributes, &votes, Ensemble { targets: 1, base_values, ..Ensemble::default() })
}

/// Reads a regressor's trees.
pub fn regressor(attributes: &Attributes) -> Result<Ensemble, String> {
    let targets = usize::try_from(attributes.int("n_targets", 1)).map_err(|_| "n_targets is negative")?;
    let aggregate = match attributes.string("aggregate_function", "SUM").as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(format!("unknown aggregate_function '{other}'")),
    };
    let targets = targets.max(1);
    let base_values = base_values(attributes.doubles("base_values")?, targets)?;
    let votes = Votes::new(attributes, "target", targets)?;
    read(attributes, &votes, Ensemble { targets, aggregate, base_values, ..Ensemble::default() })
}

/// Fills an ensemble that has only its targets with the trees of the file.
fn read(attributes: &Attributes, votes: &Votes, mut ensemble: Ensemble) -> Result<Ensemble, String> {
    let file = Columns::new(attributes)?;
    ensemble.features = 1;
    let leaves = file.leaves(&mut ensemble, votes)?;
    for at in 0..file.trees.len() {
        let node = match &*file.modes[at] {
            "LEAF" => leaves[at].clone(),
            mode => Node::Split(file.split(at, mode, &mut ensemble.features)?),
        };
        let tree = file.places[at].0;
        ensemble.trees.resize(ensemble.trees.len().max(tree + 1), Tree::default());
        ensemble.trees[tree].nodes.push(node);
    }
    Ok(ensemble)
}

/// A single base value of an ensemble with several targets counts for the first alone.
fn base_values(mut values: Vec<f64>, targets: usize) -> Result<Vec<f64>, String> {
    if !(values.is_empty() || values.len() == 1 || values.len() == targets) {
        return Err(format!("base_values has {} entries, expected none, 1 or {targets}", values.len()));
    }
    if values.len() == 1 {
        values.resize(targets, 0.0);
    }
    Ok(values)
}

/// The parallel arrays of the file.
struct Columns<'a> {
    trees: &'a [i64],
    ids: &'a [i64],
    features: &'a [i64],
    values: Vec<f64>,
    modes: Vec<Arc<str>>,
    yes: &'a [i64],
    no: &'a [i64],
    missing_true: &'a [i64],
    /// Each node's tree, and its place there: a tree's first node is its root.
    places: Vec<(usize, u32)>,
    index: HashMap<(i64, i64), u32>,
}

impl<'a> Columns<'a> {
    fn new(attributes: &'a Attributes) -> Result<Self, String> {
        let columns = Self {
            trees: attributes.ints("nodes_treeids"),
            ids: attributes.ints("nodes_nodeids"),
            features: attributes.ints("nodes_featureids"),
            values: attributes.doubles("nodes_values")?,
            modes: attributes.strings("nodes_modes"),
            yes: attributes.ints("nodes_truenodeids"),
            no: attributes.ints("nodes_falsenodeids"),
            missing_true: attributes.ints("nodes_missing_value_tracks_true"),
            places: Vec::new(),
            index: HashMap::new(),
        };
        columns.check_lengths()?;
        columns.indexed()
    }

    fn check_lengths(&self) -> Result<(), String> {
        let n = self.trees.len();
        let lengths = [
            ("nodes_nodeids", self.ids.len()),
            ("nodes_featureids", self.features.len()),
            ("nodes_values", self.values.len()),
            ("nodes_modes", self.modes.len()),
            ("nodes_truenodeids", self.yes.len()),
            ("nodes_falsenodeids", self.no.len()),
        ];
        if n == 0 {
            return Err("the ensemble has no nodes".into());
        }
        if let Some((name, got)) = lengths.iter().find(|(_, got)| *got != n) {
            return Err(format!("{name} has {got} entries, expected {n} as in nodes_treeids"));
        }
        match self.missing_true.len() {
            0 => Ok(()),
            got if got == n => Ok(()),
            got => Err(format!("nodes_missing_value_tracks_true has {got} entries, expected {n} or none")),
        }
    }

    fn indexed(mut self) -> Result<Self, String> {
        let mut trees: HashMap<i64, (usize, u32)> = HashMap::new();
        for (tree, id) in self.trees.iter().zip(self.ids) {
            let next = trees.len();
            let (number, nodes) = trees.entry(*tree).or_insert((next, 0));
            if self.index.insert((*tree, *id), *nodes).is_some() {
                return Err(format!("node {id} of tree {tree} is given twice"));
            }
            self.places.push((*number, *nodes));
            *nodes = nodes.checked_add(1).ok_or("a tree has more than 2^32 nodes")?;
        }
        Ok(self)
    }

    fn find(&self, tree: i64, id: i64) -> Result<u32, String> {
        self.index.get(&(tree, id)).copied().ok_or_else(|| format!("tree {tree} names a node {id} it does not have"))
    }

    fn split(&self, at: usize, mode: &str, features: &mut usize) -> Result<Split, String> {
        let feature = u32::try_from(self.features[at]).map_err(|_| "a negative feature id")?;
        *features = (*features).max(feature as usize + 1);
        let test = test(mode, self.values[at])?;
        Ok(Split {
            feature,
            test,
            // NaN differs from every number, so that test holds as it stands.
            missing_yes: self.missing_true.get(at).is_some_and(|flag| *flag != 0) || matches!(test, Test::NotEqual(_)),
            yes: self.find(self.trees[at], self.yes[at])?,
            no: self.find(self.trees[at], self.no[at])?,
        })
    }

    /// A leaf for every node: what those that are leaves have to say.
    fn leaves(&self, ensemble: &mut Ensemble, votes: &Votes) -> Result<Vec<Node>, String> {
        let mut leaf = |at: usize| {
            let from = ensemble.votes.len();
            let said = votes.by_node.get(&(self.trees[at], self.ids[at]));
            if let (Some(said), "LEAF") = (said, &*self.modes[at]) {
                ensemble.votes.extend_from_slice(said);
            }
            let end = |at: usize| u32::try_from(at).map_err(|_| "the leaves have more than 2^32 weights".to_owned());
            Ok(Node::Leaf { votes: end(from)?..end(ensemble.votes.len())?, id: self.ids[at] })
        };
        (0..self.trees.len()).map(&mut leaf).collect()
    }
}

fn test(mode: &str, value: f64) -> Result<Test, String> {
    Ok(match mode {
        "BRANCH_LEQ" => Test::LessOrEqual(value),
        "BRANCH_LT" => Test::Less(value),
        "BRANCH_GT" => Test::Greater(value),
        "BRANCH_GTE" => Test::GreaterOrEqual(value),
        "BRANCH_EQ" => Test::Equal(value),
        "BRANCH_NEQ" => Test::NotEqual(value),
        other => return Err(format!("branch mode {other} is not known")),
    })
}

/// Weights by (tree, node).
struct Votes {
    by_node: HashMap<(i64, i64), Vec<Vote>>,
}

impl Votes {
    fn new(attributes: &Attributes, kind: &str, targets: usize) -> Result<Self, String> {
        let trees = attributes.ints(&format!("{kind}_treeids"));
        let nodes = attributes.ints(&format!("{kind}_nodeids"));
        let ids = attributes.ints(&format!("{kind}_ids"));
        let weights = attributes.doubles(&format!("{kind}_weights"))?;
        if [nodes.len(), ids.len(), weights.len()].iter().any(|len| *len != trees.len()) {
            return Err(format!("{kind}_treeids, _nodeids, _ids and _weights differ in length"));
        }
        let mut by_node: HashMap<(i64, i64), Vec<Vote>> = HashMap::new();
        for (at, weight) in weights.iter().enumerate() {
            let target = usize::try_from(ids[at]).ok().filter(|id| *id < targets);
            let target = target.ok_or_else(|| format!("{kind}_ids names {}, but there are {targets}", ids[at]))?;
            let vote = Vote { target: target as u32, weight: *weight };
            by_node.entry((trees[at], nodes[at])).or_default().push(vote);
        }
        Ok(Self { by_node })
    }
}
