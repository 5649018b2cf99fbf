//! Trees as the kernels read them: eight bytes a node, children side by side.
//!
//! A node is a threshold and a word that holds its column, the distance to its children and
//! whether a missing value takes the second of them. The walk is one line for every node,
//! `at += distance + (x >= threshold)`, because
//!
//! - every test is brought to `x >= threshold` ([`super::normal`]),
//! - a leaf asks for the column behind the last one, which always holds NaN, and its distance is 0:
//!   it stays where it is, so a walk may take more steps than a tree is deep, and the threshold's
//!   bits are free to say what the leaf has to say.

use super::ensemble::{Ensemble, Node, Split, Tree};
use super::normal::{self, Normal};
use super::numbers::{self, Numbers};
use super::sound;
use crate::engine::cache::{Entry, Section, Stored, Writer};
use bytemuck::{Pod, Zeroable};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// Levels that are laid out side by side: three pairs of children fill most of a line of 64 bytes.
const CLUSTER: usize = 2;

/// One node, read by the kernels as two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Packed {
    /// The bits of an `f32`; a leaf's payload.
    pub threshold: u32,
    /// Column, missing flag, distance: see [`Format`].
    pub link: u32,
}

/// How [`Packed::link`] is divided: the column in the upper bits, then the missing flag, then the
/// distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Bits below the column.
    pub shift: u32,
}

impl Format {
    /// Columns must include the one that holds NaN; `None` if 32 bits are too few.
    fn new(columns: usize, largest_tree: usize) -> Option<Self> {
        let distance = usize::BITS - largest_tree.leading_zeros();
        let column = usize::BITS - columns.saturating_sub(1).leading_zeros();
        (column + 1 + distance <= 32).then(|| Self { shift: (distance + 1).min(31) })
    }

    pub fn distance_mask(self) -> u32 {
        self.missing_second() - 1
    }

    /// The bit that sends a missing value to the second child.
    pub fn missing_second(self) -> u32 {
        1 << (self.shift - 1)
    }

    fn link(self, column: u32, missing_second: bool, distance: u32) -> u32 {
        column << self.shift | if missing_second { self.missing_second() } else { 0 } | distance
    }
}

/// The packed trees. Their makers uphold what [`Compact::is_sound`] says.
#[derive(Clone, Debug)]
pub struct Compact {
    pub nodes: Stored<Packed>,
    /// The root's place and the depth of each tree, in the order in which their votes are summed.
    pub trees: Vec<(u32, u32)>,
    pub format: Format,
    /// Columns of a row, without the one that holds NaN.
    pub features: usize,
    /// What the file calls the leaves.
    pub numbers: Numbers,
}

impl Compact {
    /// Packs the trees in the order given. `payload` says what a leaf's bits are. `None` if a test
    /// is no comparison, or columns and trees are too large for eight bytes.
    pub fn new(
        ensemble: &Ensemble,
        order: &[(usize, u32)],
        mut payload: impl FnMut(usize, u32) -> u32,
    ) -> Option<Self> {
        let largest = ensemble.trees.iter().map(|tree| tree.nodes.len()).max()?;
        let format = Format::new(ensemble.features + 1, largest)?;
        let features = ensemble.features;
        let nodes = ensemble.nodes();
        let (nodes, numbers) = (Vec::with_capacity(nodes), Vec::with_capacity(nodes));
        let mut packer = Packer { nodes, numbers, format, features };
        let mut trees = Vec::with_capacity(order.len());
        for (tree, depth) in order {
            let root = u32::try_from(packer.nodes.len()).ok()?;
            packer.tree(&ensemble.trees[*tree], |leaf| payload(*tree, leaf))?;
            trees.push((root, *depth));
        }
        // A kernel's index is a signed word.
        i32::try_from(packer.nodes.len()).ok()?;
        Some(Self { nodes: packer.nodes.into(), trees, format, features, numbers: Numbers::new(packer.numbers) })
    }

    /// Columns of a row as the kernels want it, the last of them NaN.
    pub fn stride(&self) -> usize {
        self.features + 1
    }

    /// Whether every index that a walk can meet is in range, whatever the values of a row are, and
    /// every walk ends on a leaf after as many steps as its tree says: what the kernels rely on.
    /// `payloads` is the first number that no leaf may have, where there is one.
    pub fn is_sound(&self, payloads: Option<usize>) -> bool {
        if !(1..32).contains(&self.format.shift) || i32::try_from(self.features).is_err() {
            return false;
        }
        let (nodes, mask) = (&self.nodes[..], self.format.distance_mask());
        let inside = |(at, node): (usize, &Packed)| {
            let (column, distance) = (node.link >> self.format.shift, (node.link & mask) as usize);
            match distance {
                0 => {
                    let plain = column as usize == self.features && node.link & self.format.missing_second() == 0;
                    plain && payloads.is_none_or(|limit| (node.threshold as usize) < limit)
                }
                _ => (column as usize) < self.features && at + distance + 1 < nodes.len(),
            }
        };
        let child = |at: usize| Some((nodes[at].link & mask) as usize).filter(|distance| *distance > 0);
        i32::try_from(nodes.len()).is_ok()
            && self.numbers.len() == nodes.len()
            && nodes.iter().enumerate().all(inside)
            && sound::depths_hold(nodes.len(), &self.trees, child)
    }

    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        let (shift, features) = (self.format.shift, self.features as u64);
        let (nodes, numbers) = (writer.section(&self.nodes)?, self.numbers.keep(writer)?);
        Ok(Kept { nodes, numbers, trees: self.trees.clone(), shift, features })
    }

    /// What was kept, not yet known to be sound.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        let features = usize::try_from(kept.features).map_err(|_| "the rows are too wide")?;
        let format = Format { shift: kept.shift };
        let (nodes, numbers) = (entry.stored(kept.nodes)?, Numbers::revive(kept.numbers, entry)?);
        Ok(Self { nodes, numbers, trees: kept.trees, format, features })
    }

    pub fn memory_bytes(&self) -> usize {
        size_of_val(&self.nodes[..]) + size_of_val(&self.trees[..]) + self.numbers.memory_bytes()
    }
}

