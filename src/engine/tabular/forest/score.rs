//! From rows to scores: which rows and trees share a walk, and the sum of what the leaves say.
//!
//! Votes are added in `f64`, tree after tree in the order that the model fixes: a row's score
//! depends on nothing but the row.

use super::bits::{Bits, ROWS};
use super::compact::Compact;
use super::ensemble::{Aggregate, Vote};
use super::kernel::{Block, Kernel, LANES, Lanes, Sieve};
use super::leaves::Leaves;
use super::wide::{self, Wide};
use rkyv::{Archive, Deserialize, Serialize};

/// Rows whose scores are computed in one pass over the trees; they and their scores stay in the
/// nearest cache while the trees go by.
pub const BLOCK: usize = 512;

/// How leaves are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Strategy {
    /// By walks, `rows` rows side by side in each of `LANES / rows` trees.
    Walk { kernel: Kernel, rows: usize },
    /// By bit sets.
    Bits(Sieve),
}

/// The forms that a strategy may ask for.
#[derive(Clone, Copy)]
pub struct Forms<'a> {
    pub compact: &'a Compact,
    pub bits: Option<&'a Bits>,
}

/// What the leaves' votes add up to.
pub struct Sum<'a> {
    pub leaves: &'a Leaves,
    pub aggregate: Aggregate,
    pub targets: usize,
}

/// Adds the votes of all trees to the scores of at most [`BLOCK`] rows.
pub fn compact(forms: Forms<'_>, block: Block<'_>, strategy: Strategy, sum: &Sum<'_>, scores: &mut [f64]) {
    let (targets, rows) = (sum.targets, scores.len() / sum.targets);
    // One loop for each form, so that none asks for the form at every leaf.
    match sum.leaves {
        Leaves::Inline { .. } if targets == 1 => each_leaf(forms, block, strategy, rows, |_, row, payload| {
            scores[row] += f64::from(f32::from_bits(payload));
        }),
        Leaves::Inline { targets: of } => each_leaf(forms, block, strategy, rows, |tree, row, payload| {
            scores[row * targets + of[tree] as usize] += f64::from(f32::from_bits(payload));
        }),
        Leaves::Table { weights, targets: of } => {
            let weights = &weights[..];
            each_leaf(forms, block, strategy, rows, |tree, row, payload| {
                scores[row * targets + of[tree] as usize] += weights[payload as usize];
            });
        }
        Leaves::Rows(weights) => {
            let weights = &weights[..];
            each_leaf(forms, block, strategy, rows, |_, row, payload| {
                let weights = &weights[payload as usize * targets..][..targets];
                scores[row * targets..][..targets].iter_mut().zip(weights).for_each(|(score, weight)| *score += weight);
            });
        }
        Leaves::NarrowRows(weights) => {
            let weights = &weights[..];
            each_leaf(forms, block, strategy, rows, |_, row, payload| {
                let weights = &weights[payload as usize * targets..][..targets];
                let scores = scores[row * targets..][..targets].iter_mut();
                scores.zip(weights).for_each(|(score, weight)| *score += f64::from(*weight));
            });
        }
        Leaves::Sparse { ranges, votes } => {
            let mut said = vec![false; scores.len()];
            each_leaf(forms, block, strategy, rows, |_, row, payload| {
                let (from, to) = ranges[payload as usize];
                for vote in &votes[from as usize..to as usize] {
                    let at = row * targets + vote.target as usize;
                    sum.vote(vote, &mut scores[at], &mut said[at]);
                }
            });
        }
    }
}

impl Sum<'_> {
    fn vote(&self, vote: &Vote, score: &mut f64, said: &mut bool) {
        *score = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => *score + vote.weight,
            Aggregate::Min if *said => score.min(vote.weight),
            Aggregate::Max if *said => score.max(vote.weight),
            Aggregate::Min | Aggregate::Max => vote.weight,
        };
        *said = true;
    }

    /// Adds one leaf's votes to one row's scores. `tree` counts in the order of summing.
    fn add(&self, tree: usize, payload: u32, scores: &mut [f64], said: &mut [bool]) {
        let row = payload as usize * self.targets;
        match self.leaves {
            Leaves::Inline { targets } => scores[targets[tree] as usize] += f64::from(f32::from_bits(payload)),
            Leaves::Table { weights, targets } => scores[targets[tree] as usize] += weights[payload as usize],
            Leaves::Rows(weights) => {
                scores.iter_mut().zip(&weights[row..]).for_each(|(score, weight)| *score += weight);
            }
            Leaves::NarrowRows(weights) => {
                scores.iter_mut().zip(&weights[row..]).for_each(|(score, weight)| *score += f64::from(*weight));
            }
            Leaves::Sparse { ranges, votes } => {
                let (from, to) = ranges[payload as usize];
                for vote in &votes[from as usize..to as usize] {
                    let target = vote.target as usize;
                    self.vote(vote, &mut scores[target], &mut said[target]);
                }
            }
        }
    }
}

