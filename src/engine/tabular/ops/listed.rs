//! Integers that older operator sets hold in an attribute and newer ones in an operand.

use super::Call;
use super::operands::{integers, operand};
use crate::engine::RunError;
use crate::engine::tabular::row::Operand;
use crate::tensor::Tensor;
use std::borrow::Cow;

/// Where such a list is found.
pub struct Listed {
    fixed: Option<Vec<i64>>,
    place: Option<usize>,
}

impl Listed {
    /// The operand at `input` if the node has one, else the attribute `name` if it has that.
    pub fn new(call: &Call<'_>, name: &str, input: usize) -> Self {
        let fixed = call.attributes().has(name).then(|| call.attributes().ints(name).to_vec());
        Self { fixed, place: call.place(input) }
    }

    /// A list that no operand changes.
    #[cfg(test)]
    pub fn fixed(fixed: Option<Vec<i64>>) -> Self {
        Self { fixed, place: None }
    }

    /// The list of this run, `None` where the node has neither.
    pub fn get<'a>(&'a self, operands: &[&'a Tensor]) -> Result<Option<Cow<'a, [i64]>>, RunError> {
        match (self.place, &self.fixed) {
            (Some(at), _) => integers(operand(operands, at)?).map(Some),
            (None, Some(list)) => Ok(Some(Cow::Borrowed(list))),
            (None, None) => Ok(None),
        }
    }

    /// The list, if it is known before any run.
    pub fn known<'a>(&'a self, operands: &[Operand<'a>]) -> Option<Cow<'a, [i64]>> {
        match (self.place.map(|at| operands.get(at)), &self.fixed) {
            (Some(Some(Operand::Constant(list))), _) => integers(list).ok(),
            (None, Some(list)) => Some(Cow::Borrowed(list)),
            _ => None,
        }
    }

    /// The same, where the operator cannot do without.
    pub fn wanted<'a>(&'a self, operands: &[&'a Tensor]) -> Result<Cow<'a, [i64]>, RunError> {
        self.get(operands)?.ok_or_else(|| RunError::Engine("its list of integers is missing".into()))
    }
}
