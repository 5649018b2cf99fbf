//! Tree ensembles made up from noise. Left alone, nodes form a tree in the order of a heap, so that
//! whatever else is odd about them is reached.

use crate::proto::{floats, ints, model, number, strings, tensor_of_bytes, tensor_of_doubles};
use arbitrary::Arbitrary;
use tidegate::engine::onnx::pb::AttributeProto;

/// One operator.
#[derive(Arbitrary, Debug)]
pub struct Ensemble {
    kind: Kind,
    nodes: Vec<Node>,
    votes: Vec<Vote>,
    roots: Vec<Id>,
    /// Targets of a regressor.
    targets: Id,
    aggregate: u8,
    post: u8,
    /// Class labels; text where odd.
    classes: u8,
    base_values: Vec<f32>,
    members: Vec<f32>,
    /// Thresholds and weights in double precision.
    wide: bool,
    features: u8,
    /// A list that is cut short.
    cut: Option<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Kind {
    Classifier,
    Regressor,
    Version5,
}

/// A number that is likely to be in range, or any at all.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Id {
    Own,
    Near(u8),
    Any(i64),
}

impl Id {
    fn or(self, own: usize) -> i64 {
        match self {
            Self::Own => own as i64,
            Self::Near(n) => i64::from(n),
            Self::Any(n) => n,
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Node {
    tree: Id,
    id: Id,
    feature: Id,
    mode: u8,
    threshold: f32,
    yes: Id,
    no: Id,
    yes_is_leaf: bool,
    no_is_leaf: bool,
    missing_yes: bool,
}

#[derive(Arbitrary, Debug)]
struct Vote {
    tree: Id,
    node: Id,
    target: Id,
    weight: f32,
}

const MODES: [&str; 8] =
    ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF", "BRANCH_MEMBER"];

impl Ensemble {
    /// A whole file with this one operator.
    pub fn file(&self) -> Vec<u8> {
        let mut attributes = match self.kind {
            Kind::Version5 => self.version_5(),
            Kind::Classifier | Kind::Regressor => self.older(),
        };
        if let Some(at) = self.cut.map(usize::from).and_then(|at| attributes.get_mut(at)) {
            at.ints.pop();
            at.floats.pop();
            at.strings.pop();
        }
        match self.kind {
            Kind::Classifier => model("TreeEnsembleClassifier", 3, attributes, self.features, self.classes % 2 == 1),
            Kind::Regressor => model("TreeEnsembleRegressor", 3, attributes, self.features, false),
            Kind::Version5 => model("TreeEnsemble", 5, attributes, self.features, false),
        }
    }

    fn column(&self, of: impl Fn(usize, &Node) -> i64) -> Vec<i64> {
        self.nodes.iter().enumerate().map(|(at, node)| of(at, node)).collect()
    }

    fn votes(&self, of: impl Fn(usize, &Vote) -> i64) -> Vec<i64> {
        self.votes.iter().enumerate().map(|(at, vote)| of(at, vote)).collect()
    }

    fn thresholds(&self) -> Vec<f32> {
        self.nodes.iter().map(|node| node.threshold).collect()
    }

    fn weights(&self) -> Vec<f32> {
        self.votes.iter().map(|vote| vote.weight).collect()
    }

    fn width(&self) -> usize {
        usize::from(self.features).max(1)
    }

    /// Nodes without both children are leaves, unless they say where they go.
    fn is_leaf(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        2 * at + 2 >= self.nodes.len() && matches!((node.yes, node.no), (Id::Own, Id::Own))
    }

    fn older(&self) -> Vec<AttributeProto> {
        let kind = if matches!(self.kind, Kind::Classifier) { "class" } else { "target" };
        let mode = |at: usize| match self.is_leaf(at) {
            true => "LEAF",
            false => MODES[usize::from(self.nodes[at].mode) % MODES.len()],
        };
        let mut list = vec![
            ints("nodes_treeids", self.column(|_, node| node.tree.or(0))),
            ints("nodes_nodeids", self.column(|at, node| node.id.or(at))),
            ints("nodes_featureids", self.column(|at, node| node.feature.or(at % self.width()))),
            strings("nodes_modes", (0..self.nodes.len()).map(mode)),
            ints("nodes_truenodeids", self.column(|at, node| node.yes.or(2 * at + 1))),
            ints("nodes_falsenodeids", self.column(|at, node| node.no.or(2 * at + 2))),
            ints("nodes_missing_value_tracks_true", self.column(|_, node| node.missing_yes.into())),
            ints(&format!("{kind}_treeids"), self.votes(|_, vote| vote.tree.or(0))),
            ints(&format!("{kind}_nodeids"), self.votes(|at, vote| vote.node.or(at))),
            ints(&format!("{kind}_ids"), self.votes(|_, vote| vote.target.or(0))),
            self.numbers("nodes_values", &self.thresholds()),
            self.numbers(&format!("{kind}_weights"), &self.weights()),
            self.numbers("base_values", &self.base_values),
            strings("post_transform", []),
        ];
        let post = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT", "X"];
        list[13].s = post[usize::from(self.post) % post.len()].into();
        if kind == "class" {
            let classes = 0..usize::from(self.classes / 2);
            list.push(match self.classes % 2 {
                0 => ints("classlabels_int64s", classes.map(|class| class as i64).collect()),
                _ => strings("classlabels_strings", classes.map(|_| "x")),
            });
        } else {
            list.push(number("n_targets", self.targets.or(1)));
            list.push(strings("aggregate_function", []));
            let ways = ["SUM", "AVERAGE", "MIN", "MAX", "X"];
            list[15].s = ways[usize::from(self.aggregate) % ways.len()].into();
        }
        list
    }

    fn numbers(&self, name: &str, values: &[f32]) -> AttributeProto {
        match self.wide {
            true => tensor_of_doubles(&format!("{name}_as_tensor"), values),
            false => floats(name, values.to_vec()),
        }
    }

    fn version_5(&self) -> Vec<AttributeProto> {
        let leaf = |at: usize, told: bool| i64::from(told || 2 * at + 2 >= self.nodes.len());
        vec![
            ints("nodes_featureids", self.column(|at, node| node.feature.or(at % self.width()))),
            ints("nodes_truenodeids", self.column(|at, node| node.yes.or(2 * at + 1))),
            ints("nodes_trueleafs", self.column(|at, node| leaf(at, node.yes_is_leaf))),
            ints("nodes_falsenodeids", self.column(|at, node| node.no.or(2 * at + 2))),
            ints("nodes_falseleafs", self.column(|at, node| leaf(at, node.no_is_leaf))),
            ints("nodes_missing_value_tracks_true", self.column(|_, node| node.missing_yes.into())),
            ints("tree_roots", self.roots.iter().map(|root| root.or(0)).collect()),
            ints("leaf_targetids", self.votes(|_, vote| vote.target.or(0))),
            tensor_of_doubles("nodes_splits", &self.thresholds()),
            tensor_of_doubles("leaf_weights", &self.weights()),
            tensor_of_doubles("membership_values", &self.members),
            tensor_of_bytes("nodes_modes", self.nodes.iter().map(|node| node.mode % 8).collect()),
            number("n_targets", self.targets.or(1)),
            number("aggregate_function", (self.aggregate % 6).into()),
            number("post_transform", (self.post % 6).into()),
        ]
    }
}
