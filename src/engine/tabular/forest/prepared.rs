//! A forest ready to score rows.

use super::bits::{Bits, ROWS};
use super::compact::Compact;
use super::ensemble::{Aggregate, Ensemble};
use super::kernel::{Kernel, LANES};
use super::leaves::Leaves;
use super::normal::Rounding;
use super::rows::{Form, Rows, Singles};
use super::score::{self, Forms, Strategy, Sum};
use super::tune::{self, Tuning};
use super::wide::Wide;
use bytesize::ByteSize;
use std::time::Duration;

/// A forest laid out for the kernels. What it computes never depends on the batch or the processor.
#[derive(Clone, Debug)]
pub struct Forest {
    pub(super) compact: Option<Compact>,
    /// For small trees, beside the compact form.
    pub(super) bits: Option<Bits>,
    /// How rows of `f64` may be brought to the compact form.
    pub(super) rounding: Option<Rounding>,
    pub(super) wide: Option<Wide>,
    pub(super) leaves: Leaves,
    /// Place in the file and depth of each tree, in the order of summing.
    pub(super) order: Vec<(usize, u32)>,
    pub(super) aggregate: Aggregate,
    pub(super) base_values: Vec<f64>,
    pub(super) targets: usize,
    pub(super) features: usize,
    pub(super) nodes: usize,
    pub(super) tuning: Tuning,
}

impl Forest {
    /// Checks the ensemble and lays it out. The kernels' choice is the default one until
    /// [`Forest::tune`].
    pub fn new(ensemble: &Ensemble) -> Result<Self, String> {
        Self::laid_out(ensemble, true)
    }

    /// The same for rows that are `f32` always: what only `f64` ones need is left out.
    pub fn for_singles(ensemble: &Ensemble) -> Result<Self, String> {
        Self::laid_out(ensemble, false)
    }

    fn laid_out(ensemble: &Ensemble, doubles: bool) -> Result<Self, String> {
        let order = order(ensemble.check()?);
        let (leaves, payloads) = Leaves::new(ensemble, &order)?;
        let payload = |tree: usize, leaf: u32| payloads[tree][leaf as usize];
        let compact = Compact::new(ensemble, &order, payload);
        let bits = compact.as_ref().and_then(|_| Bits::new(ensemble, &order, payload));
        let rounding = Rounding::of(ensemble);
        let wide = match (&compact, rounding) {
            (Some(_), Some(_)) => None,
            (Some(_), None) if !doubles => None,
            _ => Some(Wide::new(ensemble, &order, payload)?),
        };
        let forest = Self {
            compact,
            bits,
            rounding,
            wide,
            leaves,
            order,
            aggregate: ensemble.aggregate,
            base_values: ensemble.base_values.clone(),
            targets: ensemble.targets,
            features: ensemble.features,
            nodes: ensemble.nodes(),
            tuning: Tuning::default(),
        };
        debug_assert!(forest.is_sound(), "the kernels rely on it");
        Ok(forest)
    }

    /// Columns of a row.
    pub fn features(&self) -> usize {
        self.features
    }

    pub fn trees(&self) -> usize {
        self.order.len()
    }

    /// Scores of a row.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Computes the scores of each row into `out`, [`Forest::targets`] for each, base values added.
    ///
    /// `out` tells how many rows there are. They must be of one width, at least [`Forest::features`].
    pub fn score(&self, rows: Rows<'_>, out: &mut [f64]) {
        let count = out.len() / self.targets;
        if count == 0 {
            return;
        }
        self.check_width(rows, count);
        out.fill(0.0);
        match self.form(rows) {
            Form::Compact(compact, singles) => self.compactly(compact, self.tuning.choose(count), singles, out),
            Form::Wide(wide, values) => score::wide(wide, &values, &self.sum(), out),
        }
        self.finish(out);
    }

    /// The leaf that each row comes to in each tree, by the number and in the order that the file has
    /// for them: `out` gets [`Forest::trees`] for each row. Rows are as for [`Forest::score`].
    pub fn leaves(&self, rows: Rows<'_>, out: &mut [i64]) {
        let trees = self.trees();
        let count = out.len() / trees;
        if count == 0 {
            return;
        }
        self.check_width(rows, count);
        match self.form(rows) {
            Form::Compact(compact, singles) => self.walked(compact, self.tuning.walk(count), singles, out),
            Form::Wide(wide, values) => {
                let width = values.len() / count;
                for (row, out) in values.chunks_exact(width).zip(out.chunks_exact_mut(trees)) {
                    score::for_each_wide_leaf(wide, row, |tree, leaf| out[self.order[tree].0] = wide.numbers.at(leaf));
                }
            }
        }
    }

    fn walked(&self, forest: &Compact, walk: (Kernel, usize), singles: Singles<'_>, out: &mut [i64]) {
        let trees = self.trees();
        singles.each_block(out.len() / trees, self.features, |block, first, rows| {
            let out = &mut out[first * trees..][..rows * trees];
            score::leaves(forest, block, walk, rows, |tree, row, leaf| {
                out[row * trees + self.order[tree].0] = forest.numbers.at(leaf);
            });
        });
    }

    fn check_width(&self, rows: Rows<'_>, count: usize) {
        let elements = rows.elements();
        assert!(elements / count >= self.features && elements.is_multiple_of(count), "{elements} values, {count} rows");
    }

