//! A tree ensemble as every importer hands it over, whatever file it came from.
//!
//! Thresholds and weights are kept as `f64`, which holds what any file says without loss. A split
//! keeps the test that the training library makes; the layout brings the tests to one form
//! for the kernels. [`Ensemble::check`] is passed once, and from then on every index is in range
//! and every tree is a tree.

use rkyv::{Archive, Deserialize, Serialize};
use std::ops::Range;

/// A tree ensemble.
#[derive(Clone, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Ensemble {
    pub trees: Vec<Tree>,
    /// What leaves say; [`Node::Leaf`] names a range of these.
    pub votes: Vec<Vote>,
    /// The sets that [`Test::In`] names.
    pub sets: Vec<Set>,
    /// Scores a row gets.
    pub targets: usize,
    pub aggregate: Aggregate,
    /// Added to each target's score; empty means zero.
    pub base_values: Vec<f64>,
    /// Columns a row must have.
    pub features: usize,
}

/// One tree; its root is node 0.
#[derive(Clone, Debug, Default, Archive, Serialize, Deserialize)]
pub struct Tree {
    pub nodes: Vec<Node>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum Node {
    Split(Split),
    /// The votes of a leaf, and the number that the training library gives it.
    Leaf {
        votes: Range<u32>,
        id: i64,
    },
}

/// An inner node: rows that pass the test go to `yes`, all others to `no`.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Split {
    pub feature: u32,
    pub test: Test,
    /// Where a missing value (NaN) goes: to `yes`, or to `no`.
    pub missing_yes: bool,
    pub yes: u32,
    pub no: u32,
}

/// What a split asks of a value that is not missing.
#[derive(Clone, Copy, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum Test {
    /// `x < t`
    Less(f64),
    /// `x <= t`
    LessOrEqual(f64),
    /// `x > t`
    Greater(f64),
    /// `x >= t`
    GreaterOrEqual(f64),
    /// `x == t`
    Equal(f64),
    /// `x != t`
    NotEqual(f64),
    /// `x` is a member of [`Ensemble::sets`] at this index.
    In(u32),
    /// `x <= t`, and values from `-1e-35` to `1e-35` count as missing (LightGBM's `zero_as_missing`).
    LessOrEqualZeroMissing(f64),
}

/// A set of categories or of numbers.
#[derive(Clone, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub enum Set {
    /// Bit `n` says whether category `n` is a member. A value is cut to the integer towards zero
    /// first; negative ones and those past the end are no members.
    Bits(Vec<u64>),
    /// Exact numbers, in ascending order.
    Numbers(Vec<f64>),
}

/// What a leaf adds to a target's score.
#[derive(Clone, Copy, Debug, PartialEq, Archive, Serialize, Deserialize)]
pub struct Vote {
    pub target: u32,
    pub weight: f64,
}

/// How the trees' votes become a score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Aggregate {
    #[default]
    Sum,
    Average,
    Min,
    Max,
}

/// Scores a row may have. More would have us take memory on a file's word.
pub const MOST_TARGETS: usize = 1 << 16;

/// LightGBM's `kZeroThreshold`: what is closer to zero counts as zero.
const ZERO: f64 = 1e-35f32 as f64;

impl Test {
    /// Whether LightGBM takes the value for a zero.
    pub fn counts_as_zero(x: f64) -> bool {
        x.abs() <= ZERO
    }

    /// The number in the test, for those that have one.
    fn threshold(self) -> Option<f64> {
        match self {
            Self::Less(t)
            | Self::LessOrEqual(t)
            | Self::Greater(t)
            | Self::GreaterOrEqual(t)
            | Self::Equal(t)
            | Self::NotEqual(t)
            | Self::LessOrEqualZeroMissing(t) => Some(t),
            Self::In(_) => None,
        }
    }
}

impl Set {
    pub fn contains(&self, x: f64) -> bool {
        match self {
            Self::Bits(words) => {
                // The cast saturates, and only values above -1 cut to 0.
                let at = x as u64;
                x > -1.0 && words.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 == 1)
            }
            Self::Numbers(members) => members.binary_search_by(|member| member.total_cmp(&(x + 0.0))).is_ok(),
        }
    }
}