/// The packed form in the cache.
#[derive(Archive, Serialize, Deserialize)]
pub struct Kept {
    nodes: Section,
    numbers: numbers::Kept,
    trees: Vec<(u32, u32)>,
    shift: u32,
    features: u64,
}

/// Packs one tree behind the other.
struct Packer {
    nodes: Vec<Packed>,
    numbers: Vec<i64>,
    format: Format,
    features: usize,
}

impl Packer {
    /// Lays a tree out in clusters of a few levels, so that a walk finds several of its nodes in
    /// one line of the cache.
    fn tree(&mut self, tree: &Tree, mut payload: impl FnMut(u32) -> u32) -> Option<()> {
        let nothing = Packed { threshold: 0, link: 0 };
        let mut clusters = vec![(0u32, self.nodes.len())];
        self.nodes.push(nothing);
        self.numbers.push(0);
        while let Some(top) = clusters.pop() {
            let mut level = vec![top];
            for _ in 0..CLUSTER {
                let mut next = Vec::with_capacity(2 * level.len());
                for (from, place) in level {
                    self.nodes[place] = match &tree.nodes[from as usize] {
                        Node::Leaf { id, .. } => {
                            self.numbers[place] = *id;
                            self.leaf(payload(from))
                        }
                        Node::Split(split) => {
                            let child = self.nodes.len();
                            self.nodes.extend([nothing, nothing]);
                            self.numbers.extend([0, 0]);
                            let (node, first, second) = self.inner(split, child - place)?;
                            next.extend([(first, child), (second, child + 1)]);
                            node
                        }
                    };
                }
                level = next;
            }
            clusters.extend(level.into_iter().rev());
        }
        Some(())
    }

    fn leaf(&self, payload: u32) -> Packed {
        Packed { threshold: payload, link: self.format.link(self.features as u32, false, 0) }
    }

    fn inner(&self, split: &Split, distance: usize) -> Option<(Packed, u32, u32)> {
        let Normal { threshold, missing_second, swapped } = Normal::of(split)?;
        let distance = u32::try_from(distance).ok().filter(|distance| *distance <= self.format.distance_mask())?;
        let link = self.format.link(split.feature, missing_second, distance);
        let (first, second) = if swapped { (split.no, split.yes) } else { (split.yes, split.no) };
        Some((Packed { threshold: normal::narrow(threshold).to_bits(), link }, first, second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_hold_columns_and_distances_side_by_side() {
        let format = Format::new(31, 1000).expect("it fits");
        assert_eq!(format.shift, 11);
        let link = format.link(30, true, 999);
        assert_eq!((link >> format.shift, link & format.distance_mask()), (30, 999));
        assert_eq!(link & format.missing_second(), format.missing_second());
        assert!(Format::new(1 << 12, 1 << 19).is_none(), "33 bits");
        assert!(Format::new(1 << 12, (1 << 19) - 1).is_some());
        assert_eq!(Format::new(2, 1).expect("a stump").shift, 2);
    }

    #[test]
    fn a_link_out_of_range_is_not_sound() {
        let leaf = |format: Format| Packed { threshold: 0, link: format.link(1, false, 0) };
        let format = Format::new(2, 3).expect("it fits");
        let inner = |distance| Packed { threshold: 0, link: format.link(0, false, distance) };
        let compact = |nodes: Vec<Packed>| {
            let numbers = Numbers::new(vec![0; nodes.len()]);
            Compact { nodes: nodes.into(), numbers, trees: vec![(0, 1)], format, features: 1 }
        };
        assert!(compact(vec![inner(1), leaf(format), leaf(format)]).is_sound(None));
        assert!(!compact(vec![inner(2), leaf(format), leaf(format)]).is_sound(None));
        assert!(!compact(vec![inner(0), leaf(format), leaf(format)]).is_sound(None), "a circle");
        assert!(!compact(vec![]).is_sound(None), "the root is not there");
        let odd = Packed { threshold: 0, link: format.link(3, false, 0) };
        assert!(!compact(vec![odd]).is_sound(None), "a column that is not there");
    }
}
