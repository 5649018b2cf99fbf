//! Random forests with every mode of branching, missing values, all aggregates and transforms.

use crate::{
    NUMBERS, Random, batches_change_nothing, config, device, file, floats, int, ints, node, place, run, string, strings,
};
use proptest::prelude::*;
use tidegate::engine::onnx::pb;
use tidegate::engine::{Format, Prepared};
use tidegate::tensor::{Data, Tensor};

const MODES: [&str; 6] = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"];
const POSTS: [&str; 4] = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"];
const AGGREGATES: [&str; 4] = ["SUM", "AVERAGE", "MIN", "MAX"];

/// The lists of a tree operator's attributes.
#[derive(Default)]
struct Lists {
    tree: Vec<i64>,
    node: Vec<i64>,
    feature: Vec<i64>,
    mode: Vec<&'static str>,
    value: Vec<f32>,
    yes: Vec<i64>,
    no: Vec<i64>,
    missing: Vec<i64>,
    vote_tree: Vec<i64>,
    vote_node: Vec<i64>,
    vote_target: Vec<i64>,
    vote_weight: Vec<f32>,
}

/// What a forest is like.
#[derive(Clone, Copy, Debug)]
struct Kind {
    trees: usize,
    depth: usize,
    columns: usize,
    targets: usize,
    /// Modes are of the first so many.
    modes: usize,
    /// Votes of a leaf: one for one target, or any number.
    many_votes: bool,
}

impl Lists {
    fn grow(&mut self, random: &mut Random, kind: &Kind, tree: usize) {
        let mut next = 1;
        let mut waiting = vec![(0i64, 0usize)];
        while let Some((at, depth)) = waiting.pop() {
            let leaf = depth == kind.depth || (depth > 0 && random.below(4) == 0);
            self.tree.push(tree as i64);
            self.node.push(at);
            self.feature.push(random.below(kind.columns) as i64);
            self.missing.push(random.below(2) as i64);
            if leaf {
                self.mode.push("LEAF");
                self.value.push(0.0);
                self.yes.push(0);
                self.no.push(0);
                self.vote(random, kind, tree, at);
                continue;
            }
            self.mode.push(MODES[random.below(kind.modes)]);
            // NaN is no threshold.
            self.value.push(NUMBERS[1 + random.below(NUMBERS.len() - 1)]);
            self.yes.push(next);
            self.no.push(next + 1);
            waiting.extend([(next, depth + 1), (next + 1, depth + 1)]);
            next += 2;
        }
    }

    /// Weights differ from leaf to leaf, so a wrong leaf is a wrong score.
    fn vote(&mut self, random: &mut Random, kind: &Kind, tree: usize, node: i64) {
        let targets: Vec<usize> = match kind.many_votes {
            true => (0..kind.targets).filter(|_| random.below(3) > 0).collect(),
            false => vec![tree % kind.targets],
        };
        for target in targets {
            self.vote_tree.push(tree as i64);
            self.vote_node.push(node);
            self.vote_target.push(target as i64);
            self.vote_weight.push(random.number());
        }
    }

    fn attributes(self, votes: &str) -> Vec<pb::AttributeProto> {
        let (targets, weights) =
            if votes == "class" { ("class_ids", "class_weights") } else { ("target_ids", "target_weights") };
        vec![
            ints("nodes_treeids", self.tree),
            ints("nodes_nodeids", self.node),
            ints("nodes_featureids", self.feature),
            strings("nodes_modes", self.mode),
            floats("nodes_values", self.value),
            ints("nodes_truenodeids", self.yes),
            ints("nodes_falsenodeids", self.no),
            ints("nodes_missing_value_tracks_true", self.missing),
            ints(&format!("{votes}_treeids"), self.vote_tree),
            ints(&format!("{votes}_nodeids"), self.vote_node),
            ints(targets, self.vote_target),
            floats(weights, self.vote_weight),
        ]
    }
}

