//! Tensor data of every type, for tests that go through a wire and back.

use super::{Data, Element};
use half::{bf16, f16};
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

/// Up to 39 elements of any type, floats of any bits.
pub fn any_data() -> impl Strategy<Value = Data> {
    let length = 0..40usize;
    prop_oneof![
        vec(any::<bool>(), length.clone()).prop_map(Data::Bool),
        vec(any::<u8>(), length.clone()).prop_map(u8::wrap),
        vec(any::<u16>(), length.clone()).prop_map(u16::wrap),
        vec(any::<u32>(), length.clone()).prop_map(u32::wrap),
        vec(any::<u64>(), length.clone()).prop_map(u64::wrap),
        vec(any::<i8>(), length.clone()).prop_map(i8::wrap),
        vec(any::<i16>(), length.clone()).prop_map(i16::wrap),
        vec(any::<i32>(), length.clone()).prop_map(i32::wrap),
        vec(any::<i64>(), length.clone()).prop_map(i64::wrap),
        vec(any::<u16>(), length.clone()).prop_map(|bits| Data::F16(bits.into_iter().map(f16::from_bits).collect())),
        vec(any::<u16>(), length.clone()).prop_map(|bits| Data::BF16(bits.into_iter().map(bf16::from_bits).collect())),
        vec(any::<u32>(), length.clone()).prop_map(|bits| Data::F32(bits.into_iter().map(f32::from_bits).collect())),
        vec(any::<u64>(), length.clone()).prop_map(|bits| Data::F64(bits.into_iter().map(f64::from_bits).collect())),
        vec(any::<String>(), length).prop_map(|texts| Data::Str(texts.into_iter().map(Arc::from).collect())),
    ]
}
