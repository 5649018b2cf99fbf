//! The operators: one folder per family, and the one table from name to maker.

mod broadcast;
mod ensemble;
mod listed;
mod math;
mod ml;
mod operands;
mod scan;
mod scores;
mod shape;
mod table;
mod text;

use crate::engine::cache::Place;
use crate::engine::lowered::Head;
use crate::engine::onnx::{Attributes, Node};
use crate::engine::tabular::forest::Forest;
use crate::engine::tabular::row::{Assemble, Columns, Operand};
use crate::engine::{Origin, RunError};
use crate::tensor::{DType, Tensor};
use operands::{floats, matrix, one, operand, tensor, two};
use smallvec::SmallVec;

pub use ensemble::{leaves, margins};
pub use ml::encode::Encoder;
pub use operands::{at_most, length};
pub use scores::{Labels, argmax};
pub use table::{build, names};

/// An operator's results.
pub type Outputs = SmallVec<[Tensor; 2]>;

/// One prepared operator call.
///
/// An operator computes a row from that row alone and in a fixed order, wherever its meaning allows.
pub trait Op: Send + Sync {
    /// Computes the results. The operands' number and types are the file's word, so both are checked.
    /// Inputs that the node leaves out are left out here too: [`Call::place`] tells what stands where.
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError>;

    /// Bytes that its tables hold.
    fn memory_bytes(&self) -> usize {
        0
    }

    /// Whether the cache had it.
    fn origin(&self) -> Origin {
        Origin::File
    }

    /// The trees that it asks, if that is what it does to its first operand.
    fn forest(&self) -> Option<&Forest> {
        None
    }

    /// The row assembly that it is, if it is one.
    fn assembles(&self) -> Option<&Assemble> {
        None
    }

    /// What it makes of the scores of its [`Op::forest`] over rows of `dtype`, and the classes' names.
    /// The error says why a device cannot do the same.
    fn head(&self, dtype: DType) -> Result<Option<(Head, Option<Labels>)>, String> {
        let _ = dtype;
        Ok(None)
    }

    /// What its result's columns are made of, where each comes from one column of an input of the
    /// graph. Rows written by that must be what [`Op::run`] would give, to the bit.
    fn columns(&self, operands: &[Operand<'_>]) -> Option<Columns> {
        let _ = operands;
        None
    }

    /// What there is to know of it, line by line; empty if its name says all.
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A node as a maker sees it.
pub struct Call<'a> {
    pub node: &'a Node,
    /// Version of the standard operator set.
    pub opset: i64,
    /// Where in the cache the model belongs, if there is one.
    pub place: Option<Place<'a>>,
}

impl Call<'_> {
    pub fn attributes(&self) -> &Attributes {
        &self.node.attributes
    }

    /// Where the node's input `input` stands among the operands, if the node has it.
    pub fn place(&self, input: usize) -> Option<usize> {
        let names = &self.node.inputs;
        let named = |name: &String| !name.is_empty();
        names.get(input).filter(|name| named(name))?;
        Some(names[..input].iter().filter(|name| named(name)).count())
    }
}

#[cfg(test)]
mod tests;
