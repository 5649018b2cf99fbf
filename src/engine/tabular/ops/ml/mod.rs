//! Operators of `ai.onnx.ml` other than trees.

pub mod categories;
pub mod coupling;
mod dot;
pub mod encode;
mod exponent;
pub mod features;
pub mod kernel;
pub mod labels;
pub mod linear;
pub mod normalize;
pub mod scale;
pub mod svm;
