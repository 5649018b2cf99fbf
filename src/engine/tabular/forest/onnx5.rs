//! TreeEnsemble (`ai.onnx.ml` 5) to an [`Ensemble`].
//!
//! Nodes are numbered over all trees, leaves have arrays of their own, and the members of
//! `BRANCH_MEMBER` stand in one list, set after set, each closed by NaN.

use super::ensemble::{Aggregate, Ensemble, Node, Set, Split, Test, Tree, Vote};
use crate::engine::onnx::Attributes;

/// Reads all trees.
pub fn tree_ensemble(attributes: &Attributes) -> Result<Ensemble, String> {
    let targets = usize::try_from(attributes.int("n_targets", 1)).map_err(|_| "n_targets is negative")?.max(1);
    let aggregate = match attributes.int("aggregate_function", 1) {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(format!("unknown aggregate_function {other}, expected 0 to 3")),
    };
    let file = Columns::new(attributes, targets)?;
    let mut ensemble = Ensemble { targets, aggregate, features: file.width(), ..Ensemble::default() };
    ensemble.votes.clone_from(&file.votes);
    ensemble.sets.clone_from(&file.sets);
    let mut seen = vec![false; file.features.len()];
    for root in file.roots {
        ensemble.trees.push(file.tree(*root, &mut seen)?);
    }
    Ok(ensemble)
}

/// The parallel arrays of the file.
struct Columns<'a> {
    features: &'a [i64],
    tests: Vec<Test>,
    yes: &'a [i64],
    yes_is_leaf: &'a [i64],
    no: &'a [i64],
    no_is_leaf: &'a [i64],
    missing_true: &'a [i64],
    roots: &'a [i64],
    votes: Vec<Vote>,
    sets: Vec<Set>,
}

impl<'a> Columns<'a> {
    fn new(attributes: &'a Attributes, targets: usize) -> Result<Self, String> {
        let features = attributes.ints("nodes_featureids");
        let (tests, sets) = tests(attributes, features.len())?;
        let columns = Self {
            features,
            tests,
            yes: attributes.ints("nodes_truenodeids"),
            yes_is_leaf: attributes.ints("nodes_trueleafs"),
            no: attributes.ints("nodes_falsenodeids"),
            no_is_leaf: attributes.ints("nodes_falseleafs"),
            missing_true: attributes.ints("nodes_missing_value_tracks_true"),
            roots: attributes.ints("tree_roots"),
            votes: votes(attributes, targets)?,
            sets,
        };
        columns.check_lengths().map(|()| columns)
    }

    fn check_lengths(&self) -> Result<(), String> {
        let n = self.features.len();
        if n == 0 || self.roots.is_empty() {
            return Err(format!("the ensemble has {n} nodes and {} tree_roots", self.roots.len()));
        }
        let lengths = [
            ("nodes_truenodeids", self.yes.len()),
            ("nodes_trueleafs", self.yes_is_leaf.len()),
            ("nodes_falsenodeids", self.no.len()),
            ("nodes_falseleafs", self.no_is_leaf.len()),
        ];
        if let Some((name, got)) = lengths.iter().find(|(_, got)| *got != n) {
            return Err(format!("{name} has {got} entries, expected {n} as in nodes_featureids"));
        }
        match self.missing_true.len() {
            0 => Ok(()),
            got if got == n => Ok(()),
            got => Err(format!("nodes_missing_value_tracks_true has {got} entries, expected {n} or none")),
        }
    }

    fn width(&self) -> usize {
        let largest = self.features.iter().copied().max().unwrap_or(0);
        usize::try_from(largest).map_or(1, |largest| largest.saturating_add(1))
    }

    /// Copies one tree level by level. A node that was `seen` before has two parents.
    fn tree(&self, root: i64, seen: &mut [bool]) -> Result<Tree, String> {
        let mut tree = Tree::default();
        let root = self.node(root, seen)?;
        tree.nodes.push(self.placeholder());
        let mut queue = vec![(root, 0)];
        while let Some((at, place)) = queue.pop() {
            let yes = self.child(self.yes[at], self.yes_is_leaf[at] != 0, &mut tree, seen, &mut queue)?;
            let no = self.child(self.no[at], self.no_is_leaf[at] != 0, &mut tree, seen, &mut queue)?;
            let feature = u32::try_from(self.features[at]).map_err(|_| "a negative feature id")?;
            let test = self.tests[at];
            // NaN differs from every number, so `!=` holds as it stands.
            let missing_yes =
                self.missing_true.get(at).is_some_and(|flag| *flag != 0) || matches!(test, Test::NotEqual(_));
            tree.nodes[place] = Node::Split(Split { feature, test, missing_yes, yes, no });
        }
        Ok(tree)
    }

    fn placeholder(&self) -> Node {
        Node::Leaf { votes: 0..0, id: 0 }
    }

