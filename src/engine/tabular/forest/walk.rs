//! From a row to the leaf of every tree, and from the leaves to scores.
//!
//! Trees are walked eight at a time: their loads do not depend on each other, so the processor
//! overlaps them. Scores are summed in `f64` in the order of [`Forest::trees`], which the model
//! fixes: a row's score never depends on its batch.

use super::{Aggregate, Forest, Leaves};

/// Trees walked side by side.
const LANES: usize = 8;

/// One row's score for one target, and whether any leaf spoke of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    pub value: f64,
    pub has: bool,
}

impl Forest {
    /// Computes the scores of one row into `scores` (one per target), base values not yet added.
    ///
    /// `row` must have at least [`Forest::features`] columns.
    pub fn score(&self, row: &[f32], scores: &mut [Score]) {
        scores.fill(Score::default());
        for group in self.trees.chunks(LANES) {
            let mut at = [0u32; LANES];
            self.descend(group, row, &mut at);
            for node in &at[..group.len()] {
                self.vote(*node as usize, scores);
            }
        }
        if self.aggregate == Aggregate::Average {
            let trees = self.trees.len() as f64;
            scores.iter_mut().for_each(|score| score.value /= trees);
        }
    }

    #[inline]
    fn descend(&self, group: &[(u32, u32)], row: &[f32], at: &mut [u32; LANES]) {
        let mut depth = 0;
        for (lane, (root, deep)) in at.iter_mut().zip(group) {
            *lane = *root;
            depth = depth.max(*deep);
        }
        // Unused lanes of the last group rest on the first root; what they find is not read.
        at[group.len()..].fill(group[0].0);
        for _ in 0..depth {
            for lane in at.iter_mut() {
                let node = &self.nodes[*lane as usize];
                *lane = node.next(row[node.feature as usize]);
            }
        }
    }

    #[inline]
    fn vote(&self, node: usize, scores: &mut [Score]) {
        match &self.leaves {
            Leaves::One(values) => self.add(&mut scores[0], values[node]),
            Leaves::Many { leaf, ranges, weights } => {
                let (from, to) = ranges[leaf[node] as usize];
                for (target, weight) in &weights[from as usize..to as usize] {
                    self.add(&mut scores[*target as usize], *weight);
                }
            }
        }
    }

    #[inline]
    fn add(&self, score: &mut Score, weight: f32) {
        let weight = f64::from(weight);
        score.value = match self.aggregate {
            Aggregate::Sum | Aggregate::Average => score.value + weight,
            Aggregate::Min if score.has => score.value.min(weight),
            Aggregate::Max if score.has => score.value.max(weight),
            Aggregate::Min | Aggregate::Max => weight,
        };
        score.has = true;
    }
}
