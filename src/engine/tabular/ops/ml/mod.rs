//! Operators of `ai.onnx.ml` other than trees.

pub mod categories;
pub mod coupling;
pub mod encode;
pub mod exponent;
pub mod features;
pub mod kernel;
pub mod labels;
pub mod linear;
pub mod normalize;
pub mod scale;
pub mod svm;