    fn node(&self, id: i64, seen: &mut [bool]) -> Result<usize, String> {
        let at = usize::try_from(id).ok().filter(|at| *at < seen.len());
        let at = at.ok_or_else(|| format!("node {id} is named, but there are {}", seen.len()))?;
        match std::mem::replace(&mut seen[at], true) {
            false => Ok(at),
            true => Err(format!("node {id} is reached twice: a circle, or two parents")),
        }
    }

    /// Adds a child to the tree; answers its place there.
    fn child(
        &self,
        id: i64,
        leaf: bool,
        tree: &mut Tree,
        seen: &mut [bool],
        queue: &mut Vec<(usize, usize)>,
    ) -> Result<u32, String> {
        let place = tree.nodes.len();
        if leaf {
            let vote = u32::try_from(id).ok().filter(|at| (*at as usize) < self.votes.len());
            let vote = vote.ok_or_else(|| format!("leaf {id} is named, but there are {}", self.votes.len()))?;
            tree.nodes.push(Node::Leaf { votes: vote..vote + 1, id });
        } else {
            queue.push((self.node(id, seen)?, place));
            tree.nodes.push(self.placeholder());
        }
        u32::try_from(place).map_err(|_| "a tree has more than 2^32 nodes".into())
    }
}

fn votes(attributes: &Attributes, targets: usize) -> Result<Vec<Vote>, String> {
    let ids = attributes.ints("leaf_targetids");
    let weights = numbers(attributes, "leaf_weights")?;
    if ids.len() != weights.len() {
        return Err(format!("leaf_targetids has {} entries, leaf_weights {}", ids.len(), weights.len()));
    }
    let vote = |(id, weight): (&i64, f64)| {
        let target = usize::try_from(*id).ok().filter(|id| *id < targets);
        let target = target.ok_or_else(|| format!("leaf_targetids names {id}, but there are {targets}"))?;
        Ok(Vote { target: target as u32, weight })
    };
    ids.iter().zip(weights).map(vote).collect()
}

/// The test of each node, and the sets that some of them name.
fn tests(attributes: &Attributes, n: usize) -> Result<(Vec<Test>, Vec<Set>), String> {
    let splits = numbers(attributes, "nodes_splits")?;
    let modes = attributes.tensor("nodes_modes")?.ok_or("nodes_modes is missing")?;
    let modes = modes.as_slice::<u8>().ok_or_else(|| format!("nodes_modes holds {}, expected UINT8", modes.dtype()))?;
    if splits.len() != n || modes.len() != n {
        let (splits, modes) = (splits.len(), modes.len());
        return Err(format!(
            "nodes_splits has {splits} entries, nodes_modes {modes}, expected {n} as in nodes_featureids"
        ));
    }
    let members = numbers(attributes, "membership_values")?;
    let mut lists = members.split(|member| member.is_nan());
    let mut sets = Vec::new();
    let mut test = |(mode, t): (&u8, &f64)| {
        Ok(match mode {
            0 => Test::LessOrEqual(*t),
            1 => Test::Less(*t),
            2 => Test::GreaterOrEqual(*t),
            3 => Test::Greater(*t),
            4 => Test::Equal(*t),
            5 => Test::NotEqual(*t),
            6 => {
                let list = lists.next().ok_or("membership_values has fewer sets than there are BRANCH_MEMBER nodes")?;
                sets.push(set(list));
                Test::In(sets.len() as u32 - 1)
            }
            other => return Err(format!("branch mode {other} is not known, expected 0 to 6")),
        })
    };
    let tests = modes.iter().zip(&splits).map(&mut test).collect::<Result<_, String>>()?;
    Ok((tests, sets))
}

/// Exact numbers: onnxruntime takes fractions between them for members, the specification does not.
fn set(list: &[f64]) -> Set {
    let mut members: Vec<f64> = list.iter().map(|member| member + 0.0).collect();
    members.sort_by(f64::total_cmp);
    members.dedup();
    Set::Numbers(members)
}

/// A tensor of FP16, FP32 or FP64; empty where there is none.
fn numbers(attributes: &Attributes, name: &str) -> Result<Vec<f64>, String> {
    let Some(tensor) = attributes.tensor(name)? else { return Ok(Vec::new()) };
    if let Some(values) = tensor.as_slice::<f32>() {
        return Ok(values.iter().map(|value| f64::from(*value)).collect());
    }
    if let Some(values) = tensor.as_slice::<half::f16>() {
        return Ok(values.iter().map(|value| value.to_f64()).collect());
    }
    match tensor.as_slice::<f64>() {
        Some(values) => Ok(values.to_vec()),
        None => Err(format!("attribute '{name}' holds {}, expected FP16, FP32 or FP64", tensor.dtype())),
    }
}
