//! The operators: one folder per family, and the one table from name to maker.

mod ensemble;
mod math;
mod ml;
mod scores;
mod shape;

use crate::engine::RunError;
use crate::engine::onnx::{Domain, Node};
use crate::tensor::{DType, Data, Element, Shape, Tensor};
use smallvec::SmallVec;
use std::borrow::Cow;

/// An operator's results.
pub type Outputs = SmallVec<[Tensor; 2]>;

/// One prepared operator call.
pub trait Op: Send + Sync {
    /// Computes the results. The operands' number and types are the file's word, so both are checked.
    fn run(&self, operands: &[&Tensor]) -> Result<Outputs, RunError>;

    /// Bytes that its tables hold.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// Prepares a node, or says what about it is not supported.
pub fn build(node: &Node, _opset: i64) -> Result<Box<dyn Op>, String> {
    let attributes = &node.attributes;
    Ok(match (&node.domain, node.op.as_str()) {
        (Domain::Ml, "TreeEnsembleClassifier") => Box::new(ensemble::Classifier::new(attributes)?),
        (Domain::Ml, "TreeEnsembleRegressor") => Box::new(ensemble::Regressor::new(attributes)?),
        (Domain::Ml, "LinearClassifier") => Box::new(ml::linear::Classifier::new(attributes)?),
        (Domain::Ml, "LinearRegressor") => Box::new(ml::linear::Regressor::new(attributes)?),
        (Domain::Ml, "Scaler") => Box::new(ml::scale::Scaler::new(attributes)?),
        (Domain::Ml, "Imputer") => Box::new(ml::scale::Imputer::new(attributes)?),
        (Domain::Ml, "Normalizer") => Box::new(ml::scale::Normalizer::new(attributes)?),
        (Domain::Ml, "OneHotEncoder") => Box::new(ml::encode::OneHot::new(attributes)?),
        (Domain::Onnx, "Cast") => Box::new(math::cast::Cast::new(attributes)?),
        (Domain::Onnx, "Concat") => Box::new(shape::join::Concat::new(attributes)),
        (Domain::Onnx, "Flatten") => Box::new(shape::join::Flatten::new(attributes)),
        (Domain::Onnx, "Reshape") => Box::new(shape::join::Reshape::new(attributes)),
        _ => return Err("not supported yet".into()),
    })
}

/// The operand at `at`.
fn operand<'a>(operands: &[&'a Tensor], at: usize) -> Result<&'a Tensor, RunError> {
    operands.get(at).copied().ok_or_else(|| RunError::Engine(format!("operand {at} is missing")))
}

/// The elements of an operand as type `T`.
fn typed<T: Element>(tensor: &Tensor) -> Result<&[T], RunError> {
    tensor.as_slice().ok_or_else(|| RunError::Engine(format!("expected {} elements, got {}", T::DTYPE, tensor.dtype())))
}

/// Numbers as `f32`. Doubles are refused: narrowing them could send a row down another branch.
fn floats(tensor: &Tensor) -> Result<Cow<'_, [f32]>, RunError> {
    Ok(match tensor.data() {
        Data::F32(values) => Cow::Borrowed(values),
        Data::I64(values) => values.iter().map(|v| *v as f32).collect(),
        Data::I32(values) => values.iter().map(|v| *v as f32).collect(),
        Data::Bool(values) => values.iter().map(|v| f32::from(u8::from(*v))).collect(),
        other => return Err(RunError::Engine(format!("{} elements are not supported here", other.dtype()))),
    })
}

/// Rows and columns of a matrix; a vector is one row, as ONNX-ML has it.
fn matrix(tensor: &Tensor) -> (usize, usize) {
    let shape = tensor.shape();
    match shape.len() {
        0 => (1, 1),
        1 => (1, shape[0]),
        _ => (shape.rows(), shape.row_elements()),
    }
}

/// Joins a shape and the values an operator computed for it.
fn tensor<T: Element>(shape: impl Into<Shape>, values: Vec<T>) -> Result<Tensor, RunError> {
    Tensor::of(shape, values).map_err(|error| RunError::Engine(error.to_string()))
}

fn one(tensor: Tensor) -> Outputs {
    let mut outputs = Outputs::new();
    outputs.push(tensor);
    outputs
}

fn two(first: Tensor, second: Tensor) -> Outputs {
    let mut outputs = one(first);
    outputs.push(second);
    outputs
}

/// A dtype in an error about what the file asks for.
fn unsupported(dtype: DType) -> RunError {
    RunError::Engine(format!("{dtype} elements are not supported here"))
}
