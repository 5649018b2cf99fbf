//! What leaves say, in the form that costs least for the model at hand.

use super::ensemble::{Aggregate, Ensemble, Node, Vote};
use crate::engine::cache::{Entry, Section, Stored, Writer};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;
use std::ops::Range;

/// Scores up to which a leaf that votes for several targets gets a row of its own.
const WIDEST_ROW: usize = 64;

/// The votes of all leaves. A leaf's payload, 32 bits kept in its node, says which are its own.
#[derive(Clone, Debug)]
pub enum Leaves {
    /// The payload is the weight itself, as `f32`; each tree votes for one target.
    Inline { targets: Vec<u32> },
    /// The payload is the place of the weight; each tree votes for one target.
    Table { weights: Stored<f64>, targets: Vec<u32> },
    /// The payload is the place of a row of weights, one for each target.
    Rows(Stored<f64>),
    /// The same where `f32` holds all weights.
    NarrowRows(Stored<f32>),
    /// The payload is the place of a range of votes.
    Sparse { ranges: Vec<(u32, u32)>, votes: Vec<Vote> },
}

/// The votes in the cache.
#[derive(Archive, Serialize, Deserialize)]
pub enum Kept {
    Inline { targets: Vec<u32> },
    Table { weights: Section, targets: Vec<u32> },
    Rows(Section),
    NarrowRows(Section),
    Sparse { ranges: Vec<(u32, u32)>, votes: Vec<Vote> },
}

/// The payload of every node of every tree, as the trees stand in the file; 0 for inner nodes.
pub type Payloads = Vec<Vec<u32>>;

impl Leaves {
    /// `order` is the order of the trees in which votes will be summed.
    pub fn new(ensemble: &Ensemble, order: &[(usize, u32)]) -> Result<(Self, Payloads), String> {
        let sums = matches!(ensemble.aggregate, Aggregate::Sum | Aggregate::Average);
        if !sums {
            return Self::sparse(ensemble);
        }
        match one_target_each(ensemble) {
            Some(targets) => Self::single(ensemble, order.iter().map(|(tree, _)| targets[*tree]).collect()),
            None if is_dense(ensemble) => Self::rows(ensemble),
            None => Self::sparse(ensemble),
        }
    }

    fn single(ensemble: &Ensemble, targets: Vec<u32>) -> Result<(Self, Payloads), String> {
        let sum = |votes: &[Vote]| votes.iter().map(|vote| vote.weight).sum::<f64>();
        let mut weights = Vec::new();
        let payloads = payloads(ensemble, |votes| {
            weights.push(sum(votes));
            place(weights.len() - 1)
        })?;
        if !weights.iter().all(|weight| fits(*weight)) {
            return Ok((Self::Table { weights: weights.into(), targets }, payloads));
        }
        let payloads = self::payloads(ensemble, |votes| Ok((sum(votes) as f32).to_bits()))?;
        Ok((Self::Inline { targets }, payloads))
    }

    fn rows(ensemble: &Ensemble) -> Result<(Self, Payloads), String> {
        let width = ensemble.targets;
        let mut weights: Vec<f64> = Vec::new();
        let payloads = payloads(ensemble, |votes| {
            let from = weights.len();
            weights.resize(from + width, 0.0);
            votes.iter().for_each(|vote| weights[from + vote.target as usize] += vote.weight);
            place(from / width)
        })?;
        let leaves = match weights.iter().all(|weight| fits(*weight)) {
            true => Self::NarrowRows(weights.iter().map(|weight| *weight as f32).collect::<Vec<f32>>().into()),
            false => Self::Rows(weights.into()),
        };
        Ok((leaves, payloads))
    }

    fn sparse(ensemble: &Ensemble) -> Result<(Self, Payloads), String> {
        let (mut ranges, mut all) = (Vec::new(), Vec::new());
        let payloads = payloads(ensemble, |votes| {
            let from = place(all.len())?;
            all.extend_from_slice(votes);
            ranges.push((from, place(all.len())?));
            place(ranges.len() - 1)
        })?;
        Ok((Self::Sparse { ranges, votes: all }, payloads))
    }

    /// The first number that no payload may be; `None` where every one is right.
    pub fn payloads(&self, targets: usize) -> Option<usize> {
        match self {
            Self::Inline { .. } => None,
            Self::Table { weights, .. } => Some(weights.len()),
            Self::Rows(weights) => Some(weights.len() / targets.max(1)),
            Self::NarrowRows(weights) => Some(weights.len() / targets.max(1)),
            Self::Sparse { ranges, .. } => Some(ranges.len()),
        }
    }

