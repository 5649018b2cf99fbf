//! Trees that score rows, and tell their leaves where that is wanted.

use crate::engine::tabular::forest::ensemble::{Ensemble, Node};
use crate::engine::tabular::forest::{Forest, Rows};

/// A forest, beside the ensemble it was made from where leaves are asked for.
pub struct Trees {
    forest: Forest,
    count: usize,
    /// Kept for its leaves' numbers, which the layout of the forest has no use for.
    walked: Option<Ensemble>,
}

impl Trees {
    /// Checks the ensemble and lays it out.
    pub fn new(ensemble: Ensemble, leaves: bool) -> Result<Self, String> {
        let mut forest = Forest::new(&ensemble)?;
        forest.tune();
        let count = ensemble.trees.len();
        Ok(Self { forest, count, walked: leaves.then_some(ensemble) })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn describe(&self) -> Vec<String> {
        self.forest.describe()
    }

    /// Margins; `out` gets rows x targets.
    pub fn score(&self, rows: &[f32], out: &mut [f64]) {
        self.forest.score(Rows::F32(rows), out);
    }

    /// The leaves that rows reach; nothing where they were not asked for at first.
    pub fn leaves(&self, rows: &[f32]) -> Vec<i64> {
        self.walked.as_ref().map_or_else(Vec::new, |ensemble| leaves(ensemble, rows))
    }

    /// Bytes held.
    pub fn memory_bytes(&self) -> usize {
        self.forest.memory_bytes() + self.walked.as_ref().map_or(0, bytes)
    }
}

/// The numbers of the leaves that rows reach, as the training library counts them: rows x trees.
pub fn leaves(ensemble: &Ensemble, rows: &[f32]) -> Vec<i64> {
    let mut leaves = Vec::with_capacity(rows.len() / ensemble.features.max(1) * ensemble.trees.len());
    let mut wide = Vec::with_capacity(ensemble.features);
    for row in rows.chunks_exact(ensemble.features) {
        wide.clear();
        wide.extend(row.iter().map(|x| f64::from(*x)));
        let places = ensemble.trees.iter().zip(ensemble.leaves(&wide));
        leaves.extend(places.map(|(tree, at)| match &tree.nodes[at as usize] {
            Node::Leaf { id, .. } => *id,
            Node::Split(_) => -1,
        }));
    }
    leaves
}

/// Bytes that an ensemble holds.
pub fn bytes(ensemble: &Ensemble) -> usize {
    ensemble.nodes() * size_of::<Node>() + size_of_val(ensemble.votes.as_slice())
}
