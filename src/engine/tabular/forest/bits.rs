//! Small trees as sets of leaves: no walk at all.
//!
//! Every test of a tree is made, whether a row would come by it or not. One that sends the row to
//! its second child strikes out all leaves below the first; the first leaf that is left in the end
//! is the row's. All rows of a block make the same tests in the same order, so nothing is gathered
//! and nothing branches. (Lucchese et al., *QuickScorer*, SIGIR 2015; with rows side by side as in
//! *V-QuickScorer*, ECIR 2016.)

use super::ensemble::{Ensemble, Node, Tree};
use super::normal::{self, Normal};
use crate::engine::cache::{Entry, Section, Stored, Writer};
use bytemuck::{Pod, Zeroable};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// Leaves that a tree may have.
pub const LEAVES: usize = 64;
/// Rows side by side.
pub const ROWS: usize = 32;

/// One test, and the leaves that stay if it sends a row to its second child.
#[derive(Clone, Copy, Debug, PartialEq, Zeroable)]
#[repr(C)]
pub struct Test<M> {
    pub threshold: f32,
    pub column: u32,
    pub keeps: M,
}

// SAFETY: three fields without a gap, of types for which every pattern of bits is a value.
#[allow(unsafe_code)] // `Pod` cannot be derived for what is generic
unsafe impl Pod for Test<u32> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl Pod for Test<u64> {}
const _: () = assert!(size_of::<Test<u32>>() == 12 && size_of::<Test<u64>>() == 16);

/// One tree: its tests, and where its leaves' payloads begin.
#[derive(Clone, Copy, Debug, Archive, Serialize, Deserialize)]
pub struct Span {
    pub from: u32,
    /// Up to here a missing value passes for one below the threshold, from here on for one above.
    pub turn: u32,
    pub to: u32,
    pub leaves: u32,
}

/// Sets as wide as the largest tree needs.
#[derive(Clone, Debug)]
pub enum Tests {
    Narrow(Stored<Test<u32>>),
    Wide(Stored<Test<u64>>),
}

/// All trees, in the order in which their votes are summed.
#[derive(Clone, Debug)]
pub struct Bits {
    pub trees: Vec<Span>,
    pub tests: Tests,
    pub payloads: Stored<u32>,
    pub features: usize,
}

impl Bits {
    /// `None` if a tree has too many leaves, or a test is no comparison.
    pub fn new(
        ensemble: &Ensemble,
        order: &[(usize, u32)],
        mut payload: impl FnMut(usize, u32) -> u32,
    ) -> Option<Self> {
        // A binary tree has one leaf more than it has inner nodes; those out of reach count too much.
        let leaves = |tree: &Tree| tree.nodes.len().div_ceil(2);
        let largest = ensemble.trees.iter().map(leaves).max()?;
        if largest > LEAVES {
            return None;
        }
        let (mut trees, mut tests, mut payloads) = (Vec::new(), Vec::new(), Vec::new());
        for (tree, _) in order {
            let mut builder = Builder { tree: &ensemble.trees[*tree], tests: Vec::new(), leaves: Vec::new() };
            builder.below(0)?;
            let (mut below, above): (Vec<_>, Vec<_>) = builder.tests.into_iter().partition(|(_, second)| !second);
            let from = tests.len();
            let turn = from + below.len();
            below.extend(above);
            tests.extend(below.into_iter().map(|(test, _)| test));
            let place = |at: usize| u32::try_from(at).ok();
            let span = (place(from)?, place(turn)?, place(tests.len())?, place(payloads.len())?);
            trees.push(Span { from: span.0, turn: span.1, to: span.2, leaves: span.3 });
            payloads.extend(builder.leaves.into_iter().map(|leaf| payload(*tree, leaf)));
        }
        let tests = if largest > u32::BITS as usize { Tests::Wide(tests.into()) } else { narrow(&tests) };
        Some(Self { trees, tests, payloads: payloads.into(), features: ensemble.features })
    }

    /// Whether every test, column and payload that rows can come to is there, whatever their values
    /// are. `payloads` is the first number that no leaf may have, where there is one.
    pub fn is_sound(&self, payloads: Option<usize>) -> bool {
        let spans = match &self.tests {
            Tests::Narrow(tests) => self.spans_hold(tests, u32::MAX, |a, b| a & b, u32::trailing_zeros),
            Tests::Wide(tests) => self.spans_hold(tests, u64::MAX, |a, b| a & b, u64::trailing_zeros),
        };
        spans && payloads.is_none_or(|limit| self.payloads.iter().all(|payload| (*payload as usize) < limit))
    }

