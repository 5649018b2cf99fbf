//! Bytes as golden.json, held against a model that takes one wide input, one that takes a column of
//! numbers or text for each feature, and a signature with every type.
#![no_main]

use std::sync::LazyLock;
use tidegate::engine::conformance::{Case, golden as judge};
use tidegate::engine::{Dim, Loaded, Signature, TensorSpec, golden, onnx};
use tidegate::tensor::DType;
use tidegate_fuzz::{DTYPES, bounded, watch};

static MODELS: LazyLock<Vec<Loaded>> = LazyLock::new(|| {
    let files: [&[u8]; 2] =
        [include_bytes!("../../models/wine/1/model.onnx"), include_bytes!("../../models/churn/1/model.onnx")];
    files.map(|bytes| onnx::import(bytes, None).expect("a bundled model")).into()
});

static EVERY_TYPE: LazyLock<Signature> = LazyLock::new(|| {
    let dims = || vec![Dim::Any(None), Dim::Any(None), Dim::Fixed(2)];
    let output = TensorSpec::new("y", DType::F64, dims());
    let inputs = DTYPES.map(|dtype| TensorSpec::new(dtype.name(), dtype, dims()));
    Signature::new(inputs.into(), vec![output])
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    let models = &*MODELS;
    let read = |signature: &Signature| -> Vec<Case> {
        bounded(bytes.len(), || golden::read(bytes, signature).unwrap_or_default())
    };
    for model in models {
        let cases = read(model.model.signature());
        let _ = judge(model.model.as_ref(), &cases);
    }
    read(&EVERY_TYPE);
});
