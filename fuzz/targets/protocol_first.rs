//! Bytes as a request of KServe v1, TF Serving and MLflow, JSON and CSV.
#![no_main]

use tidegate::front::bench::{parse_csv, parse_mlflow, parse_v1};
use tidegate_fuzz::{VERSIONS, bounded, watch};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    for version in &*VERSIONS {
        bounded(bytes.len(), || parse_v1(bytes, version));
        bounded(bytes.len(), || parse_mlflow(bytes, version));
        bounded(bytes.len(), || parse_csv(bytes, version));
    }
});