    fn form<'a>(&'a self, rows: Rows<'a>) -> Form<'a> {
        match (rows, &self.compact, self.rounding, &self.wide) {
            (Rows::F32(values), Some(compact), ..) => Form::Compact(compact, Singles::Own(values)),
            (Rows::F64(values), Some(compact), Some(rounding), _) => {
                Form::Compact(compact, Singles::Rounded(values, rounding))
            }
            (Rows::F64(values), _, _, Some(wide)) => Form::Wide(wide, values.into()),
            (Rows::F32(values), None, _, Some(wide)) => {
                Form::Wide(wide, values.iter().map(|x| f64::from(*x)).collect())
            }
            (Rows::F64(values), Some(compact), ..) => Form::Compact(compact, Singles::Cut(values)),
            (_, None, _, None) => unreachable!("one form is always made"),
        }
    }

    fn sum(&self) -> Sum<'_> {
        Sum { leaves: &self.leaves, aggregate: self.aggregate, targets: self.targets }
    }

    fn compactly(&self, forest: &Compact, strategy: Strategy, singles: Singles<'_>, out: &mut [f64]) {
        let forms = Forms { compact: forest, bits: self.bits.as_ref() };
        singles.each_block(out.len() / self.targets, self.features, |block, first, rows| {
            let out = &mut out[first * self.targets..][..rows * self.targets];
            score::compact(forms, block, strategy, &self.sum(), out);
        });
    }

    /// Scores rows by a strategy of the caller's choice where the forest has the compact form.
    #[cfg(test)]
    pub(super) fn score_by(&self, strategy: Strategy, values: &[f32], out: &mut [f64]) {
        match &self.compact {
            Some(_) if self.bits.is_none() && matches!(strategy, Strategy::Bits(_)) => {
                self.score(Rows::F32(values), out);
            }
            Some(compact) => {
                out.fill(0.0);
                self.compactly(compact, strategy, Singles::Own(values), out);
                self.finish(out);
            }
            None => self.score(Rows::F32(values), out),
        }
    }

    /// The same for leaves; `None` where the forest has no compact form.
    #[cfg(test)]
    pub(super) fn leaves_by(&self, walk: (Kernel, usize), values: &[f32], out: &mut [i64]) -> Option<()> {
        self.walked(self.compact.as_ref()?, walk, Singles::Own(values), out);
        Some(())
    }

    fn finish(&self, out: &mut [f64]) {
        if self.aggregate == Aggregate::Average {
            let trees = self.order.len() as f64;
            out.iter_mut().for_each(|score| *score /= trees);
        }
        if !self.base_values.is_empty() {
            for scores in out.chunks_exact_mut(self.targets) {
                scores.iter_mut().zip(&self.base_values).for_each(|(score, base)| *score += base);
            }
        }
    }

    /// Measures which kernel is fastest here, and takes it from now on. Rows so wide that a trial
    /// would take memory on a file's word are left to the default choice.
    pub fn tune(&mut self) {
        let Some(compact) = &self.compact else { return };
        if !tune::is_worth_it(self.features, self.targets) {
            return;
        }
        let rows = tune::trial_rows(compact);
        let mut out = vec![0.0; tune::TRIAL_ROWS * self.targets];
        let mut tuning = Tuning::measured(self.bits.is_some(), |strategy, from, count| {
            let rows = &rows[from * self.features..][..count * self.features];
            self.compactly(compact, strategy, Singles::Own(rows), &mut out[..count * self.targets]);
        });
        std::mem::swap(&mut self.tuning, &mut tuning);
    }

    /// Lets a form go that nothing is faster with.
    pub fn trim(&mut self) {
        if !self.tuning.table().any(|(_, strategy, _)| matches!(strategy, Strategy::Bits(_))) {
            self.bits = None;
        }
    }

    /// Trees, layout and kernels in words.
    pub fn describe(&self) -> Vec<String> {
        let depth = self.order.last().map_or(0, |(_, depth)| *depth);
        let (trees, nodes) = (self.order.len(), self.nodes);
        let size = ByteSize(self.memory_bytes() as u64);
        let mut lines = vec![format!("{trees} trees, {nodes} nodes, up to {depth} deep, {size}")];
        match &self.compact {
            Some(_) => lines.extend(self.tuning.table().map(kernel_line)),
            None => lines.push("nodes of 16 bytes, 8 trees side by side".into()),
        }
        lines
    }

    /// Bytes that the layouts hold.
    pub fn memory_bytes(&self) -> usize {
        let compact = self.compact.as_ref().map_or(0, Compact::memory_bytes);
        let compact = compact + self.bits.as_ref().map_or(0, Bits::memory_bytes);
        compact + self.wide.as_ref().map_or(0, Wide::memory_bytes) + self.leaves.memory_bytes()
    }
}

fn kernel_line((size, strategy, cost): (usize, Strategy, Option<Duration>)) -> String {
    let cost = cost.map_or_else(|| "not measured".into(), |cost| format!("{} ns a row", cost.as_nanos()));
    let how = match strategy {
        Strategy::Walk { kernel, rows } => {
            format!("{}, {rows} x {} rows and trees at once", kernel.name(), LANES / rows)
        }
        Strategy::Bits(sieve) => format!("{}, {ROWS} rows at once", sieve.name()),
    };
    format!("from {size:>3} rows on: {how}, {cost}")
}

/// Trees of like depth share a walk. The sort is stable, so the order is the model's own.
fn order(depths: Vec<u32>) -> Vec<(usize, u32)> {
    let mut order: Vec<(usize, u32)> = depths.into_iter().enumerate().collect();
    order.sort_by_key(|(_, depth)| *depth);
    order
}
