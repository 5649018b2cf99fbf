//! Bytes as an inference request with raw tensors: the first two say how much of the rest is JSON.
#![no_main]

use tidegate::front::bench::parse_binary;
use tidegate_fuzz::{VERSIONS, bounded, watch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    let Some((length, body)) = bytes.split_first_chunk::<2>() else { return };
    let json = usize::from(u16::from_le_bytes(*length)).min(body.len());
    let body = bytes::Bytes::copy_from_slice(body);
    for version in &*VERSIONS {
        bounded(bytes.len(), || parse_binary(&body, json, version));
    }
});
