//! Trees for what eight bytes cannot hold: `f64` rows, categories, sets, odd tests, huge trees.
//!
//! Sixteen bytes a node and a walk with a branch on the kind of test. Trees are walked eight at a
//! time, so that their loads overlap.

use super::ensemble::{Ensemble, Node, Set, Split, Test, Tree};
use super::normal::Normal;
use super::numbers::{self, Numbers};
use super::sound;
use crate::engine::cache::{Entry, Section, Stored, Writer};
use crate::engine::lowered;
use bytemuck::{Pod, Zeroable};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// Trees walked side by side.
pub const LANES: usize = 8;
const MISSING_SECOND: u32 = 1 << 31;
const KIND_SHIFT: u32 = 28;
const COLUMN: u32 = (1 << KIND_SHIFT) - 1;

/// What a node asks, in bits 28 to 30 of its column.
mod kind {
    pub const LEAF: u32 = 0;
    pub const LESS: u32 = 1;
    pub const EQUAL: u32 = 2;
    pub const IN: u32 = 3;
    pub const LESS_ZERO_MISSING: u32 = 4;
}

/// One node. The children of an inner node are side by side, `distance` behind it.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
struct WideNode {
    /// A threshold; the place of a set; a leaf's payload.
    number: f64,
    column: u32,
    distance: u32,
}

/// The wide form in the cache.
#[derive(Archive, Serialize, Deserialize)]
pub struct Kept {
    nodes: Section,
    numbers: numbers::Kept,
    trees: Vec<(u32, u32)>,
    sets: Vec<Set>,
}

/// All trees.
#[derive(Clone, Debug)]
pub struct Wide {
    nodes: Stored<WideNode>,
    /// The root's place and the depth of each tree, in the order in which their votes are summed.
    pub trees: Vec<(u32, u32)>,
    sets: Vec<Set>,
    /// What the file calls the leaves.
    pub numbers: Numbers,
}

impl Wide {
    /// Lays the trees out in the order given.
    pub fn new(
        ensemble: &Ensemble,
        order: &[(usize, u32)],
        mut payload: impl FnMut(usize, u32) -> u32,
    ) -> Result<Self, String> {
        if ensemble.features > COLUMN as usize {
            return Err(format!("rows have {} columns, expected at most {COLUMN}", ensemble.features));
        }
        let count = ensemble.nodes();
        let (mut nodes, mut numbers) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut trees = Vec::with_capacity(order.len());
        for (tree, depth) in order {
            let root = u32::try_from(nodes.len()).map_err(|_| "the trees have more than 2^32 nodes")?;
            lay_out(&ensemble.trees[*tree], &mut nodes, &mut numbers, |leaf| payload(*tree, leaf))?;
            trees.push((root, *depth));
        }
        Ok(Self { nodes: nodes.into(), trees, sets: ensemble.sets.clone(), numbers: Numbers::new(numbers) })
    }

