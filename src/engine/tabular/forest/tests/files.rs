//! Random ensembles, written as a file would hold them, against a walk that follows the
//! specification one node at a time.

use super::super::onnx::regressor;
use super::super::{Forest, Rows};
use crate::engine::onnx::{Attributes, pb};
use pb::attribute_proto::AttributeType;
use proptest::prelude::*;

const FEATURES: i64 = 4;
const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ"];
/// Thresholds and values that meet each other exactly, and the ends of the line.
const NUMBERS: [f32; 9] = [f32::NEG_INFINITY, -1.5, -0.0, 0.0, f32::MIN_POSITIVE, 0.5, 1.5, f32::MAX, f32::INFINITY];

/// A node as a file lists it.
#[derive(Clone, Debug)]
struct Node {
    tree: i64,
    id: i64,
    /// `None` for a leaf.
    branch: Option<Branch>,
    votes: Vec<(i64, f32)>,
}

#[derive(Clone, Debug)]
struct Branch {
    mode: &'static str,
    feature: i64,
    threshold: f32,
    missing_true: bool,
    yes: i64,
    no: i64,
}

/// The shape of a random tree; node ids are given when it is laid out.
#[derive(Clone, Debug)]
enum Shape {
    Leaf(Vec<(i64, f32)>),
    Inner(usize, i64, f32, bool, Box<Shape>, Box<Shape>),
}

fn shape(targets: i64) -> impl Strategy<Value = Shape> {
    let vote = (0..targets, prop::sample::select(vec![-2.0f32, -0.25, 0.0, 0.5, 1.0]));
    let leaf = prop::collection::vec(vote, 1..3).prop_map(Shape::Leaf);
    leaf.prop_recursive(6, 40, 2, |inner| {
        (0..MODES.len(), 0..FEATURES, prop::sample::select(NUMBERS.to_vec()), any::<bool>(), inner.clone(), inner)
            .prop_map(|(mode, feature, threshold, missing, yes, no)| {
                Shape::Inner(mode, feature, threshold, missing, Box::new(yes), Box::new(no))
            })
    })
}

/// Lays a tree out depth first; answers the id of its root.
fn lay_out(shape: &Shape, tree: i64, nodes: &mut Vec<Node>) -> i64 {
    let place = nodes.len();
    let id = nodes.iter().filter(|node| node.tree == tree).count() as i64;
    nodes.push(Node { tree, id, branch: None, votes: Vec::new() });
    match shape {
        Shape::Leaf(votes) => nodes[place].votes.clone_from(votes),
        Shape::Inner(mode, feature, threshold, missing_true, yes, no) => {
            let (yes, no) = (lay_out(yes, tree, nodes), lay_out(no, tree, nodes));
            let (mode, feature) = (MODES[*mode], *feature);
            let branch = Branch { mode, feature, threshold: *threshold, missing_true: *missing_true, yes, no };
            nodes[place].branch = Some(branch);
        }
    }
    id
}

fn attribute(name: &str, fill: impl FnOnce(&mut pb::AttributeProto), kind: AttributeType) -> pb::AttributeProto {
    let mut proto = pb::AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() };
    fill(&mut proto);
    proto
}

fn ints(name: &str, values: impl Iterator<Item = i64>) -> pb::AttributeProto {
    attribute(name, |proto| proto.ints = values.collect(), AttributeType::Ints)
}

fn floats(name: &str, values: impl Iterator<Item = f32>) -> pb::AttributeProto {
    attribute(name, |proto| proto.floats = values.collect(), AttributeType::Floats)
}

/// The attributes of a TreeEnsembleRegressor.
fn file(nodes: &[Node], targets: i64) -> Attributes {
    let branch = |of: fn(&Branch) -> i64| nodes.iter().map(move |node| node.branch.as_ref().map_or(0, of));
    let votes = || nodes.iter().flat_map(|node| node.votes.iter().map(move |vote| (node, *vote)));
    let modes = nodes.iter().map(|node| node.branch.as_ref().map_or("LEAF", |branch| branch.mode).as_bytes().to_vec());
    Attributes::new(&[
        attribute("n_targets", |proto| proto.i = targets, AttributeType::Int),
        ints("nodes_treeids", nodes.iter().map(|node| node.tree)),
        ints("nodes_nodeids", nodes.iter().map(|node| node.id)),
        ints("nodes_featureids", branch(|branch| branch.feature)),
        floats("nodes_values", nodes.iter().map(|node| node.branch.as_ref().map_or(0.0, |branch| branch.threshold))),
        attribute("nodes_modes", |proto| proto.strings = modes.collect(), AttributeType::Strings),
        ints("nodes_truenodeids", branch(|branch| branch.yes)),
        ints("nodes_falsenodeids", branch(|branch| branch.no)),
        ints("nodes_missing_value_tracks_true", branch(|branch| i64::from(branch.missing_true))),
        ints("target_treeids", votes().map(|(node, _)| node.tree)),
        ints("target_nodeids", votes().map(|(node, _)| node.id)),
        ints("target_ids", votes().map(|(_, vote)| vote.0)),
        floats("target_weights", votes().map(|(_, vote)| vote.1)),
    ])
}

