//! Plain values that every floor above speaks in: element types, shapes and dense tensors.
//!
//! Nothing here knows of a model, a request or a thread. A [`Tensor`] is row-major; where a model
//! has a batch axis it is axis 0, and "row" means one index of that axis.

#[cfg(test)]
pub mod arbitrary;
mod buffer;
mod data;
mod dtype;
mod shape;
mod value;

pub use buffer::Buffer;
pub use data::{Data, Element, each};
pub use dtype::{DType, UnknownDType};
pub use shape::Shape;
pub use value::{Tensor, TensorError};
