//! TreeEnsembleClassifier and TreeEnsembleRegressor (`ai.onnx.ml` 1 and 3) to an [`Ensemble`].

use super::ensemble::{Aggregate, Ensemble, MOST_TARGETS, Node, Split, Test, Tree, Vote};
use super::places::Places;
use crate::engine::onnx::Attributes;

/// Reads a classifier's trees; each class is a target.
pub fn classifier(attributes: &Attributes, classes: usize) -> Result<Ensemble, String> {
    let base_values = base_values(attributes.doubles("base_values")?, classes)?;
    let votes = Votes::new(attributes, "class", classes)?;
    read(attributes, votes, Ensemble { targets: classes, base_values, ..Ensemble::default() })
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
    votes.votes.iter_mut().for_each(|vote| vote.target = 0);
    read(attributes, votes, Ensemble { targets: 1, base_values, ..Ensemble::default() })
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
    read(attributes, votes, Ensemble { targets, aggregate, base_values, ..Ensemble::default() })
}

/// Fills an ensemble that has only its targets with the trees of the file.
fn read(attributes: &Attributes, votes: Votes<'_>, mut ensemble: Ensemble) -> Result<Ensemble, String> {
    let file = Columns::new(attributes)?;
    ensemble.features = 1;
    let ranges;
    (ensemble.votes, ranges) = votes.sorted(&file)?;
    ensemble.trees.resize(file.places.trees(), Tree::default());
    for at in 0..file.trees.len() {
        let node = match file.modes[at].as_slice() {
            b"LEAF" => {
                let leaf = file.places.flat_of(at);
                Node::Leaf { votes: ranges[leaf]..ranges[leaf + 1], id: file.ids[at] }
            }
            mode => Node::Split(file.split(at, mode, &mut ensemble.features)?),
        };
        ensemble.trees[file.places.of[at].0].nodes.push(node);
    }
    Ok(ensemble)
}

/// A single base value of an ensemble with several targets counts for the first alone.
fn base_values(mut values: Vec<f64>, targets: usize) -> Result<Vec<f64>, String> {
    if !(values.is_empty() || values.len() == 1 || values.len() == targets) {
        return Err(format!("base_values has {} entries, expected none, 1 or {targets}", values.len()));
    }
    if targets > MOST_TARGETS {
        return Err(format!("the ensemble has {targets} targets, expected at most {MOST_TARGETS}"));
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
    modes: &'a [Vec<u8>],
    yes: &'a [i64],
    no: &'a [i64],
    missing_true: &'a [i64],
    places: Places,
}

impl<'a> Columns<'a> {
    fn new(attributes: &'a Attributes) -> Result<Self, String> {
        let (trees, ids) = (attributes.ints("nodes_treeids"), attributes.ints("nodes_nodeids"));
        let columns = Self {
            trees,
            ids,
            features: attributes.ints("nodes_featureids"),
            values: attributes.doubles("nodes_values")?,
            modes: attributes.byte_strings("nodes_modes"),
            yes: attributes.ints("nodes_truenodeids"),
            no: attributes.ints("nodes_falsenodeids"),
            missing_true: attributes.ints("nodes_missing_value_tracks_true"),
            places: Places::new(trees, ids)?,
        };
        columns.check_lengths().map(|()| columns)
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

    fn find(&self, at: usize, id: i64) -> Result<u32, String> {
        let found = self.places.find(self.places.of[at].0, id);
        found.ok_or_else(|| format!("tree {} names a node {id} it does not have", self.trees[at]))
    }

    fn split(&self, at: usize, mode: &[u8], features: &mut usize) -> Result<Split, String> {
        let feature = u32::try_from(self.features[at]).map_err(|_| "a negative feature id")?;
        *features = (*features).max(feature as usize + 1);
        let test = test(mode, self.values[at])?;
        Ok(Split {
            feature,
            test,
            // NaN differs from every number, so that test holds as it stands.
            missing_yes: self.missing_true.get(at).is_some_and(|flag| *flag != 0) || matches!(test, Test::NotEqual(_)),
            yes: self.find(at, self.yes[at])?,
            no: self.find(at, self.no[at])?,
        })
    }
}

fn test(mode: &[u8], value: f64) -> Result<Test, String> {
    Ok(match mode {
        b"BRANCH_LEQ" => Test::LessOrEqual(value),
        b"BRANCH_LT" => Test::Less(value),
        b"BRANCH_GT" => Test::Greater(value),
        b"BRANCH_GTE" => Test::GreaterOrEqual(value),
        b"BRANCH_EQ" => Test::Equal(value),
        b"BRANCH_NEQ" => Test::NotEqual(value),
        other => return Err(format!("branch mode {} is not known", String::from_utf8_lossy(other))),
    })
}

/// Weights, each with the tree and the node that it belongs to.
struct Votes<'a> {
    trees: &'a [i64],
    nodes: &'a [i64],
    votes: Vec<Vote>,
}

impl<'a> Votes<'a> {
    fn new(attributes: &'a Attributes, kind: &str, targets: usize) -> Result<Self, String> {
        let trees = attributes.ints(&format!("{kind}_treeids"));
        let nodes = attributes.ints(&format!("{kind}_nodeids"));
        let ids = attributes.ints(&format!("{kind}_ids"));
        let weights = attributes.doubles(&format!("{kind}_weights"))?;
        if [nodes.len(), ids.len(), weights.len()].iter().any(|len| *len != trees.len()) {
            return Err(format!("{kind}_treeids, _nodeids, _ids and _weights differ in length"));
        }
        let vote = |(id, weight): (&i64, f64)| {
            let target = usize::try_from(*id).ok().filter(|id| *id < targets);
            let target = target.ok_or_else(|| format!("{kind}_ids names {id}, but there are {targets}"))?;
            Ok(Vote { target: target as u32, weight })
        };
        let votes = ids.iter().zip(weights).map(vote).collect::<Result<_, String>>()?;
        Ok(Self { trees, nodes, votes })
    }

    /// The votes sorted by node, tree after tree, and where those of each node begin. Votes for
    /// nodes that are not there are passed over, as nobody could reach them.
    fn sorted(&self, file: &Columns<'_>) -> Result<(Vec<Vote>, Vec<u32>), String> {
        let places: Vec<Option<usize>> =
            self.trees.iter().zip(self.nodes).map(|(tree, node)| file.places.flat(*tree, *node)).collect();
        let mut starts = vec![0u32; file.trees.len() + 1];
        u32::try_from(places.len()).map_err(|_| "the leaves have more than 2^32 weights")?;
        places.iter().flatten().for_each(|place| starts[place + 1] += 1);
        (1..starts.len()).for_each(|at| starts[at] += starts[at - 1]);
        let mut next = starts.clone();
        let mut sorted = vec![Vote { target: 0, weight: 0.0 }; starts[starts.len() - 1] as usize];
        for (place, vote) in places.iter().zip(&self.votes) {
            let Some(place) = place else { continue };
            sorted[next[*place] as usize] = *vote;
            next[*place] += 1;
        }
        Ok((sorted, starts))
    }
}