    /// The leaf that is left when all tests of a tree strike is the last one that can be asked for.
    fn spans_hold<M: Copy>(&self, tests: &[Test<M>], full: M, and: fn(M, M) -> M, first: fn(M) -> u32) -> bool {
        self.trees.iter().all(|span| {
            let Some(own) = tests.get(span.from as usize..span.to as usize) else { return false };
            let last = first(own.iter().fold(full, |left, test| and(left, test.keeps)));
            (span.from..=span.to).contains(&span.turn)
                && own.iter().all(|test| (test.column as usize) < self.features)
                && span.leaves as usize + (last as usize) < self.payloads.len()
        })
    }

    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        let (wide, tests) = match &self.tests {
            Tests::Narrow(tests) => (false, writer.section(tests)?),
            Tests::Wide(tests) => (true, writer.section(tests)?),
        };
        let (payloads, features) = (writer.section(&self.payloads)?, self.features as u64);
        Ok(Kept { trees: self.trees.clone(), wide, tests, payloads, features })
    }

    /// What was kept, not yet known to be sound.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        let tests = match kept.wide {
            false => Tests::Narrow(entry.stored(kept.tests)?),
            true => Tests::Wide(entry.stored(kept.tests)?),
        };
        let features = usize::try_from(kept.features).map_err(|_| "the rows are too wide")?;
        Ok(Self { trees: kept.trees, tests, payloads: entry.stored(kept.payloads)?, features })
    }

    pub fn memory_bytes(&self) -> usize {
        let tests = match &self.tests {
            Tests::Narrow(tests) => size_of_val(&tests[..]),
            Tests::Wide(tests) => size_of_val(&tests[..]),
        };
        tests + size_of_val(&self.trees[..]) + size_of_val(&self.payloads[..])
    }
}

/// The bit sets in the cache.
#[derive(Archive, Serialize, Deserialize)]
pub struct Kept {
    trees: Vec<Span>,
    wide: bool,
    tests: Section,
    payloads: Section,
    features: u64,
}

/// Leaves beyond the 32nd are never kept: there are none.
fn narrow(tests: &[Test<u64>]) -> Tests {
    let narrow = |test: &Test<u64>| Test { threshold: test.threshold, column: test.column, keeps: test.keeps as u32 };
    Tests::Narrow(tests.iter().map(narrow).collect::<Vec<_>>().into())
}

/// A tree gone through with the first child first: leaves in that order.
struct Builder<'a> {
    tree: &'a Tree,
    /// With whether a missing value takes the second child.
    tests: Vec<(Test<u64>, bool)>,
    leaves: Vec<u32>,
}

impl Builder<'_> {
    /// A tree of at most 64 leaves is at most 63 deep, so this may call itself.
    fn below(&mut self, at: u32) -> Option<()> {
        let split = match &self.tree.nodes[at as usize] {
            Node::Leaf { .. } => {
                self.leaves.push(at);
                return (self.leaves.len() <= LEAVES).then_some(());
            }
            Node::Split(split) => split,
        };
        let Normal { threshold, missing_second, swapped } = Normal::of(split)?;
        // Such a test is passed by missing values alone, which no comparison can say.
        if threshold.is_nan() && missing_second {
            return None;
        }
        let (first, second) = if swapped { (split.no, split.yes) } else { (split.yes, split.no) };
        let from = self.leaves.len();
        self.below(first)?;
        let to = self.leaves.len();
        self.below(second)?;
        let struck = (from..to).fold(0, |set, leaf| set | 1u64 << leaf);
        let test = Test { threshold: normal::narrow(threshold), column: split.feature, keeps: !struck };
        self.tests.push((test, missing_second));
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ensemble::{Split, Test as Asked, Vote};
    use super::*;

    fn stump(test: Asked, missing_yes: bool) -> Ensemble {
        let split = Node::Split(Split { feature: 0, test, missing_yes, yes: 1, no: 2 });
        let leaf = |id| Node::Leaf { votes: 0..1, id };
        let trees = vec![Tree { nodes: vec![split, leaf(1), leaf(2)] }];
        Ensemble { trees, votes: vec![Vote { target: 0, weight: 1.0 }], targets: 1, features: 1, ..Ensemble::default() }
    }

    fn bits(ensemble: &Ensemble) -> Option<Bits> {
        Bits::new(ensemble, &[(0, 1)], |_, leaf| leaf)
    }

    #[test]
    fn a_test_strikes_out_the_leaves_below_its_first_child() {
        let bits = bits(&stump(Asked::Less(1.0), false)).expect("a comparison");
        let Tests::Narrow(tests) = &bits.tests else { panic!("two leaves fit into 32 bits") };
        assert_eq!(tests[..], [Test { threshold: 1.0, column: 0, keeps: !1 }]);
        assert_eq!((bits.trees[0].turn, bits.trees[0].to, &bits.payloads[..]), (0, 1, &[1, 2][..]));
    }

    #[test]
    fn what_no_comparison_can_say_has_no_bits() {
        assert!(bits(&stump(Asked::Equal(1.0), false)).is_none());
        assert!(bits(&stump(Asked::LessOrEqual(f64::INFINITY), false)).is_none(), "only missing values go to `no`");
        assert!(bits(&stump(Asked::LessOrEqual(f64::INFINITY), true)).is_some());
    }
}
