//! `TensorProto` to our own tensors.

use super::pb::{self, tensor_proto::DataType};
use crate::tensor::{DType, Data, Tensor};
use half::{bf16, f16};
use std::sync::Arc;

/// Our element type for ONNX's.
pub fn dtype(code: i32) -> Result<DType, String> {
    let known = DataType::try_from(code).map_err(|_| format!("unknown element type {code}"))?;
    Ok(match known {
        DataType::Bool => DType::Bool,
        DataType::Uint8 => DType::U8,
        DataType::Uint16 => DType::U16,
        DataType::Uint32 => DType::U32,
        DataType::Uint64 => DType::U64,
        DataType::Int8 => DType::I8,
        DataType::Int16 => DType::I16,
        DataType::Int32 => DType::I32,
        DataType::Int64 => DType::I64,
        DataType::Float16 => DType::F16,
        DataType::Bfloat16 => DType::BF16,
        DataType::Float => DType::F32,
        DataType::Double => DType::F64,
        DataType::String => DType::Str,
        other => return Err(format!("element type {} is not supported", other.as_str_name())),
    })
}

/// Decodes one stored tensor.
pub fn tensor(proto: &pb::TensorProto) -> Result<Tensor, String> {
    let named = |words: String| format!("tensor '{}': {words}", proto.name);
    if proto.data_location == Some(pb::tensor_proto::DataLocation::External as i32) {
        return Err(named("its data lies in another file; export the model with its weights inside".into()));
    }
    let dims: Vec<usize> = proto
        .dims
        .iter()
        .map(|&dim| usize::try_from(dim).map_err(|_| named(format!("negative axis {dim}"))))
        .collect::<Result<_, _>>()?;
    let dtype = dtype(proto.data_type).map_err(named)?;
    let data =
        if proto.raw_data.is_empty() { typed(proto, dtype) } else { raw(&proto.raw_data, dtype).map_err(named)? };
    Tensor::new(dims.as_slice(), data).map_err(|error| named(error.to_string()))
}

/// Little-endian bytes, as ONNX stores them.
fn raw(bytes: &[u8], dtype: DType) -> Result<Data, String> {
    macro_rules! read {
        ($ty:ty, $variant:ident) => {{
            const SIZE: usize = size_of::<$ty>();
            let (values, rest) = bytes.as_chunks::<SIZE>();
            if !rest.is_empty() {
                return Err(format!("{} bytes are no whole number of {dtype} elements", bytes.len()));
            }
            Data::$variant(values.iter().map(|chunk| <$ty>::from_le_bytes(*chunk)).collect())
        }};
    }
    Ok(match dtype {
        DType::Bool => Data::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        DType::U8 => Data::U8(bytes.to_vec().into()),
        DType::U16 => read!(u16, U16),
        DType::U32 => read!(u32, U32),
        DType::U64 => read!(u64, U64),
        DType::I8 => read!(i8, I8),
        DType::I16 => read!(i16, I16),
        DType::I32 => read!(i32, I32),
        DType::I64 => read!(i64, I64),
        DType::F16 => read!(f16, F16),
        DType::BF16 => read!(bf16, BF16),
        DType::F32 => read!(f32, F32),
        DType::F64 => read!(f64, F64),
        DType::Str => return Err("text cannot be stored as raw bytes".into()),
    })
}

/// The typed fields; small integers and half floats share `int32_data`, as ONNX has it.
fn typed(proto: &pb::TensorProto, dtype: DType) -> Data {
    let ints = || proto.int32_data.iter();
    match dtype {
        DType::Bool => Data::Bool(ints().map(|v| *v != 0).collect()),
        DType::U8 => Data::U8(ints().map(|v| *v as u8).collect()),
        DType::U16 => Data::U16(ints().map(|v| *v as u16).collect()),
        DType::I8 => Data::I8(ints().map(|v| *v as i8).collect()),
        DType::I16 => Data::I16(ints().map(|v| *v as i16).collect()),
        DType::I32 => Data::I32(proto.int32_data.clone().into()),
        DType::F16 => Data::F16(ints().map(|v| f16::from_bits(*v as u16)).collect()),
        DType::BF16 => Data::BF16(ints().map(|v| bf16::from_bits(*v as u16)).collect()),
        DType::U32 => Data::U32(proto.uint64_data.iter().map(|v| *v as u32).collect()),
        DType::U64 => Data::U64(proto.uint64_data.clone().into()),
        DType::I64 => Data::I64(proto.int64_data.clone().into()),
        DType::F32 => Data::F32(proto.float_data.clone().into()),
        DType::F64 => Data::F64(proto.double_data.clone().into()),
        DType::Str => {
            Data::Str(proto.string_data.iter().map(|text| Arc::from(String::from_utf8_lossy(text))).collect())
        }
    }
}
