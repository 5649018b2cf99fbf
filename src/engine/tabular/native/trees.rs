//! Trees that score rows, and tell their leaves where that is wanted.

use crate::engine::cache::{self, Entry, Section, Writer};
use crate::engine::tabular::forest::ensemble::{Ensemble, Node};
use crate::engine::tabular::forest::{self, Forest, Rows};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// A forest, beside the ensemble it was made from where leaves are asked for.
pub struct Trees {
    forest: Forest,
    /// Kept for its leaves' numbers, which the layout of the forest has no use for.
    walked: Option<Ensemble>,
}

impl Trees {
    /// Checks the ensemble and lays it out.
    pub fn new(ensemble: Ensemble, leaves: bool) -> Result<Self, String> {
        let mut forest = Forest::for_singles(&ensemble)?;
        forest.tune();
        Ok(Self { forest, walked: leaves.then_some(ensemble) })
    }

    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        let walked = self.walked.as_ref().map(|ensemble| cache::archive(writer, ensemble)).transpose()?;
        Ok(Kept { forest: self.forest.keep(writer)?, walked })
    }

    /// The trees as they were kept, with all that was checked when they were read.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        let forest = Forest::revive(kept.forest, entry)?;
        let walked = kept.walked.map(|section| cache::unarchive::<Ensemble>(entry.bytes(section)?)).transpose()?;
        if let Some(ensemble) = &walked {
            ensemble.check()?;
            if ensemble.features != forest.features() || ensemble.trees.len() != forest.trees() {
                return Err("the trees that tell leaves are others than those that score".into());
            }
        }
        Ok(Self { forest, walked })
    }

    /// Lets go of what only the cache had a use for.
    pub fn trim(&mut self) {
        self.forest.trim();
    }

    pub fn count(&self) -> usize {
        self.forest.trees()
    }

    pub fn features(&self) -> usize {
        self.forest.features()
    }

    pub fn targets(&self) -> usize {
        self.forest.targets()
    }

    /// Whether they can tell which leaves rows reach.
    pub fn tell_leaves(&self) -> bool {
        self.walked.is_some()
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

/// The trees in the cache.
#[derive(Archive, Serialize, Deserialize)]
pub struct Kept {
    forest: forest::Kept,
    /// An archive of the ensemble.
    walked: Option<Section>,
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