/// Calls `then(tree, row, payload)` for every tree and row; for each row in the order of the trees.
#[inline(always)]
fn each_leaf(
    forms: Forms<'_>,
    block: Block<'_>,
    strategy: Strategy,
    rows: usize,
    mut then: impl FnMut(usize, usize, u32),
) {
    match (strategy, forms.bits) {
        (Strategy::Walk { kernel, rows: side }, _) => {
            let nodes = &forms.compact.nodes[..];
            walk(forms.compact, block, kernel, side, rows, |tree, row, leaf| {
                then(tree, row, nodes[leaf as usize].threshold);
            });
        }
        (Strategy::Bits(sieve), Some(bits)) => sift(bits, forms.compact.stride(), block, sieve, rows, then),
        (Strategy::Bits(_), None) => unreachable!("chosen only where the form is there"),
    }
}

/// Calls `then(tree, row, leaf)` with the place of the leaf that every row of at most [`BLOCK`] comes to.
pub fn leaves(
    forest: &Compact,
    block: Block<'_>,
    (kernel, side): (Kernel, usize),
    rows: usize,
    then: impl FnMut(usize, usize, u32),
) {
    walk(forest, block, kernel, side, rows, then);
}

#[inline(always)]
fn walk(
    forest: &Compact,
    block: Block<'_>,
    kernel: Kernel,
    side: usize,
    rows: usize,
    mut then: impl FnMut(usize, usize, u32),
) {
    let mut lanes = Lanes { at: [0; LANES], rows: [0; LANES], used: 0 };
    for (group, trees) in forest.trees.chunks(LANES / side).enumerate() {
        let first_tree = group * (LANES / side);
        let steps = trees.iter().map(|(_, depth)| *depth).max().unwrap_or(0);
        for first_row in (0..rows).step_by(side) {
            let count = side.min(rows - first_row);
            deal(&mut lanes, trees, first_row, count, forest.stride());
            kernel.descend(forest, block, &mut lanes, steps);
            if count == 1 {
                // What a single row takes is mostly this loop.
                for (tree, leaf) in lanes.at[..lanes.used].iter().enumerate() {
                    then(first_tree + tree, first_row, *leaf);
                }
                continue;
            }
            for (tree, leaves) in lanes.at[..lanes.used].chunks_exact(count).enumerate() {
                for (row, leaf) in leaves.iter().enumerate() {
                    then(first_tree + tree, first_row + row, *leaf);
                }
            }
        }
    }
}

/// The rows of a block in groups of [`ROWS`], column by column. The last group is filled up with
/// whatever the buffer holds; nobody asks for those leaves.
#[inline(always)]
fn sift(
    bits: &Bits,
    stride: usize,
    block: Block<'_>,
    sieve: Sieve,
    rows: usize,
    mut then: impl FnMut(usize, usize, u32),
) {
    let mut columns = vec![0.0; bits.features * ROWS];
    for first in (0..rows).step_by(ROWS) {
        let count = ROWS.min(rows - first);
        for row in 0..count {
            let values = &block.values[(first + row) * stride..][..bits.features];
            values.iter().enumerate().for_each(|(column, x)| columns[column * ROWS + row] = *x);
        }
        sieve.each_tree(bits, &columns, &mut |tree, span, leaves| {
            let payloads = &bits.payloads[span.leaves as usize..];
            for (row, leaf) in leaves[..count].iter().enumerate() {
                then(tree, first + row, payloads[*leaf as usize]);
            }
        });
    }
}

/// Each tree with each row, the rows of a tree side by side.
#[inline(always)]
fn deal(lanes: &mut Lanes, trees: &[(u32, u32)], first_row: usize, count: usize, stride: usize) {
    if count == 1 {
        lanes.at.iter_mut().zip(trees).for_each(|(at, (root, _))| *at = *root);
        lanes.rows[..trees.len()].fill((first_row * stride) as u32);
        lanes.used = trees.len();
        return;
    }
    let mut used = 0;
    for (root, _) in trees {
        for row in 0..count {
            lanes.at[used] = *root;
            lanes.rows[used] = ((first_row + row) * stride) as u32;
            used += 1;
        }
    }
    lanes.used = used;
}

/// The same over wide nodes, for any number of rows.
pub fn wide(forest: &Wide, values: &[f64], sum: &Sum<'_>, scores: &mut [f64]) {
    let mut said = vec![false; sum.targets];
    let width = values.len() / (scores.len() / sum.targets);
    for (row, scores) in values.chunks_exact(width).zip(scores.chunks_exact_mut(sum.targets)) {
        said.fill(false);
        for_each_wide_leaf(forest, row, |tree, leaf| sum.add(tree, forest.payload(leaf), scores, &mut said));
    }
}

/// Calls `then(tree, leaf)` for every tree.
pub fn for_each_wide_leaf(forest: &Wide, row: &[f64], mut then: impl FnMut(usize, u32)) {
    let mut leaves = [0; wide::LANES];
    for from in (0..forest.trees.len()).step_by(wide::LANES) {
        let count = wide::LANES.min(forest.trees.len() - from);
        forest.descend(from, row, &mut leaves[..count]);
        for (lane, leaf) in leaves[..count].iter().enumerate() {
            then(from + lane, *leaf);
        }
    }
}