impl Split {
    /// The index of the node behind this one.
    pub fn next(&self, x: f64, sets: &[Set]) -> u32 {
        let missing = x.is_nan() || matches!(self.test, Test::LessOrEqualZeroMissing(_)) && Test::counts_as_zero(x);
        let yes = match self.test {
            _ if missing => self.missing_yes,
            Test::Less(t) => x < t,
            Test::LessOrEqual(t) | Test::LessOrEqualZeroMissing(t) => x <= t,
            Test::Greater(t) => x > t,
            Test::GreaterOrEqual(t) => x >= t,
            Test::Equal(t) => x == t,
            Test::NotEqual(t) => x != t,
            Test::In(set) => sets.get(set as usize).is_some_and(|set| set.contains(x)),
        };
        if yes { self.yes } else { self.no }
    }
}

impl Ensemble {
    /// Refuses what is no ensemble: nodes, votes, sets or columns that are not there, circles,
    /// shared nodes, NaN as a threshold. Nodes that no path reaches are allowed and not looked at.
    ///
    /// Answers the depth of each tree (0 for a single leaf).
    pub fn check(&self) -> Result<Vec<u32>, String> {
        if self.trees.is_empty() {
            return Err("the ensemble has no trees".into());
        }
        if self.targets == 0 || self.features == 0 {
            return Err(format!("the ensemble has {} targets and {} features", self.targets, self.features));
        }
        if self.targets > MOST_TARGETS {
            return Err(format!("the ensemble has {} targets, expected at most {MOST_TARGETS}", self.targets));
        }
        if !(self.base_values.is_empty() || self.base_values.len() == self.targets) {
            let got = self.base_values.len();
            return Err(format!(
                "there are {got} base values, expected none or one for each of {} targets",
                self.targets
            ));
        }
        if let Some(vote) = self.votes.iter().find(|vote| vote.target as usize >= self.targets) {
            return Err(format!("a leaf votes for target {}, but there are {}", vote.target, self.targets));
        }
        if let Some(Set::Numbers(_)) = self.sets.iter().find(|set| !set.is_sorted()) {
            return Err("a set of numbers is not in ascending order".into());
        }
        let depth = |(at, tree): (usize, &Tree)| self.depth(tree).map_err(|words| format!("tree {at}: {words}"));
        self.trees.iter().enumerate().map(depth).collect()
    }

    /// Level by level, so that no depth of nesting can exhaust the stack.
    fn depth(&self, tree: &Tree) -> Result<u32, String> {
        let mut seen = vec![false; tree.nodes.len()];
        let mut level = vec![0u32];
        let mut depth = 0;
        loop {
            let mut next = Vec::new();
            for at in level {
                let node = tree
                    .nodes
                    .get(at as usize)
                    .ok_or_else(|| format!("node {at} is named, but there are {} nodes", tree.nodes.len()))?;
                if std::mem::replace(&mut seen[at as usize], true) {
                    return Err(format!("node {at} is reached twice: a circle, or two parents"));
                }
                self.check_node(node).map_err(|words| format!("node {at}: {words}"))?;
                if let Node::Split(split) = node {
                    next.extend([split.yes, split.no]);
                }
            }
            if next.is_empty() {
                return Ok(depth);
            }
            depth += 1;
            level = next;
        }
    }

    fn check_node(&self, node: &Node) -> Result<(), String> {
        match node {
            Node::Leaf { votes, .. } if votes.start > votes.end || votes.end as usize > self.votes.len() => {
                Err(format!("its votes are {votes:?}, but there are {}", self.votes.len()))
            }
            Node::Leaf { .. } => Ok(()),
            Node::Split(split) if split.feature as usize >= self.features => {
                Err(format!("it asks for column {}, but rows have {}", split.feature, self.features))
            }
            Node::Split(split) => match split.test {
                Test::In(set) if set as usize >= self.sets.len() => {
                    Err(format!("it names set {set}, but there are {}", self.sets.len()))
                }
                test if test.threshold().is_some_and(f64::is_nan) => Err("its threshold is NaN".into()),
                _ => Ok(()),
            },
        }
    }

    /// Walks one row as the file has it, node by node: what every kernel has to agree with.
    /// Answers the leaf's place in each tree. The row must have [`Ensemble::features`] columns.
    pub fn leaves<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = u32> + 'a {
        self.trees.iter().map(|tree| {
            let mut at = 0;
            while let Node::Split(split) = &tree.nodes[at as usize] {
                at = split.next(row[split.feature as usize], &self.sets);
            }
            at
        })
    }

    /// Nodes in all trees.
    pub fn nodes(&self) -> usize {
        self.trees.iter().map(|tree| tree.nodes.len()).sum()
    }
}

