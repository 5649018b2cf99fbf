//! Random ensembles over every kernel and every way to deal out lanes, against the walk that
//! follows the file node by node.

use crate::engine::tabular::forest::compact::Compact;
use crate::engine::tabular::forest::ensemble::{Aggregate, Ensemble, Node, Set, Split, Test, Tree, Vote};
use crate::engine::tabular::forest::kernel::{Kernel, Sieve};
use crate::engine::tabular::forest::score::Strategy as How;
use crate::engine::tabular::forest::{Forest, Rows};
use proptest::prelude::*;

pub(super) const FEATURES: usize = 5;
/// Thresholds and values that meet each other exactly, and the ends of the line.
const NUMBERS: [f64; 12] =
    [f64::NEG_INFINITY, -1.5, -1e-40, -0.0, 0.0, 1e-36, 0.1, 0.5, 1.5, 2.0, 3.4028234663852886e38, f64::INFINITY];

/// The kinds of tests a random ensemble may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kinds {
    /// As scikit-learn and LightGBM have them: `<=` alone.
    Uniform,
    Comparisons,
    All,
}

fn test(kinds: Kinds) -> impl Strategy<Value = Test> {
    let kinds = match kinds {
        Kinds::Uniform => 0..1,
        Kinds::Comparisons => 0..4,
        Kinds::All => 0..8usize,
    };
    (kinds, prop::sample::select(NUMBERS.to_vec())).prop_map(|(kind, t)| match kind {
        0 => Test::LessOrEqual(t),
        1 => Test::Less(t),
        2 => Test::Greater(t),
        3 => Test::GreaterOrEqual(t),
        4 => Test::Equal(t),
        5 => Test::NotEqual(t),
        6 => Test::In(u32::from(t > 0.0)),
        _ => Test::LessOrEqualZeroMissing(t),
    })
}

#[derive(Clone, Debug)]
enum Shape {
    Leaf(Vec<Vote>),
    Split(u32, Test, bool, Box<Shape>, Box<Shape>),
}

/// Weights that `f32` holds, so that sums are exact in any order; or not.
fn shape(kinds: Kinds, votes: std::ops::Range<usize>, targets: u32, odd: bool) -> impl Strategy<Value = Shape> {
    let weights = if odd { vec![0.5 + 1.0 / (1u64 << 40) as f64] } else { vec![-2.0, -0.25, 0.0, 0.5, 1.0] };
    let vote = (0..targets, prop::sample::select(weights)).prop_map(|(target, weight)| Vote { target, weight });
    let leaf = prop::collection::vec(vote, votes).prop_map(Shape::Leaf);
    leaf.prop_recursive(7, 60, 2, move |inner| {
        (0..FEATURES as u32, test(kinds), any::<bool>(), inner.clone(), inner).prop_map(
            |(feature, test, missing, yes, no)| Shape::Split(feature, test, missing, Box::new(yes), Box::new(no)),
        )
    })
}

fn lay_out(shape: &Shape, nodes: &mut Vec<Node>, votes: &mut Vec<Vote>) -> u32 {
    let place = nodes.len();
    nodes.push(Node::Leaf { votes: 0..0, id: 0 });
    nodes[place] = match shape {
        Shape::Leaf(said) => {
            let from = votes.len() as u32;
            votes.extend_from_slice(said);
            Node::Leaf { votes: from..votes.len() as u32, id: place as i64 }
        }
        Shape::Split(feature, test, missing_yes, yes, no) => {
            let (yes, no) = (lay_out(yes, nodes, votes), lay_out(no, nodes, votes));
            Node::Split(Split { feature: *feature, test: *test, missing_yes: *missing_yes, yes, no })
        }
    };
    place as u32
}

prop_compose! {
    pub(super) fn ensemble()(kinds in prop::sample::select(vec![Kinds::Uniform, Kinds::Comparisons, Kinds::All]),
                  targets in 1u32..5, votes in 0usize..4, odd in any::<bool>(),
                  aggregate in prop::sample::select(vec![Aggregate::Sum, Aggregate::Sum, Aggregate::Average, Aggregate::Min, Aggregate::Max]))
                 (shapes in prop::collection::vec(shape(kinds, votes..votes + 2, targets, odd), 1..70),
                  base in prop::option::of(prop::collection::vec(prop::sample::select(vec![0.5, -1.0]), targets as usize)),
                  targets in Just(targets), aggregate in Just(aggregate)) -> Ensemble {
        let sets = vec![Set::Bits(vec![0b1011]), Set::Numbers(vec![-1.5, 0.0, 0.1, 2.0])];
        let mut ensemble = Ensemble { targets: targets as usize, aggregate, sets, features: FEATURES, ..Ensemble::default() };
        ensemble.base_values = base.unwrap_or_default();
        for shape in &shapes {
            let mut nodes = Vec::new();
            lay_out(shape, &mut nodes, &mut ensemble.votes);
            ensemble.trees.push(Tree { nodes });
        }
        ensemble
    }
}

pub(super) fn rows() -> impl Strategy<Value = Vec<f64>> {
    let with_missing = [&NUMBERS[..], &[f64::NAN, 1e-50, 0.1 + 1e-12]].concat();
    let values = prop_oneof![Just(NUMBERS.to_vec()), Just(with_missing)];
    (values, 1usize..150)
        .prop_flat_map(|(values, rows)| prop::collection::vec(prop::sample::select(values), rows * FEATURES))
}