    /// Whether every target and every vote that is named is there.
    pub fn is_sound(&self, trees: usize, targets: usize) -> bool {
        match self {
            Self::Inline { targets: of } | Self::Table { targets: of, .. } => {
                of.len() == trees && of.iter().all(|target| (*target as usize) < targets)
            }
            Self::Rows(_) | Self::NarrowRows(_) => true,
            Self::Sparse { ranges, votes } => {
                ranges.iter().all(|(from, to)| from <= to && *to as usize <= votes.len())
                    && votes.iter().all(|vote| (vote.target as usize) < targets)
            }
        }
    }

    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        Ok(match self {
            Self::Inline { targets } => Kept::Inline { targets: targets.clone() },
            Self::Table { weights, targets } => {
                Kept::Table { weights: writer.section(weights)?, targets: targets.clone() }
            }
            Self::Rows(weights) => Kept::Rows(writer.section(weights)?),
            Self::NarrowRows(weights) => Kept::NarrowRows(writer.section(weights)?),
            Self::Sparse { ranges, votes } => Kept::Sparse { ranges: ranges.clone(), votes: votes.clone() },
        })
    }

    /// What was kept, not yet known to be sound.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        Ok(match kept {
            Kept::Inline { targets } => Self::Inline { targets },
            Kept::Table { weights, targets } => Self::Table { weights: entry.stored(weights)?, targets },
            Kept::Rows(weights) => Self::Rows(entry.stored(weights)?),
            Kept::NarrowRows(weights) => Self::NarrowRows(entry.stored(weights)?),
            Kept::Sparse { ranges, votes } => Self::Sparse { ranges, votes },
        })
    }

    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Inline { targets } => size_of_val(&targets[..]),
            Self::Table { weights, targets } => size_of_val(&weights[..]) + size_of_val(&targets[..]),
            Self::Rows(weights) => size_of_val(&weights[..]),
            Self::NarrowRows(weights) => size_of_val(&weights[..]),
            Self::Sparse { ranges, votes } => size_of_val(&ranges[..]) + size_of_val(&votes[..]),
        }
    }
}

fn place(at: usize) -> Result<u32, String> {
    u32::try_from(at).map_err(|_| "the leaves have more than 2^32 weights".into())
}

/// Whether `f32` holds the weight without loss.
fn fits(weight: f64) -> bool {
    f64::from(weight as f32).to_bits() == weight.to_bits()
}

fn payloads(ensemble: &Ensemble, mut of: impl FnMut(&[Vote]) -> Result<u32, String>) -> Result<Payloads, String> {
    let mut node = |node: &Node| match node {
        Node::Split(_) => Ok(0),
        Node::Leaf { votes, .. } => of(&ensemble.votes[span(votes)]),
    };
    ensemble.trees.iter().map(|tree| tree.nodes.iter().map(&mut node).collect()).collect()
}

fn span(votes: &Range<u32>) -> Range<usize> {
    votes.start as usize..votes.end as usize
}

/// The votes of a tree's leaves.
fn votes(ensemble: &Ensemble, tree: usize) -> impl Iterator<Item = &[Vote]> {
    ensemble.trees[tree].nodes.iter().filter_map(|node| match node {
        Node::Leaf { votes, .. } => Some(&ensemble.votes[span(votes)]),
        Node::Split(_) => None,
    })
}

/// The target of each tree, if no tree votes for two.
fn one_target_each(ensemble: &Ensemble) -> Option<Vec<u32>> {
    let target = |tree| {
        let mut targets = votes(ensemble, tree).flatten().map(|vote| vote.target);
        let first = targets.next().unwrap_or(0);
        targets.all(|target| target == first).then_some(first)
    };
    (0..ensemble.trees.len()).map(target).collect()
}

/// Whether rows of weights would hold few zeros.
fn is_dense(ensemble: &Ensemble) -> bool {
    let (mut leaves, mut count) = (0usize, 0usize);
    for votes in (0..ensemble.trees.len()).flat_map(|tree| votes(ensemble, tree)) {
        leaves += 1;
        count += votes.len();
    }
    ensemble.targets <= WIDEST_ROW && 4 * count >= leaves * ensemble.targets
}
