//! The elements of a tensor: one buffer, its element type known at run time.

use super::{Buffer, DType};
use half::{bf16, f16};
use std::ops::Range;
use std::sync::Arc;

/// Elements of one type in row-major order.
///
/// Text is shared (`Arc<str>`), so that class labels cost no copy per row.
#[derive(Clone, Debug)]
pub enum Data {
    Bool(Vec<bool>),
    U8(Buffer<u8>),
    U16(Buffer<u16>),
    U32(Buffer<u32>),
    U64(Buffer<u64>),
    I8(Buffer<i8>),
    I16(Buffer<i16>),
    I32(Buffer<i32>),
    I64(Buffer<i64>),
    F16(Buffer<f16>),
    BF16(Buffer<bf16>),
    F32(Buffer<f32>),
    F64(Buffer<f64>),
    Str(Vec<Arc<str>>),
}

/// Runs one expression for whichever vector a [`Data`] holds: `each!(data, v => v.len())`.
#[macro_export]
#[doc(hidden)]
macro_rules! each_data {
    ($data:expr, $v:ident => $body:expr) => {
        match $data {
            $crate::tensor::Data::Bool($v) => $body,
            $crate::tensor::Data::U8($v) => $body,
            $crate::tensor::Data::U16($v) => $body,
            $crate::tensor::Data::U32($v) => $body,
            $crate::tensor::Data::U64($v) => $body,
            $crate::tensor::Data::I8($v) => $body,
            $crate::tensor::Data::I16($v) => $body,
            $crate::tensor::Data::I32($v) => $body,
            $crate::tensor::Data::I64($v) => $body,
            $crate::tensor::Data::F16($v) => $body,
            $crate::tensor::Data::BF16($v) => $body,
            $crate::tensor::Data::F32($v) => $body,
            $crate::tensor::Data::F64($v) => $body,
            $crate::tensor::Data::Str($v) => $body,
        }
    };
}
pub use each_data as each;

/// A Rust type that can be a tensor's element.
pub trait Element: Clone + Default + Send + Sync + 'static {
    const DTYPE: DType;
    fn wrap(values: Vec<Self>) -> Data;
    fn slice(data: &Data) -> Option<&[Self]>;
    fn vec_mut(data: &mut Data) -> Option<&mut Vec<Self>>;
}

macro_rules! element {
    ($($ty:ty => $variant:ident as $vec:expr),* $(,)?) => {$(
        impl Element for $ty {
            const DTYPE: DType = DType::$variant;

            fn wrap(values: Vec<Self>) -> Data {
                Data::$variant(values.into())
            }

            fn slice(data: &Data) -> Option<&[Self]> {
                match data {
                    Data::$variant(values) => Some(values),
                    _ => None,
                }
            }

            fn vec_mut(data: &mut Data) -> Option<&mut Vec<Self>> {
                match data {
                    Data::$variant(values) => Some($vec(values)),
                    _ => None,
                }
            }
        }
    )*};
}

element!(
    bool => Bool as std::convert::identity, Arc<str> => Str as std::convert::identity,
    u8 => U8 as Buffer::to_mut, u16 => U16 as Buffer::to_mut, u32 => U32 as Buffer::to_mut,
    u64 => U64 as Buffer::to_mut, i8 => I8 as Buffer::to_mut, i16 => I16 as Buffer::to_mut,
    i32 => I32 as Buffer::to_mut, i64 => I64 as Buffer::to_mut, f16 => F16 as Buffer::to_mut,
    bf16 => BF16 as Buffer::to_mut, f32 => F32 as Buffer::to_mut, f64 => F64 as Buffer::to_mut,
);

impl Data {
    /// An empty buffer with room for `capacity` elements.
    pub fn with_capacity(dtype: DType, capacity: usize) -> Self {
        match dtype {
            DType::Bool => Self::Bool(Vec::with_capacity(capacity)),
            DType::U8 => Self::U8(Vec::with_capacity(capacity).into()),
            DType::U16 => Self::U16(Vec::with_capacity(capacity).into()),
            DType::U32 => Self::U32(Vec::with_capacity(capacity).into()),
            DType::U64 => Self::U64(Vec::with_capacity(capacity).into()),
            DType::I8 => Self::I8(Vec::with_capacity(capacity).into()),
            DType::I16 => Self::I16(Vec::with_capacity(capacity).into()),
            DType::I32 => Self::I32(Vec::with_capacity(capacity).into()),
            DType::I64 => Self::I64(Vec::with_capacity(capacity).into()),
            DType::F16 => Self::F16(Vec::with_capacity(capacity).into()),
            DType::BF16 => Self::BF16(Vec::with_capacity(capacity).into()),
            DType::F32 => Self::F32(Vec::with_capacity(capacity).into()),
            DType::F64 => Self::F64(Vec::with_capacity(capacity).into()),
            DType::Str => Self::Str(Vec::with_capacity(capacity)),
        }
    }

    /// `count` zeros; of text, empty ones.
    pub fn zeros(dtype: DType, count: usize) -> Self {
        fn of<T: Element>(_: &[T], count: usize) -> Data {
            T::wrap(vec![T::default(); count])
        }
        each!(&Self::with_capacity(dtype, 0), v => of(v, count))
    }

    pub fn dtype(&self) -> DType {
        fn of<T: Element>(_: &[T]) -> DType {
            T::DTYPE
        }
        each!(self, v => of(v))
    }

    pub fn len(&self) -> usize {
        each!(self, v => v.len())
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held by the elements, text included.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Str(values) => values.iter().map(|text| text.len() + DType::Str.size()).sum(),
            other => other.len() * other.dtype().size(),
        }
    }

    /// A copy of elements `from..to`.
    pub fn slice(&self, from: usize, to: usize) -> Self {
        each!(self, v => Element::wrap(v[from..to].to_vec()))
    }

    /// Appends a range of a buffer of the same type; answers `false`, changing nothing, where types differ.
    pub fn append(&mut self, other: &Self, range: Range<usize>) -> bool {
        fn extend<T: Element>(into: &mut Data, from: &[T]) -> bool {
            match T::vec_mut(into) {
                Some(values) => {
                    values.extend_from_slice(from);
                    true
                }
                None => false,
            }
        }
        each!(other, v => extend(self, &v[range]))
    }
}
