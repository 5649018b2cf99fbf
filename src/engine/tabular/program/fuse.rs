//! Preparation steps replaced by one that writes finished rows.

use super::{Builder, Source, Step};
use crate::engine::tabular::ops::Op;
use crate::engine::tabular::row::{Assemble, Columns, Operand};
use crate::engine::{Dim, Signature};
use crate::tensor::DType;
use smallvec::SmallVec;

impl Builder<'_> {
    /// The columns of the graph's inputs: tables `[rows, width]` of numbers, or of what may be encoded.
    pub(super) fn describe_inputs(&mut self, signature: &Signature) {
        if !signature.batchable() {
            return;
        }
        for (at, spec) in signature.inputs.iter().enumerate() {
            let numbers = match spec.dtype {
                DType::F32 => true,
                DType::Str | DType::I64 | DType::I32 => false,
                _ => continue,
            };
            if let [_, Dim::Fixed(width)] = spec.dims[..] {
                let columns = Columns::of_input(at, width, numbers);
                columns.map(|columns| self.columns.insert(Source::Input(at), columns));
            }
        }
    }

    /// Notes what a new step's result is made of, if the operator can say.
    pub(super) fn describe(&mut self, op: &dyn Op, inputs: &[Source], result: Source) {
        let operands: SmallVec<[Operand<'_>; 4]> = inputs
            .iter()
            .map(|source| match (source, self.columns.get(source)) {
                (Source::Constant(at), _) => Operand::Constant(&self.constants[*at]),
                (_, Some(columns)) => Operand::Columns(columns),
                (_, None) => Operand::Unknown,
            })
            .collect();
        let described = op.columns(&operands);
        drop(operands);
        described.map(|columns| self.columns.insert(result, columns));
    }

    /// Has every step that needs a table which can be written at once read it from a step that does.
    /// The steps that made it are left to be taken away, if nothing else reads them.
    pub(super) fn fuse(&mut self, outputs: &mut [Source]) {
        let mut made: Vec<(Source, Source)> = Vec::new();
        let mut assembled = Vec::new();
        let mut steps = std::mem::take(&mut self.steps);
        let described = |step: &Step| self.columns.contains_key(&Source::Slot(step.first_slot));
        let readers: Vec<bool> = steps.iter().map(|step| !described(step)).collect();
        let readers = steps.iter_mut().zip(readers).filter(|(_, reads)| *reads);
        for source in readers.flat_map(|(step, _)| step.inputs.iter_mut()).chain(outputs) {
            let known = made.iter().find(|(from, _)| from == source).map(|(_, to)| *to);
            let Some(replaced) = known.or_else(|| self.assemble(*source, &mut assembled)) else { continue };
            made.push((*source, replaced));
            *source = replaced;
        }
        assembled.append(&mut steps);
        self.steps = assembled;
    }

    fn assemble(&mut self, source: Source, steps: &mut Vec<Step>) -> Option<Source> {
        let Source::Slot(_) = source else { return None };
        let columns = self.columns.get(&source).filter(|columns| columns.is_numeric())?;
        let mut inputs: Vec<usize> = columns.each.iter().map(|column| column.input()).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let place = |input: usize| inputs.binary_search(&input).expect("each was listed");
        let op = Assemble::new(columns, place);
        let slot = self.slots;
        self.slots += 1;
        steps.push(Step {
            op: Box::new(op),
            what: "rows".into(),
            inputs: inputs.iter().map(|input| Source::Input(*input)).collect(),
            first_slot: slot,
            outputs: 1,
            last_read: SmallVec::new(),
        });
        Some(Source::Slot(slot))
    }
}
