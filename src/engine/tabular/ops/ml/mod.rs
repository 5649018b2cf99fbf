//! Operators of `ai.onnx.ml` other than trees.

pub mod encode;
pub mod linear;
pub mod scale;