impl Set {
    pub(super) fn is_sorted(&self) -> bool {
        match self {
            Self::Bits(_) => true,
            Self::Numbers(members) => members.windows(2).all(|pair| pair[0] < pair[1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(feature: u32, test: Test, yes: u32, no: u32) -> Node {
        Node::Split(Split { feature, test, missing_yes: false, yes, no })
    }

    fn leaf() -> Node {
        Node::Leaf { votes: 0..1, id: 0 }
    }

    fn ensemble(nodes: Vec<Node>) -> Ensemble {
        let votes = vec![Vote { target: 0, weight: 1.0 }];
        Ensemble { trees: vec![Tree { nodes }], votes, targets: 1, features: 2, ..Ensemble::default() }
    }

    #[test]
    fn depth_counts_steps_to_the_deepest_leaf() {
        assert_eq!(ensemble(vec![leaf()]).check(), Ok(vec![0]));
        let nodes = vec![split(0, Test::Less(1.0), 3, 1), split(1, Test::Less(1.0), 2, 4), leaf(), leaf(), leaf()];
        assert_eq!(ensemble(nodes).check(), Ok(vec![2]));
    }

    #[test]
    fn what_is_no_tree_is_refused_with_its_place() {
        let refused = |nodes: Vec<Node>| ensemble(nodes).check().expect_err("broken");
        assert!(refused(vec![split(0, Test::Less(1.0), 0, 1), leaf()]).contains("circle"));
        assert!(refused(vec![split(0, Test::Less(1.0), 1, 1), leaf()]).contains("two parents"));
        assert!(refused(vec![split(0, Test::Less(1.0), 1, 7), leaf()]).contains("node 7 is named"));
        assert!(refused(vec![split(2, Test::Less(1.0), 1, 2), leaf(), leaf()]).contains("column 2"));
        assert!(refused(vec![split(0, Test::Less(f64::NAN), 1, 2), leaf(), leaf()]).contains("NaN"));
        assert!(refused(vec![split(0, Test::In(0), 1, 2), leaf(), leaf()]).contains("set 0"));
        assert!(refused(vec![Node::Leaf { votes: 0..2, id: 0 }]).contains("votes"));
        assert!(refused(vec![]).contains("node 0 is named"));
        let mut stray = ensemble(vec![leaf()]);
        stray.votes[0].target = 3;
        assert!(stray.check().expect_err("broken").contains("target 3"));
    }

    #[test]
    fn sets_hold_their_members_alone() {
        let bits = Set::Bits(vec![0b101, 1]);
        let inside = [0.0, -0.0, -0.9, 0.5, 2.0, 2.9, 64.0];
        let outside = [-1.0, 1.0, 3.0, 65.0, 1e30, f64::NEG_INFINITY, f64::INFINITY, f64::NAN];
        assert!(inside.iter().all(|x| bits.contains(*x)) && !outside.iter().any(|x| bits.contains(*x)));
        let numbers = Set::Numbers(vec![-1.5, 0.0, 2.0]);
        assert!([-1.5, 0.0, -0.0, 2.0].iter().all(|x| numbers.contains(*x)));
        assert!(![-1.0, 2.5, f64::NAN, f64::INFINITY].iter().any(|x| numbers.contains(*x)));
    }

    #[test]
    fn missing_values_go_their_way() {
        let mut split =
            Split { feature: 0, test: Test::LessOrEqualZeroMissing(-1.0), missing_yes: true, yes: 1, no: 2 };
        assert_eq!([-2.0, 0.0, 1e-36, f64::NAN, 1.0].map(|x| split.next(x, &[])), [1, 1, 1, 1, 2]);
        let edge = f64::from(1e-35f32);
        assert_eq!(
            [edge, -edge, edge.next_up()].map(|x| split.next(x, &[])),
            [1, 1, 2],
            "the library's own zero is f32"
        );
        split.test = Test::LessOrEqual(-1.0);
        assert_eq!([-2.0, 0.0, 1e-36, f64::NAN, 1.0].map(|x| split.next(x, &[])), [1, 2, 2, 1, 2]);
    }
}
