//! Bytes as XGBoost's JSON.
#![no_main]

use tidegate::engine::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidegate_fuzz::import_native(Format::Json, bytes));
