//! Trees whose leaves are linear models, LightGBM's `linear_tree`.

use super::model::LeafLine;
use crate::engine::tabular::forest::Rows;
use crate::engine::tabular::forest::ensemble::{Ensemble, Node};

/// Walked tree by tree: the kernels know no such leaves.
pub struct LinearTrees {
    ensemble: Ensemble,
    /// By tree and leaf; empty for trees of plain leaves.
    lines: Vec<Vec<LeafLine>>,
}

impl LinearTrees {
    /// Checks the ensemble and the columns of the lines; every tree with lines has one for each leaf.
    pub fn new(ensemble: Ensemble, lines: Vec<Vec<LeafLine>>) -> Result<Self, String> {
        ensemble.check()?;
        let columns = lines.iter().flatten().flat_map(|line| &line.terms).map(|(feature, _)| *feature);
        if let Some(feature) = columns.max().filter(|feature| *feature as usize >= ensemble.features) {
            return Err(format!("a linear leaf asks for column {feature}, but rows have {}", ensemble.features));
        }
        Ok(Self { ensemble, lines })
    }

    pub fn count(&self) -> usize {
        self.ensemble.trees.len()
    }

    /// Margins in the order of the trees; `out` gets rows x targets.
    pub fn score(&self, rows: Rows<'_>, out: &mut [f64]) {
        let Ensemble { targets, features, votes, .. } = &self.ensemble;
        rows.each_double(*features, |at, row| {
            let scores = &mut out[at * targets..][..*targets];
            let reached = self.ensemble.trees.iter().zip(self.ensemble.leaves(row));
            for ((tree, at), lines) in reached.zip(&self.lines) {
                let Node::Leaf { votes: range, id } = &tree.nodes[at as usize] else { continue };
                for vote in &votes[range.start as usize..range.end as usize] {
                    let line = usize::try_from(*id).ok().and_then(|leaf| lines.get(leaf));
                    scores[vote.target as usize] += line.map_or(vote.weight, |line| line.value(row));
                }
            }
        });
    }

    /// The numbers of the leaves that rows reach, as the training library counts them: rows x trees.
    pub fn leaves(&self, rows: Rows<'_>, out: &mut [i64]) {
        let trees = &self.ensemble.trees;
        rows.each_double(self.ensemble.features, |at, row| {
            let reached = trees.iter().zip(self.ensemble.leaves(row));
            for (out, (tree, at)) in out[at * trees.len()..].iter_mut().zip(reached) {
                *out = match &tree.nodes[at as usize] {
                    Node::Leaf { id, .. } => *id,
                    Node::Split(_) => -1,
                };
            }
        });
    }

    pub fn memory_bytes(&self) -> usize {
        let Ensemble { votes, .. } = &self.ensemble;
        self.ensemble.nodes() * size_of::<Node>() + size_of_val(votes.as_slice())
    }

    pub fn lines(&self) -> &Vec<Vec<LeafLine>> {
        &self.lines
    }

    pub fn ensemble(&self) -> &Ensemble {
        &self.ensemble
    }
}

impl LeafLine {
    /// `constant + sum of weight x value`, or the plain value of the leaf where one is missing.
    fn value(&self, row: &[f64]) -> f64 {
        let mut sum = self.constant;
        for (feature, weight) in &self.terms {
            let x = row[*feature as usize];
            if x.is_nan() {
                return self.value;
            }
            sum += weight * x;
        }
        sum
    }
}
