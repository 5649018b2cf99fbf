//! ONNX files: decode, rewrite what no engine should see, choose the engine and say why.

mod attributes;
mod choose;
mod constant;
mod decode;
mod dense;
mod dictionary;
mod graph;
mod weigh;
mod zipmap;

pub use attributes::Attributes;
pub use choose::{import, import_with};
pub(crate) use constant::dtype;
#[doc(hidden)]
pub use constant::tensor;
pub use dense::lower_dense;
pub use graph::{Domain, Graph, Node};

/// The decoded protobuf, as tract ships it: one definition for both engines.
pub use tract_onnx::pb;
