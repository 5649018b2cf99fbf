//! TreeEnsembleClassifier and TreeEnsembleRegressor (`ai.onnx.ml` 1 and 3) to a [`Forest`].

use super::{Aggregate, Forest, Leaves, TreeNode};
use crate::engine::onnx::Attributes;
use std::collections::HashMap;
use std::sync::Arc;

/// Reads a classifier's trees; each class is a target.
pub fn classifier(attributes: &Attributes, classes: usize) -> Result<Forest, String> {
    read(attributes, "class", classes, Aggregate::Sum)
}

/// Reads a regressor's trees.
pub fn regressor(attributes: &Attributes) -> Result<Forest, String> {
    let targets = usize::try_from(attributes.int("n_targets", 1)).map_err(|_| "n_targets is negative")?;
    let aggregate = match attributes.string("aggregate_function", "SUM").as_str() {
        "SUM" => Aggregate::Sum,
        "AVERAGE" => Aggregate::Average,
        "MIN" => Aggregate::Min,
        "MAX" => Aggregate::Max,
        other => return Err(format!("unknown aggregate_function '{other}'")),
    };
    read(attributes, "target", targets, aggregate)
}

fn read(attributes: &Attributes, kind: &str, targets: usize, aggregate: Aggregate) -> Result<Forest, String> {
    let file = Columns::new(attributes)?;
    let votes = Votes::new(attributes, kind, targets)?;
    let mut layout = Layout::new(&file, &votes);
    for root in file.roots() {
        layout.tree(root)?;
    }
    layout.finish(targets, aggregate, attributes.doubles("base_values")?)
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
    index: HashMap<(i64, i64), usize>,
}

impl<'a> Columns<'a> {
    fn new(attributes: &'a Attributes) -> Result<Self, String> {
        let trees = attributes.ints("nodes_treeids");
        let columns = Self {
            trees,
            ids: attributes.ints("nodes_nodeids"),
            features: attributes.ints("nodes_featureids"),
            values: attributes.doubles("nodes_values")?,
            modes: attributes.strings("nodes_modes"),
            yes: attributes.ints("nodes_truenodeids"),
            no: attributes.ints("nodes_falsenodeids"),
            missing_true: attributes.ints("nodes_missing_value_tracks_true"),
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
        for (at, key) in self.trees.iter().zip(self.ids).enumerate() {
            if self.index.insert((*key.0, *key.1), at).is_some() {
                return Err(format!("node {} of tree {} is given twice", key.1, key.0));
            }
        }
        Ok(self)
    }

    /// The first node of each tree, in the file's order.
    fn roots(&self) -> Vec<usize> {
        let mut seen = std::collections::HashSet::new();
        self.trees.iter().enumerate().filter(|(_, tree)| seen.insert(**tree)).map(|(at, _)| at).collect()
    }

    fn find(&self, tree: i64, id: i64) -> Result<usize, String> {
        self.index.get(&(tree, id)).copied().ok_or_else(|| format!("tree {tree} names a node {id} it does not have"))
    }
}

/// Weights by (tree, node).
struct Votes {
    by_node: HashMap<(i64, i64), Vec<(u32, f32)>>,
    single: bool,
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
        let mut votes = Self { by_node: HashMap::new(), single: targets == 1 };
        for (at, weight) in weights.iter().enumerate() {
            let target = usize::try_from(ids[at]).ok().filter(|id| *id < targets.max(1));
            let target = target.ok_or_else(|| format!("{kind}_ids names {}, but there are {targets}", ids[at]))?;
            votes.by_node.entry((trees[at], nodes[at])).or_default().push((target as u32, *weight as f32));
        }
        Ok(votes)
    }
}

/// The nodes as they are laid out, breadth first, children adjacent.
struct Layout<'a> {
    file: &'a Columns<'a>,
    votes: &'a Votes,
    nodes: Vec<TreeNode>,
    trees: Vec<(u32, u32)>,
    one: Vec<f32>,
    leaf: Vec<u32>,
    ranges: Vec<(u32, u32)>,
    weights: Vec<(u32, f32)>,
    features: usize,
}

impl<'a> Layout<'a> {
    fn new(file: &'a Columns<'a>, votes: &'a Votes) -> Self {
        Self {
            file,
            votes,
            nodes: Vec::new(),
            trees: Vec::new(),
            one: Vec::new(),
            leaf: Vec::new(),
            ranges: vec![(0, 0)],
            weights: Vec::new(),
            features: 0,
        }
    }

    fn tree(&mut self, root: usize) -> Result<(), String> {
        let start = self.reserve(1)?;
        let mut level = vec![(root, start)];
        let mut depth = 0;
        let limit = self.nodes.len() + 2 * self.file.trees.len();
        loop {
            let mut next = Vec::new();
            for (at, place) in level {
                self.place(at, place, &mut next)?;
            }
            if next.is_empty() {
                break;
            }
            if self.nodes.len() > limit {
                return Err(format!("tree {} has a circle or shares nodes", self.file.trees[root]));
            }
            depth += 1;
            level = next;
        }
        self.trees.push((start, depth));
        Ok(())
    }