fn kind(random: &mut Random) -> Kind {
    Kind {
        trees: 1 + random.below(40),
        depth: random.below(7),
        columns: 1 + random.below(9),
        targets: 1 + random.below(4),
        // Equality has a form of its own.
        modes: if random.below(3) == 0 { 6 } else { 4 },
        many_votes: random.below(2) == 0,
    }
}

fn grown(random: &mut Random, kind: &Kind) -> Lists {
    let mut lists = Lists::default();
    (0..kind.trees).for_each(|tree| lists.grow(random, kind, tree));
    lists
}

/// Rows of numbers that meet thresholds.
fn table(random: &mut Random, rows: usize, columns: usize) -> Tensor {
    let value =
        |random: &mut Random| if random.below(5) == 0 { random.number() } else { NUMBERS[random.below(NUMBERS.len())] };
    let values = (0..rows * columns).map(|_| value(random)).collect::<Vec<f32>>();
    Tensor::of([rows, columns], values).expect("it fits")
}

/// How many floats lie further apart than a rounding, and labels that differ.
fn differences(want: &Tensor, got: &Tensor, exact: bool) -> usize {
    match (want.data(), got.data()) {
        (Data::F32(want), Data::F32(got)) => {
            let near = |a: f32, b: f32| match exact {
                true => a.to_bits() == b.to_bits(),
                false => {
                    a.to_bits() == b.to_bits() || (a - b).abs() <= f32::EPSILON * a.abs() || (a.is_nan() && b.is_nan())
                }
            };
            want.iter().zip(got).filter(|(a, b)| !near(**a, **b)).count()
        }
        (Data::I64(want), Data::I64(got)) => want.iter().zip(got).filter(|(a, b)| a != b).count(),
        _ => panic!("{} beside {}", want.dtype(), got.dtype()),
    }
}

fn check(bytes: &[u8], columns: usize, random: &mut Random, exact: bool) -> Result<(), TestCaseError> {
    let device = device().expect("asked for before");
    let sample = [table(random, 5, columns)];
    let taken = place(device, Format::Onnx, bytes, &sample).map_err(TestCaseError::fail)?;
    let cpu = crate::import(Format::Onnx, bytes).model;
    for rows in [1, 7, 40, 300] {
        let inputs = [table(random, rows, columns)];
        for (want, got) in run(&cpu, &inputs).iter().zip(&run(&taken.alone, &inputs)) {
            let label = matches!(want.data(), Data::I64(_));
            prop_assert_eq!(differences(want, got, exact || label), 0, "{} rows: {:?} beside {:?}", rows, want, got);
        }
    }
    batches_change_nothing(&taken.alone, &[table(random, 9, columns)]);
    Ok(())
}