/// The sums as the file has them. Weights are summed tree after tree in the order of depth, as
/// ours are; weights that `f32` does not hold are all alike, so that their order says nothing.
fn plainly(ensemble: &Ensemble, row: &[f64]) -> Vec<f64> {
    let mut scores = vec![None; ensemble.targets];
    for (tree, leaf) in ensemble.trees.iter().zip(ensemble.leaves(row)) {
        let Node::Leaf { votes, .. } = &tree.nodes[leaf as usize] else { panic!("a leaf") };
        for vote in &ensemble.votes[votes.start as usize..votes.end as usize] {
            let score: &mut Option<f64> = &mut scores[vote.target as usize];
            let old = score.unwrap_or(vote.weight);
            *score = Some(match ensemble.aggregate {
                Aggregate::Min => old.min(vote.weight),
                Aggregate::Max => old.max(vote.weight),
                _ => score.unwrap_or(0.0) + vote.weight,
            });
        }
    }
    let trees = if ensemble.aggregate == Aggregate::Average { ensemble.trees.len() as f64 } else { 1.0 };
    let base = ensemble.base_values.iter().chain(std::iter::repeat(&0.0));
    scores.iter().zip(base).map(|(score, base)| score.unwrap_or(0.0) / trees + base).collect()
}

fn expected(ensemble: &Ensemble, rows: &[f64]) -> Vec<f64> {
    rows.chunks(FEATURES).flat_map(|row| plainly(ensemble, row)).collect()
}

/// The numbers of the leaves as the file has them, row after row.
fn leaves(ensemble: &Ensemble, rows: &[f64]) -> Vec<i64> {
    let number = |(tree, at): (&Tree, u32)| match &tree.nodes[at as usize] {
        Node::Leaf { id, .. } => *id,
        Node::Split(_) => panic!("a leaf"),
    };
    rows.chunks(FEATURES).flat_map(|row| ensemble.trees.iter().zip(ensemble.leaves(row)).map(number)).collect()
}

/// Equal but for the last bits, where a sum of weights that are no binary fractions was ordered
/// otherwise.
fn near(got: &[f64], want: &[f64]) -> bool {
    got.len() == want.len() && got.iter().zip(want).all(|(got, want)| (got - want).abs() <= 1e-9 * want.abs().max(1.0))
}

/// Every way to find leaves on this processor.
pub(super) fn ways() -> Vec<How> {
    let walks = Kernel::available().into_iter().flat_map(|kernel| [1, 4, 8, 32].map(|rows| How::Walk { kernel, rows }));
    walks.chain(Sieve::available().into_iter().map(How::Bits)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn rows_of_either_type_reach_the_leaves_of_the_file(ensemble in ensemble(), rows in rows()) {
        let forest = Forest::new(&ensemble).expect("a sound ensemble");
        let mut scores = vec![0.0; rows.len() / FEATURES * ensemble.targets];
        forest.score(Rows::F64(&rows), &mut scores);
        let want = expected(&ensemble, &rows);
        prop_assert!(near(&scores, &want), "as FP64: {scores:?} {want:?}");
        let singles: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        let rows: Vec<f64> = singles.iter().map(|x| f64::from(*x)).collect();
        forest.score(Rows::F32(&singles), &mut scores);
        let want = expected(&ensemble, &rows);
        prop_assert!(near(&scores, &want), "as FP32: {scores:?} {want:?}");
    }

    #[test]
    fn every_kernel_gives_the_same_bits(ensemble in ensemble(), rows in rows()) {
        let forest = Forest::new(&ensemble).expect("a sound ensemble");
        let rows: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        let count = rows.len() / FEATURES;
        let mut alone = vec![0.0; count * ensemble.targets];
        for (row, out) in rows.chunks(FEATURES).zip(alone.chunks_mut(ensemble.targets)) {
            forest.score(Rows::F32(row), out);
        }
        for how in ways() {
            let mut scores = vec![0.0; count * ensemble.targets];
            forest.score_by(how, &rows, &mut scores);
            let bits = |scores: &[f64]| scores.iter().map(|score| score.to_bits()).collect::<Vec<_>>();
            prop_assert_eq!(bits(&scores), bits(&alone), "{:?}", how);
        }
    }

    #[test]
    fn every_walk_tells_the_leaves_of_the_file(ensemble in ensemble(), rows in rows()) {
        let forest = Forest::new(&ensemble).expect("a sound ensemble");
        let mut told = vec![0; rows.len() / FEATURES * ensemble.trees.len()];
        forest.leaves(Rows::F64(&rows), &mut told);
        prop_assert_eq!(&told, &leaves(&ensemble, &rows), "as FP64");
        let singles: Vec<f32> = rows.iter().map(|x| *x as f32).collect();
        let rows: Vec<f64> = singles.iter().map(|x| f64::from(*x)).collect();
        let expected = leaves(&ensemble, &rows);
        forest.leaves(Rows::F32(&singles), &mut told);
        prop_assert_eq!(&told, &expected, "as FP32");
        for kernel in Kernel::available() {
            for side in [1, 4, 8, 32] {
                told.fill(-1);
                if forest.leaves_by((kernel, side), &singles, &mut told).is_some() {
                    prop_assert_eq!(&told, &expected, "{:?}, {} rows side by side", kernel, side);
                }
            }
        }
    }

    #[test]
    fn what_is_packed_is_sound(ensemble in ensemble()) {
        let order: Vec<(usize, u32)> = ensemble.check().expect("sound").into_iter().enumerate().collect();
        if let Some(packed) = Compact::new(&ensemble, &order, |_, leaf| leaf) {
            prop_assert!(packed.is_sound(None));
        }
    }
}
