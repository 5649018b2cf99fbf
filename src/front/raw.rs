//! Tensors as raw bytes: little-endian, row-major, one after the other.
//!
//! The form of the binary tensor extension and of gRPC's raw contents. A truth value takes one byte;
//! a `BYTES` element is its length as four bytes, then its text.

use crate::tensor::{Buffer, DType, Data, Shape, Tensor};
use bytemuck::{Pod, cast_slice, cast_slice_mut};
use bytes::Bytes;
use std::sync::Arc;

/// Numbers are copied as they lie in memory.
const _: () = assert!(cfg!(target_endian = "little"), "raw tensors are little-endian on the wire");

/// Fewer bytes are copied in a few microseconds, and would keep a connection's whole buffer with them.
const WORTH_SHARING: usize = 64 << 10;

/// Bytes of the length before a `BYTES` element.
const PREFIX: usize = 4;

/// Why bytes are no tensor of the wanted type and shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    #[error("got unexpected byte size {got}, expected {expected} for shape {shape} of {dtype}")]
    Size { dtype: DType, shape: Shape, expected: usize, got: usize },
    #[error("shape {0} has more elements than memory can address")]
    Overflow(Shape),
    #[error("element {index}: the length before it says {wants} bytes, but {left} are left")]
    Short { index: usize, wants: usize, left: usize },
    #[error("element {index} is not UTF-8 text")]
    NotText { index: usize },
    #[error("expected {expected} elements for shape {shape}, got {got}{}", if *.more { " and more" } else { "" })]
    Count { shape: Shape, expected: usize, got: usize, more: bool },
}

/// Reads a tensor, without a copy where its numbers are many and lie aligned for their type. Memory is set aside for bytes
/// that are there, not for what a shape promises.
pub fn decode(dtype: DType, shape: Shape, bytes: Bytes) -> Result<Tensor, RawError> {
    let elements = shape.elements().ok_or_else(|| RawError::Overflow(shape.clone()))?;
    let data = match dtype {
        DType::Str => Data::Str(texts(&shape, elements, &bytes)?),
        _ => {
            let expected = elements.checked_mul(dtype.size()).ok_or_else(|| RawError::Overflow(shape.clone()))?;
            if bytes.len() != expected {
                return Err(RawError::Size { dtype, shape, expected, got: bytes.len() });
            }
            numbers(dtype, bytes)
        }
    };
    let count = data.len();
    Tensor::new(shape.clone(), data).map_err(|_| RawError::Count { shape, expected: elements, got: count, more: false })
}

/// Bytes of whole elements, each type into its own buffer.
fn numbers(dtype: DType, bytes: Bytes) -> Data {
    match dtype {
        // As in C, whatever is not zero is true.
        DType::Bool => Data::Bool(bytes.iter().map(|byte| *byte != 0).collect()),
        DType::U8 => Data::U8(buffer(bytes)),
        DType::U16 => Data::U16(buffer(bytes)),
        DType::U32 => Data::U32(buffer(bytes)),
        DType::U64 => Data::U64(buffer(bytes)),
        DType::I8 => Data::I8(buffer(bytes)),
        DType::I16 => Data::I16(buffer(bytes)),
        DType::I32 => Data::I32(buffer(bytes)),
        DType::I64 => Data::I64(buffer(bytes)),
        DType::F16 => Data::F16(buffer(bytes)),
        DType::BF16 => Data::BF16(buffer(bytes)),
        DType::F32 => Data::F32(buffer(bytes)),
        DType::F64 => Data::F64(buffer(bytes)),
        DType::Str => Data::Str(Vec::new()),
    }
}

/// The bytes as they lie, or the one copy into a vector that is aligned for its type.
fn buffer<T: Pod>(bytes: Bytes) -> Buffer<T> {
    let view = if bytes.len() < WORTH_SHARING { None } else { Buffer::view(bytes.clone()) };
    view.unwrap_or_else(|| {
        let mut values = vec![T::zeroed(); bytes.len() / size_of::<T>()];
        cast_slice_mut(&mut values).copy_from_slice(&bytes);
        values.into()
    })
}

fn texts(shape: &Shape, expected: usize, bytes: &[u8]) -> Result<Vec<Arc<str>>, RawError> {
    let mut texts = Vec::with_capacity(expected.min(bytes.len() / PREFIX));
    let mut rest = bytes;
    while !rest.is_empty() {
        let index = texts.len();
        if index == expected {
            return Err(RawError::Count { shape: shape.clone(), expected, got: index, more: true });
        }
        let short = |wants: usize, left: usize| RawError::Short { index, wants, left };
        let (prefix, behind) = rest.split_first_chunk::<PREFIX>().ok_or_else(|| short(PREFIX, rest.len()))?;
        let length = usize::try_from(u32::from_le_bytes(*prefix)).unwrap_or(usize::MAX);
        let (element, behind) = behind.split_at_checked(length).ok_or_else(|| short(length, behind.len()))?;
        texts.push(text(element, index)?);
        rest = behind;
    }
    match texts.len() {
        got if got == expected => Ok(texts),
        got => Err(RawError::Count { shape: shape.clone(), expected, got, more: false }),
    }
}

/// One `BYTES` element. Text is UTF-8 throughout, as the models' own is.
pub fn text(bytes: &[u8], index: usize) -> Result<Arc<str>, RawError> {
    std::str::from_utf8(bytes).map(Arc::from).map_err(|_| RawError::NotText { index })
}

