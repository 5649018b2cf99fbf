//! A forest in the cache, and back from it without copying what is large.

use super::bits::{self, Bits};
use super::compact::{self, Compact};
use super::ensemble::Aggregate;
use super::leaves::{self, Leaves};
use super::normal::Rounding;
use super::prepared::Forest;
use super::sound;
use super::tune::{self, Tuning};
use super::wide::{self, Wide};
use crate::engine::cache::{Entry, Writer};
use rkyv::{Archive, Deserialize, Serialize};
use std::io;

/// What the head of an entry says of a forest; the lists by node lie in sections.
#[derive(Archive, Serialize, Deserialize)]
pub struct Kept {
    compact: Option<compact::Kept>,
    bits: Option<bits::Kept>,
    rounding: Option<Rounding>,
    wide: Option<wide::Kept>,
    leaves: leaves::Kept,
    order: Vec<(u64, u32)>,
    aggregate: Aggregate,
    base_values: Vec<f64>,
    targets: u64,
    features: u64,
    nodes: u64,
    tuning: tune::Kept,
}

impl Forest {
    /// Writes the lists. To be called before [`Forest::trim`]: another processor may want what this
    /// one does not.
    pub fn keep(&self, writer: &mut Writer<'_>) -> io::Result<Kept> {
        Ok(Kept {
            compact: self.compact.as_ref().map(|compact| compact.keep(writer)).transpose()?,
            bits: self.bits.as_ref().map(|bits| bits.keep(writer)).transpose()?,
            rounding: self.rounding,
            wide: self.wide.as_ref().map(|wide| wide.keep(writer)).transpose()?,
            leaves: self.leaves.keep(writer)?,
            order: self.order.iter().map(|(tree, depth)| (*tree as u64, *depth)).collect(),
            aggregate: self.aggregate,
            base_values: self.base_values.clone(),
            targets: self.targets as u64,
            features: self.features as u64,
            nodes: self.nodes as u64,
            tuning: self.tuning.keep(),
        })
    }

    /// A forest as it was kept, checked to be one that the kernels can walk. Which of them is fastest
    /// is measured again on another processor.
    pub fn revive(kept: Kept, entry: &Entry) -> Result<Self, String> {
        let size = |number: u64| usize::try_from(number).map_err(|_| format!("{number} is too large here"));
        let order = kept.order.iter().map(|(tree, depth)| Ok((size(*tree)?, *depth)));
        let mut forest = Self {
            compact: kept.compact.map(|kept| Compact::revive(kept, entry)).transpose()?,
            bits: kept.bits.map(|kept| Bits::revive(kept, entry)).transpose()?,
            rounding: kept.rounding,
            wide: kept.wide.map(|kept| Wide::revive(kept, entry)).transpose()?,
            leaves: Leaves::revive(kept.leaves, entry)?,
            order: order.collect::<Result<_, String>>()?,
            aggregate: kept.aggregate,
            base_values: kept.base_values,
            targets: size(kept.targets)?,
            features: size(kept.features)?,
            nodes: size(kept.nodes)?,
            tuning: Tuning::default(),
        };
        if !forest.is_sound() {
            return Err("its trees lead out of themselves".into());
        }
        match Tuning::revive(&kept.tuning, forest.bits.is_some()) {
            Some(tuning) => forest.tuning = tuning,
            None => forest.tune(),
        }
        Ok(forest)
    }

    /// Whether scoring can go nowhere but where something is, whatever the rows are.
    pub(super) fn is_sound(&self) -> bool {
        let (trees, payloads) = (self.order.len(), self.leaves.payloads(self.targets));
        let served = self.wide.is_some() || self.compact.is_some();
        let compact =
            |form: &Compact| form.trees.len() == trees && form.features == self.features && form.is_sound(payloads);
        let bits = |form: &Bits| {
            self.compact.is_some()
                && form.trees.len() == trees
                && form.features == self.features
                && form.is_sound(payloads)
        };
        let wide = |form: &Wide| form.trees.len() == trees && form.is_sound(self.features, payloads);
        served
            && trees > 0
            && sound::each_once(self.order.iter().map(|(tree, _)| *tree), trees)
            && self.targets > 0
            && self.features > 0
            && (self.base_values.is_empty() || self.base_values.len() == self.targets)
            && self.leaves.is_sound(trees, self.targets)
            && self.compact.as_ref().is_none_or(compact)
            && self.bits.as_ref().is_none_or(bits)
            && self.wide.as_ref().is_none_or(wide)
    }
}
