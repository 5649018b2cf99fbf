//! Bytes as a gRPC inference request.
#![no_main]

use tidegate::front::bench::parse_grpc;
use tidegate_fuzz::{VERSIONS, bounded, watch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    for version in &*VERSIONS {
        bounded(bytes.len(), || parse_grpc(bytes::Bytes::copy_from_slice(bytes), version));
    }
});