/// Bytes that a tensor takes.
pub fn encoded_len(data: &Data) -> usize {
    match data {
        Data::Str(texts) => texts.iter().map(|text| PREFIX + text.len()).sum(),
        other => other.len() * other.dtype().size(),
    }
}

/// Appends a tensor's bytes.
pub fn encode(out: &mut Vec<u8>, data: &Data) {
    match data {
        Data::Bool(values) => out.extend(values.iter().map(|value| u8::from(*value))),
        Data::U8(values) => out.extend_from_slice(values),
        Data::U16(values) => out.extend_from_slice(cast_slice(values)),
        Data::U32(values) => out.extend_from_slice(cast_slice(values)),
        Data::U64(values) => out.extend_from_slice(cast_slice(values)),
        Data::I8(values) => out.extend_from_slice(cast_slice(values)),
        Data::I16(values) => out.extend_from_slice(cast_slice(values)),
        Data::I32(values) => out.extend_from_slice(cast_slice(values)),
        Data::I64(values) => out.extend_from_slice(cast_slice(values)),
        Data::F16(values) => out.extend_from_slice(cast_slice(values)),
        Data::BF16(values) => out.extend_from_slice(cast_slice(values)),
        Data::F32(values) => out.extend_from_slice(cast_slice(values)),
        Data::F64(values) => out.extend_from_slice(cast_slice(values)),
        Data::Str(texts) => texts.iter().for_each(|text| {
            // Longer texts than four bytes can count do not come into being: a body is bounded far below.
            out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::arbitrary::any_data;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_type_comes_back_bit_for_bit(data in any_data(), skew in 0..8usize) {
            let mut bytes = vec![0xa5; skew];
            encode(&mut bytes, &data);
            prop_assert_eq!(bytes.len() - skew, encoded_len(&data));
            // Behind `skew` bytes the tensor lies as it may: nothing needs it to be aligned.
            let read = decode(data.dtype(), Shape::from([data.len()]), Bytes::copy_from_slice(&bytes).slice(skew..)).expect("its own bytes");
            let mut again = vec![0xa5; skew];
            encode(&mut again, read.data());
            prop_assert_eq!(bytes, again);
        }

        #[test]
        fn any_bytes_are_a_tensor_or_an_error(bytes: Vec<u8>, dims in proptest::collection::vec(0..5usize, 0..4)) {
            for dtype in [DType::Bool, DType::I16, DType::F64, DType::Str] {
                let _ = decode(dtype, dims.as_slice().into(), bytes.clone().into());
            }
        }
    }

    #[test]
    fn aligned_numbers_stay_where_they_lie() {
        let body = Bytes::from(vec![0; WORTH_SHARING + 16]);
        let aligned = body.as_ptr().align_offset(8);
        for (size, skew) in (0..8).flat_map(|skew| [(WORTH_SHARING, skew), (WORTH_SHARING - 4, skew)]) {
            let piece = body.slice(aligned + skew..aligned + skew + size);
            let place = piece.as_ptr();
            let read = decode(DType::F32, Shape::from([size / 4]), piece).expect("as many numbers");
            let Data::F32(values) = read.data() else { panic!("another type") };
            let shared = size == WORTH_SHARING && skew % 4 == 0;
            assert_eq!((values.is_shared(), values.as_ptr().cast() == place), (shared, shared), "{size} {skew}");
        }
    }

    #[test]
    fn wrong_sizes_say_what_was_expected() {
        let error = |dtype, dims: &[usize], bytes: &[u8]| {
            decode(dtype, dims.into(), Bytes::copy_from_slice(bytes)).expect_err("wrong").to_string()
        };
        assert_eq!(
            error(DType::F32, &[1, 3], &[0; 8]),
            "got unexpected byte size 8, expected 12 for shape [1,3] of FP32"
        );
        assert_eq!(error(DType::Str, &[2], &[1, 0, 0, 0, b'a']), "expected 2 elements for shape [2], got 1");
        assert_eq!(
            error(DType::Str, &[1], &[1, 0, 0, 0, b'a', 0, 0, 0, 0]),
            "expected 1 elements for shape [1], got 1 and more"
        );
        assert_eq!(
            error(DType::Str, &[1], &[255, 255, 255, 255, b'a']),
            "element 0: the length before it says 4294967295 bytes, but 1 are left"
        );
        assert_eq!(error(DType::Str, &[1], &[2, 0, 0, 0, 0xff, 0xfe]), "element 0 is not UTF-8 text");
        assert_eq!(
            error(DType::F64, &[usize::MAX], &[]),
            format!("shape [{}] has more elements than memory can address", usize::MAX)
        );
    }

    #[test]
    fn text_keeps_its_zeros() {
        let data = Data::Str(vec!["a\0b".into(), "".into(), "\u{1f30a}".into()]);
        let mut bytes = Vec::new();
        encode(&mut bytes, &data);
        assert_eq!(bytes, b"\x03\0\0\0a\0b\0\0\0\0\x04\0\0\0\xf0\x9f\x8c\x8a");
        let read = decode(DType::Str, Shape::from([3]), bytes.into()).expect("its own bytes");
        assert!(matches!(read.data(), Data::Str(texts) if &*texts[0] == "a\0b"));
    }
}