proptest! {
    #![proptest_config(config(8))]

    /// Scores before any transform are the CPU's to the bit: the same leaves, added in the same order.
    #[test]
    fn scores_are_those_of_the_cpu_to_the_bit(seed: u64) {
        prop_assume!(device().is_some());
        let random = &mut Random(seed);
        let kind = kind(random);
        let mut attributes = grown(random, &kind).attributes("target");
        attributes.push(int("n_targets", kind.targets as i64));
        attributes.push(string("aggregate_function", AGGREGATES[random.below(4)]));
        if random.below(2) == 0 {
            attributes.push(floats("base_values", (0..kind.targets).map(|_| random.number()).collect()));
        }
        let trees = node("TreeEnsembleRegressor", "ai.onnx.ml", &["x"], &["y"], attributes);
        let bytes = file(vec![trees], vec![], kind.columns, &[("y", true, &[0, kind.targets as i64])]);
        check(&bytes, kind.columns, random, true)?;
    }

    /// Labels are the CPU's, and probabilities are within a rounding of them.
    #[test]
    fn classes_are_those_of_the_cpu(seed: u64) {
        prop_assume!(device().is_some());
        let random = &mut Random(seed);
        let classes = 2 + random.below(3);
        // With one class voted for, the other's score follows from it.
        let one_sided = classes == 2 && random.below(2) == 0;
        let kind = Kind { targets: if one_sided { 1 } else { classes }, ..kind(random) };
        let mut lists = grown(random, &kind);
        if one_sided {
            lists.vote_target.fill(1);
            if random.below(2) == 0 {
                lists.vote_weight.iter_mut().for_each(|weight| *weight = weight.abs() / kind.trees as f32);
            }
        }
        let mut attributes = lists.attributes("class");
        attributes.push(ints("classlabels_int64s", (0..classes as i64).map(|class| 10 * class).collect()));
        attributes.push(string("post_transform", POSTS[random.below(4)]));
        let trees = node("TreeEnsembleClassifier", "ai.onnx.ml", &["x"], &["label", "y"], attributes);
        let outputs: [(&str, bool, &[i64]); 2] = [("label", false, &[0]), ("y", true, &[0, classes as i64])];
        let bytes = file(vec![trees], vec![], kind.columns, &outputs);
        check(&bytes, kind.columns, random, false)?;
    }

    /// Rows that are scaled, filled and encoded on the device are those of the CPU.
    #[test]
    fn prepared_rows_are_those_of_the_cpu(seed: u64) {
        prop_assume!(device().is_some());
        let random = &mut Random(seed);
        let kind = Kind { modes: 4, ..kind(random) };
        let mut numbers = |count: usize| (0..count).map(|_| random.number() * 3.0).collect::<Vec<f32>>();
        let (columns, targets) = (kind.columns, kind.targets as i64);
        let imputed = vec![floats("imputed_value_floats", numbers(columns)), crate::float("replaced_value_float", f32::NAN)];
        let scaled = vec![floats("offset", numbers(columns)), floats("scale", numbers(columns))];
        let mut attributes = grown(random, &kind).attributes("target");
        attributes.push(int("n_targets", targets));
        let nodes = vec![
            node("Imputer", "ai.onnx.ml", &["x"], &["a"], imputed),
            node("Scaler", "ai.onnx.ml", &["a"], &["b"], scaled),
            node("TreeEnsembleRegressor", "ai.onnx.ml", &["b"], &["y"], attributes),
        ];
        let bytes = file(nodes, vec![], columns, &[("y", true, &[0, targets])]);
        check(&bytes, columns, random, true)?;
    }
}

#[test]
fn a_forest_that_asks_for_memory_that_is_not_there_stays_on_the_cpu() {
    let Some(device) = device() else { return };
    let random = &mut Random(7);
    let kind = Kind { trees: 3, depth: 2, columns: 2, targets: 1, modes: 4, many_votes: false };
    let mut attributes = grown(random, &kind).attributes("target");
    // More scores for a row than a slot has room for.
    attributes.push(int("n_targets", 65_000));
    let trees = node("TreeEnsembleRegressor", "ai.onnx.ml", &["x"], &["y"], attributes);
    let bytes = file(vec![trees], vec![], 2, &[("y", true, &[0, 65_000])]);
    let taken = place(device, Format::Onnx, &bytes, &[table(random, 2, 2)]).expect("small batches have room");
    let rows = |count| [table(&mut Random(1), count, 2)];
    let cpu: std::sync::Arc<dyn Prepared> = crate::import(Format::Onnx, &bytes).model;
    let (want, got) = (run(&cpu, &rows(3)), run(&taken.alone, &rows(3)));
    assert_eq!(differences(&want[0], &got[0], true), 0);
    let refused = taken.alone.session().expect("a session").run(&rows(100)).expect_err("too many rows");
    assert!(refused.to_string().contains("no slot holds 100 rows"), "{refused}");
    let (want, got) = (run(&cpu, &rows(100)), run(&taken.model, &rows(100)));
    assert_eq!(differences(&want[0], &got[0], true), 0, "the CPU has room");
}
