//! What the fuzz targets share: the bound on memory, whose panics count, and one made-up batch.
//!
//! What must hold: any file ends in a model or in an error, within two seconds, with no panic of
//! ours, and with memory in proportion to the file.

mod drive;
mod ensemble;
mod memory;
mod operators;
mod panics;
mod proto;
mod versions;

pub use drive::{drive, import, import_native};
pub use ensemble::Ensemble;
pub use memory::bounded;
pub use operators::Operators;
pub use panics::watch;
pub use versions::VERSIONS;

use tidegate::tensor::DType;

/// Every type of element.
pub const DTYPES: [DType; 14] = [
    DType::Bool,
    DType::U8,
    DType::U16,
    DType::U32,
    DType::U64,
    DType::I8,
    DType::I16,
    DType::I32,
    DType::I64,
    DType::F16,
    DType::BF16,
    DType::F32,
    DType::F64,
    DType::Str,
];
