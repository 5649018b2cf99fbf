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

use crate::engine::RunError;
use crate::engine::onnx::{Attributes, Node};
use crate::tensor::Tensor;
use operands::{floats, matrix, one, operand, tensor, two};
use smallvec::SmallVec;

pub use operands::at_most;
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