    /// Room for `count` nodes; they are leaves of nothing until placed.
    fn reserve(&mut self, count: usize) -> Result<u32, String> {
        let start = u32::try_from(self.nodes.len()).map_err(|_| "more than 2^32 nodes")?;
        self.nodes.resize(self.nodes.len() + count, TreeNode::leaf(0));
        self.one.resize(self.nodes.len(), 0.0);
        self.leaf.resize(self.nodes.len(), 0);
        Ok(start)
    }

    fn place(&mut self, at: usize, place: u32, next: &mut Vec<(usize, u32)>) -> Result<(), String> {
        if &*self.file.modes[at] == "LEAF" {
            self.place_leaf(at, place);
            return Ok(());
        }
        let tree = self.file.trees[at];
        let feature = u32::try_from(self.file.features[at]).map_err(|_| "a negative feature id")?;
        self.features = self.features.max(feature as usize + 1);
        let missing = self.file.missing_true.get(at).is_some_and(|flag| *flag != 0);
        let test = Test::new(&self.file.modes[at], self.file.values[at], missing)?;
        let yes = self.file.find(tree, self.file.yes[at])?;
        let no = self.file.find(tree, self.file.no[at])?;
        let child = self.reserve(2)?;
        self.nodes[place as usize] = TreeNode::inner(test.threshold, feature, child, test.missing_true);
        let (first, second) = if test.swapped { (no, yes) } else { (yes, no) };
        next.push((first, child));
        next.push((second, child + 1));
        Ok(())
    }

    fn place_leaf(&mut self, at: usize, place: u32) {
        self.nodes[place as usize] = TreeNode::leaf(place);
        let key = (self.file.trees[at], self.file.ids[at]);
        let Some(votes) = self.votes.by_node.get(&key) else { return };
        if self.votes.single {
            self.one[place as usize] = votes.iter().map(|(_, weight)| weight).sum();
            return;
        }
        let from = self.weights.len() as u32;
        self.weights.extend_from_slice(votes);
        self.leaf[place as usize] = self.ranges.len() as u32;
        self.ranges.push((from, self.weights.len() as u32));
    }

    fn finish(mut self, targets: usize, aggregate: Aggregate, base_values: Vec<f64>) -> Result<Forest, String> {
        if !(base_values.is_empty() || base_values.len() == 1 || base_values.len() == targets) {
            return Err(format!("base_values has {} entries, expected none, 1 or {targets}", base_values.len()));
        }
        // Trees of like depth share a group of the walk; the sort is stable, so the order is the model's.
        self.trees.sort_by_key(|(_, depth)| *depth);
        let leaves = if self.votes.single {
            Leaves::One(self.one)
        } else {
            Leaves::Many { leaf: self.leaf, ranges: self.ranges, weights: self.weights }
        };
        Ok(Forest {
            nodes: self.nodes,
            trees: self.trees,
            leaves,
            targets: targets.max(1),
            aggregate,
            base_values,
            features: self.features.max(1),
        })
    }
}

/// A branch brought to `x < threshold`.
struct Test {
    threshold: f32,
    missing_true: bool,
    swapped: bool,
}

impl Test {
    fn new(mode: &str, value: f64, missing_true: bool) -> Result<Self, String> {
        let value = value as f32;
        // `negated`: the test is the opposite of the one computed. `inclusive`: `<=` instead of `<`.
        let (negated, inclusive) = match mode {
            "BRANCH_LEQ" => (false, true),
            "BRANCH_LT" => (false, false),
            "BRANCH_GT" => (true, true),
            "BRANCH_GTE" => (true, false),
            other => return Err(format!("branch mode {other} is not supported")),
        };
        // `x <= inf` holds for every number: test `x < -inf`, which holds for none, and swap.
        let always = inclusive && value == f32::INFINITY;
        let threshold = match (always, inclusive) {
            (true, _) => f32::NEG_INFINITY,
            (false, true) => value.next_up(),
            (false, false) => value,
        };
        let swapped = negated ^ always;
        // NaN fails the computed test and so goes to the second child, which a swap exchanges.
        Ok(Self { threshold, missing_true: missing_true ^ swapped, swapped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goes_true(mode: &str, x: f32, t: f64, missing: bool) -> bool {
        let test = Test::new(mode, t, missing).expect("known mode");
        let first = TreeNode::inner(test.threshold, 0, 0, test.missing_true).next(x) == 0;
        first ^ test.swapped
    }

    #[test]
    fn every_mode_agrees_with_its_definition() {
        let samples = [f32::NEG_INFINITY, f32::MIN, -1.5, -0.0, 0.0, f32::MIN_POSITIVE, 1.5, f32::MAX, f32::INFINITY];
        for t in samples {
            for x in samples {
                let t64 = f64::from(t);
                assert_eq!(goes_true("BRANCH_LEQ", x, t64, false), x <= t, "{x} <= {t}");
                assert_eq!(goes_true("BRANCH_LT", x, t64, false), x < t, "{x} < {t}");
                assert_eq!(goes_true("BRANCH_GT", x, t64, false), x > t, "{x} > {t}");
                assert_eq!(goes_true("BRANCH_GTE", x, t64, false), x >= t, "{x} >= {t}");
            }
            for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE"] {
                assert!(!goes_true(mode, f32::NAN, f64::from(t), false));
                assert!(goes_true(mode, f32::NAN, f64::from(t), true));
            }
        }
    }
}
