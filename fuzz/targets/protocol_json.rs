//! Bytes as an inference request in JSON, and as a plain one.
#![no_main]

use tidegate::front::bench::{parse_oip, parse_plain};
use tidegate_fuzz::{VERSIONS, bounded, watch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    let body = bytes::Bytes::copy_from_slice(bytes);
    for version in &*VERSIONS {
        bounded(bytes.len(), || parse_oip(&body, version));
        bounded(bytes.len(), || parse_plain(bytes, version));
    }
});