    /// Whether every node, column and set that a walk can meet is there, whatever the values of a
    /// row are, and every walk ends on a leaf after as many steps as its tree says. `payloads` is
    /// the first number that no leaf may have, where there is one.
    pub fn is_sound(&self, features: usize, payloads: Option<usize>) -> bool {
        let nodes = &self.nodes[..];
        let whole = |number: f64, limit: f64| number >= 0.0 && number.fract() == 0.0 && number < limit;
        let payloads = payloads.map_or(f64::from(u32::MAX) + 1.0, |limit| limit as f64);
        let inside = |(at, node): (usize, &WideNode)| {
            let kind = node.column >> KIND_SHIFT & 7;
            if kind == kind::LEAF {
                return whole(node.number, payloads);
            }
            let set = kind != kind::IN || whole(node.number, self.sets.len() as f64);
            set && kind <= kind::LESS_ZERO_MISSING
                && ((node.column & COLUMN) as usize) < features
                && node.distance > 0
                && at + node.distance as usize + 1 < nodes.len()
        };
        let child = |at: usize| {
            let node = nodes[at];
            (node.column >> KIND_SHIFT & 7 != kind::LEAF).then_some(node.distance as usize)
        };
        u32::try_from(nodes.len()).is_ok()
            && self.numbers.len() == nodes.len()
            && nodes.iter().enumerate().all(inside)
            && self.sets.iter().all(Set::is_sorted)
            && sound::depths_hold(nodes.len(), &self.trees, child)
    }

    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        let (nodes, numbers) = (writer.section(&self.nodes)?, self.numbers.keep(writer)?);
        Ok(Kept { nodes, numbers, trees: self.trees.clone(), sets: self.sets.clone() })
    }

    /// What was kept, not yet known to be sound.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        let (nodes, numbers) = (entry.stored(kept.nodes)?, Numbers::revive(kept.numbers, entry)?);
        Ok(Self { nodes, numbers, trees: kept.trees, sets: kept.sets })
    }

    /// Walks one row down trees `from..from + leaves.len()`, at most [`LANES`]; answers where it ends.
    pub fn descend(&self, from: usize, row: &[f64], leaves: &mut [u32]) {
        let group = &self.trees[from..from + leaves.len()];
        let steps = group.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        for (lane, (root, _)) in leaves.iter_mut().zip(group) {
            *lane = *root;
        }
        for _ in 0..steps {
            for lane in leaves.iter_mut() {
                *lane = self.next(*lane, row);
            }
        }
    }

    pub fn sets(&self) -> &[Set] {
        &self.sets
    }

    /// The nodes as a device reads them.
    pub fn lower(&self) -> Vec<lowered::WideNode> {
        let node =
            |node: &WideNode| lowered::WideNode { number: node.number, column: node.column, distance: node.distance };
        self.nodes.iter().map(node).collect()
    }

    pub fn payload(&self, leaf: u32) -> u32 {
        self.nodes[leaf as usize].number as u32
    }

    #[inline]
    fn next(&self, at: u32, row: &[f64]) -> u32 {
        let node = &self.nodes[at as usize];
        let kind = node.column >> KIND_SHIFT & 7;
        if kind == kind::LEAF {
            return at;
        }
        let x = row[(node.column & COLUMN) as usize];
        let missing = x.is_nan() || kind == kind::LESS_ZERO_MISSING && Test::counts_as_zero(x);
        let second = match kind {
            _ if missing => node.column & MISSING_SECOND != 0,
            kind::EQUAL => x == node.number,
            kind::IN => self.sets[node.number as usize].contains(x),
            _ => x >= node.number,
        };
        at + node.distance + u32::from(second)
    }

    pub fn memory_bytes(&self) -> usize {
        let sets = self.sets.iter().map(|set| match set {
            Set::Bits(words) => size_of_val(&words[..]),
            Set::Numbers(numbers) => size_of_val(&numbers[..]),
        });
        let nodes = size_of_val(&self.nodes[..]) + self.numbers.memory_bytes();
        nodes + size_of_val(&self.trees[..]) + sets.sum::<usize>()
    }
}

/// Lays a tree out behind those that are there, level by level.
fn lay_out(
    tree: &Tree,
    nodes: &mut Vec<WideNode>,
    numbers: &mut Vec<i64>,
    mut payload: impl FnMut(u32) -> u32,
) -> Result<(), String> {
    let nothing = WideNode { number: 0.0, column: 0, distance: 0 };
    let mut level = vec![(0u32, nodes.len())];
    nodes.push(nothing);
    numbers.push(0);
    while !level.is_empty() {
        let mut next = Vec::with_capacity(2 * level.len());
        for (from, place) in level {
            nodes[place] = match &tree.nodes[from as usize] {
                Node::Leaf { id, .. } => {
                    numbers[place] = *id;
                    WideNode { number: f64::from(payload(from)), ..nothing }
                }
                Node::Split(split) => {
                    let child = nodes.len();
                    let distance = u32::try_from(child - place).map_err(|_| "a tree is too large")?;
                    nodes.extend([nothing, nothing]);
                    numbers.extend([0, 0]);
                    let (node, first, second) = inner(split, distance);
                    next.extend([(first, child), (second, child + 1)]);
                    node
                }
            };
        }
        level = next;
    }
    Ok(())
}

/// The node, its first child and its second.
fn inner(split: &Split, distance: u32) -> (WideNode, u32, u32) {
    let comparison = match split.test {
        // The same comparison, as what is left when the zeros are taken out.
        Test::LessOrEqualZeroMissing(t) => Split { test: Test::LessOrEqual(t), ..split.clone() },
        _ => split.clone(),
    };
    let (kind, number, swapped, missing_second) = match (Normal::of(&comparison), split.test) {
        (Some(normal), Test::LessOrEqualZeroMissing(_)) => {
            (kind::LESS_ZERO_MISSING, normal.threshold, normal.swapped, normal.missing_second)
        }
        (Some(normal), _) => (kind::LESS, normal.threshold, normal.swapped, normal.missing_second),
        (None, Test::In(set)) => (kind::IN, f64::from(set), true, split.missing_yes),
        (None, Test::Equal(t)) => (kind::EQUAL, t, true, split.missing_yes),
        (None, Test::NotEqual(t)) => (kind::EQUAL, t, false, !split.missing_yes),
        (None, other) => unreachable!("{other:?} is a comparison"),
    };
    let missing = if missing_second { MISSING_SECOND } else { 0 };
    let node = WideNode { number, column: missing | kind << KIND_SHIFT | split.feature, distance };
    if swapped { (node, split.no, split.yes) } else { (node, split.yes, split.no) }
}
