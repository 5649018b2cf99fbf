//! Margins and leaves of a graph that asks trees in one place.

use super::{Plan, Program, Step};
use crate::engine::tabular::forest::Forest;
use crate::engine::tabular::ops::{leaves, margins};
use crate::engine::{Extras, RunError};
use crate::tensor::Tensor;
use std::sync::Arc;

/// The step whose trees tell, and what they tell.
pub(super) struct Told {
    pub step: usize,
    /// With every answer.
    pub always: Extras,
    /// To those who ask.
    asked: Extras,
}

impl Program {
    /// Lets the program tell margins and leaves, where one step of it asks trees; `always` with every
    /// answer. The error says why it cannot.
    pub fn with_extras(self, always: Extras) -> Result<Self, String> {
        let mut plan = self.into_plan()?;
        let refuse = |words: &str| Err(format!("output.extra asks for margins or leaves, but {words}"));
        let forests = || plan.steps.iter().enumerate().filter_map(|(at, step)| Some((at, step.op.forest()?)));
        let mut all = forests();
        let told = match (all.next(), all.next()) {
            (Some((step, forest)), None) if plan.signature.batchable() => (step, forest.targets(), forest.trees()),
            _ if always.is_empty() => return Ok(Self(Arc::new(plan))),
            (None, _) => return refuse("no operator of the graph asks trees"),
            (Some(_), Some(_)) => return refuse("several operators of the graph ask trees"),
            (Some(_), None) => return refuse("the model has no batch axis"),
        };
        let (step, targets, trees) = told;
        let free = Extras::beside(&plan.signature.outputs);
        let always = always.both(free);
        plan.told = Some(Told { step, always, asked: free.without(always) });
        plan.signature = plan.signature.with_extras(always, free.specs(targets, trees));
        Ok(Self(Arc::new(plan)))
    }

    /// Names the columns of a table that stands for a dictionary; without names there is none.
    pub fn with_dictionary(self, columns: Vec<String>) -> Result<Self, String> {
        let plan = self.into_plan()?;
        Ok(Self(Arc::new(Plan { columns, ..plan })))
    }

    fn into_plan(self) -> Result<Plan, String> {
        Arc::into_inner(self.0).ok_or_else(|| "the program is in use".into())
    }
}

impl Plan {
    /// The extras of an answer, in the order of [`crate::engine::Signature::answered`]. The step's
    /// operands must still be there.
    pub(super) fn tell(
        &self,
        told: &Told,
        asked: Extras,
        inputs: &[Tensor],
        slots: &[Option<Tensor>],
    ) -> Result<Vec<Tensor>, RunError> {
        let sets = [told.always, told.asked.both(asked)];
        if sets.iter().all(|extras| extras.is_empty()) {
            return Ok(Vec::new());
        }
        let (forest, input) = self.trees(&self.steps[told.step], inputs, slots)?;
        let mut tensors = Vec::new();
        for extras in sets {
            if extras.margin {
                tensors.push(margins(forest, input)?);
            }
            if extras.leaf {
                tensors.push(leaves(forest, input)?);
            }
        }
        Ok(tensors)
    }

    fn trees<'a>(
        &'a self,
        step: &'a Step,
        inputs: &'a [Tensor],
        slots: &'a [Option<Tensor>],
    ) -> Result<(&'a Forest, &'a Tensor), RunError> {
        let broken = || RunError::Engine(format!("{} asks no trees", step.what));
        let forest = step.op.forest().ok_or_else(broken)?;
        let source = step.inputs.first().ok_or_else(broken)?;
        Ok((forest, self.find(*source, inputs, slots)?))
    }
}
