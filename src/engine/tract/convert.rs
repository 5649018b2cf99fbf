//! Our tensors to tract's and back.

use crate::engine::RunError;
use crate::tensor::{DType, Data, Element, Shape, Tensor};
use half::f16;
use tract_onnx::prelude::{DatumType, Tensor as TractTensor, TractError};
use tract_onnx::tract_hir::internal::Datum;

/// tract's element type for ours, where it has one that a network may take.
pub fn datum_type(dtype: DType) -> Option<DatumType> {
    Some(match dtype {
        DType::Bool => DatumType::Bool,
        DType::U8 => DatumType::U8,
        DType::U16 => DatumType::U16,
        DType::U32 => DatumType::U32,
        DType::U64 => DatumType::U64,
        DType::I8 => DatumType::I8,
        DType::I16 => DatumType::I16,
        DType::I32 => DatumType::I32,
        DType::I64 => DatumType::I64,
        DType::F16 => DatumType::F16,
        DType::F32 => DatumType::F32,
        DType::F64 => DatumType::F64,
        DType::BF16 | DType::Str => return None,
    })
}

/// Whether tract has elements of this type.
pub fn takes(dtype: DType) -> bool {
    datum_type(dtype).is_some()
}

/// Copies a tensor into tract's aligned memory.
pub fn to_tract(tensor: &Tensor) -> Result<TractTensor, RunError> {
    fn copy<T: Datum + Copy>(shape: &Shape, values: &[T]) -> Result<TractTensor, RunError> {
        TractTensor::from_shape(shape, values).map_err(engine)
    }
    let shape = tensor.shape();
    match tensor.data() {
        Data::Bool(v) => copy(shape, v),
        Data::U8(v) => copy(shape, v),
        Data::U16(v) => copy(shape, v),
        Data::U32(v) => copy(shape, v),
        Data::U64(v) => copy(shape, v),
        Data::I8(v) => copy(shape, v),
        Data::I16(v) => copy(shape, v),
        Data::I32(v) => copy(shape, v),
        Data::I64(v) => copy(shape, v),
        Data::F16(v) => copy(shape, v),
        Data::F32(v) => copy(shape, v),
        Data::F64(v) => copy(shape, v),
        Data::BF16(_) | Data::Str(_) => Err(RunError::Engine(format!("tract takes no {} elements", tensor.dtype()))),
    }
}

/// Copies an answer out, cast to the type the signature promises (tract may answer `TDim` for integers).
pub fn from_tract(tensor: &TractTensor, dtype: DType) -> Result<Tensor, RunError> {
    let wanted = datum_type(dtype).ok_or_else(|| RunError::Engine(format!("tract gives no {dtype} elements")))?;
    let cast = tensor.cast_to_dt(wanted).map_err(engine)?;
    fn copy<T: Datum + Copy + Element>(tensor: &TractTensor) -> Result<Tensor, RunError> {
        let view = tensor.to_plain_array_view::<T>().map_err(engine)?;
        Tensor::of(tensor.shape(), view.iter().copied().collect()).map_err(|error| RunError::Engine(error.to_string()))
    }
    match dtype {
        DType::Bool => copy::<bool>(&cast),
        DType::U8 => copy::<u8>(&cast),
        DType::U16 => copy::<u16>(&cast),
        DType::U32 => copy::<u32>(&cast),
        DType::U64 => copy::<u64>(&cast),
        DType::I8 => copy::<i8>(&cast),
        DType::I16 => copy::<i16>(&cast),
        DType::I32 => copy::<i32>(&cast),
        DType::I64 => copy::<i64>(&cast),
        DType::F16 => copy::<f16>(&cast),
        DType::F32 => copy::<f32>(&cast),
        DType::F64 => copy::<f64>(&cast),
        DType::BF16 | DType::Str => Err(RunError::Engine(format!("tract gives no {dtype} elements"))),
    }
}

/// tract's chain of reasons in one line.
fn engine(error: impl std::borrow::Borrow<TractError>) -> RunError {
    RunError::Engine(words(error.borrow()))
}

pub fn words(error: &TractError) -> String {
    format!("{error:#}").replace('\n', " ")
}