/// The specification, node by node.
fn plainly(nodes: &[Node], trees: i64, row: &[f32], targets: i64) -> Vec<f64> {
    let mut scores = vec![0.0; targets as usize];
    for tree in 0..trees {
        let find = |id: i64| nodes.iter().find(|node| node.tree == tree && node.id == id).expect("a node");
        let mut node = find(0);
        while let Some(branch) = &node.branch {
            let (x, t) = (row[branch.feature as usize], branch.threshold);
            let holds = match branch.mode {
                "BRANCH_LEQ" => x <= t,
                "BRANCH_LT" => x < t,
                "BRANCH_GT" => x > t,
                "BRANCH_EQ" => x == t,
                "BRANCH_NEQ" => x != t,
                _ => x >= t,
            };
            node = find(if holds || (x.is_nan() && branch.missing_true) { branch.yes } else { branch.no });
        }
        node.votes.iter().for_each(|(target, weight)| scores[*target as usize] += f64::from(*weight));
    }
    scores
}

fn walk(forest: &Forest, row: &[f32]) -> Vec<f64> {
    let mut scores = vec![0.0; forest.targets()];
    forest.score(Rows::F32(row), &mut scores);
    scores
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Every branch mode, missing values, exact hits on thresholds, one target and several, more
    /// trees than are walked side by side. The weights are binary fractions, so sums are exact.
    #[test]
    fn a_walk_ends_where_the_specification_says(
        (targets, shapes) in (1i64..4).prop_flat_map(|targets| (Just(targets), prop::collection::vec(shape(targets), 1..20))),
        rows in prop::collection::vec(
            prop::collection::vec(prop::sample::select([&NUMBERS[..], &[f32::NAN]].concat()), FEATURES as usize), 1..8),
    ) {
        let mut nodes = Vec::new();
        for (tree, shape) in shapes.iter().enumerate() {
            lay_out(shape, tree as i64, &mut nodes);
        }
        let forest = Forest::new(&regressor(&file(&nodes, targets)).expect("a well-formed file")).expect("a sound one");
        for row in rows {
            prop_assert_eq!(walk(&forest, &row), plainly(&nodes, shapes.len() as i64, &row, targets), "row {:?}", row);
        }
    }
}

/// A tree of one inner node and two leaves.
fn stump() -> Vec<Node> {
    let branch = Branch { mode: "BRANCH_LEQ", feature: 0, threshold: 0.5, missing_true: false, yes: 1, no: 2 };
    let leaf = |id, weight| Node { tree: 0, id, branch: None, votes: vec![(0, weight)] };
    vec![Node { tree: 0, id: 0, branch: Some(branch), votes: vec![] }, leaf(1, 1.0), leaf(2, 2.0)]
}

#[test]
fn broken_files_are_refused_with_a_reason() {
    let refused =
        |nodes: &[Node]| regressor(&file(nodes, 1)).and_then(|ensemble| Forest::new(&ensemble)).expect_err("broken");
    let change = |at: usize, of: fn(&mut Branch)| {
        let mut nodes = stump();
        of(nodes[at].branch.as_mut().expect("an inner node"));
        nodes
    };
    assert!(refused(&change(0, |branch| branch.yes = 9)).contains("node 9 it does not have"));
    assert!(refused(&change(0, |branch| branch.yes = 0)).contains("circle"));
    assert!(refused(&change(0, |branch| branch.mode = "BRANCH_NEAR")).contains("BRANCH_NEAR"));
    assert!(refused(&change(0, |branch| branch.feature = -1)).contains("feature"));
    let mut twice = stump();
    twice[2].id = 1;
    assert!(refused(&twice).contains("twice"));
    let mut stray = stump();
    stray[1].votes = vec![(7, 1.0)];
    assert!(refused(&stray).contains("names 7"));
    assert!(refused(&[]).contains("no nodes"));
}

#[test]
fn targets_without_end_are_refused_before_any_is_held() {
    let targets = attribute("n_targets", |proto| proto.i = i64::MAX, AttributeType::Int);
    let base = attribute("base_values", |proto| proto.floats = vec![1.0], AttributeType::Floats);
    let error = regressor(&Attributes::new(&[targets, base])).expect_err("no forest scores so much");
    assert!(error.contains("expected at most"), "{error}");
}
