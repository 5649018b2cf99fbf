//! From the bytes of a file to the answers for one batch.

use crate::{bounded, watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tidegate::engine::{Dim, Extras, Format, LoadError, Loaded, Options, Signature, TensorSpec, onnx};
use tidegate::tensor::{Data, Tensor};

const ROWS: usize = 3;
/// Wider rows are the server's to refuse, which looks at a model's signature before it runs it.
const WIDEST_ROW: usize = 1 << 12;

/// Loads an ONNX file and runs it.
pub fn import(bytes: &[u8]) {
    load(bytes.len(), || onnx::import(bytes, None));
}

/// Loads a file of a training library and runs it, with all that it can give.
pub fn import_native(format: Format, bytes: &[u8]) {
    let options = Options { extras: Extras { margin: true, leaf: true }, double: false };
    load(bytes.len(), || tidegate::engine::import(format, bytes, options, None));
}

fn load(bytes: usize, import: impl FnOnce() -> Result<Loaded, LoadError>) {
    watch();
    let tried = || bounded(bytes, import).map(|loaded| drive(&loaded));
    let _ = catch_unwind(AssertUnwindSafe(tried));
}

/// Runs one made-up batch.
pub fn drive(loaded: &Loaded) {
    let model = loaded.model.as_ref();
    let _ = (model.describe(), model.memory_bytes());
    let signature = model.signature();
    let Some(inputs) = made_up(signature) else { return };
    signature.check(&inputs).expect("made for this signature");
    let Ok(mut session) = model.session() else { return };
    if let Ok(outputs) = session.run(&inputs) {
        assert_eq!(outputs.len(), signature.outputs.len());
    }
}

fn made_up(signature: &Signature) -> Option<Vec<Tensor>> {
    signature.inputs.iter().map(|spec| input(spec, signature.batchable())).collect()
}

fn input(spec: &TensorSpec, batchable: bool) -> Option<Tensor> {
    let length = |(axis, dim): (usize, &Dim)| match dim {
        Dim::Fixed(n) => *n,
        Dim::Any(_) if axis == 0 && batchable => ROWS,
        Dim::Any(_) => 1,
    };
    let dims: Vec<usize> = spec.dims.iter().enumerate().map(length).collect();
    let elements = dims.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim))?;
    if elements > ROWS * WIDEST_ROW {
        return None;
    }
    let mut data = Data::zeros(spec.dtype, elements);
    vary(&mut data);
    Tensor::new(dims.as_slice(), data).ok()
}

/// Values that go either way at most splits, and those that numbers are feared for.
fn vary(data: &mut Data) {
    let values = [0.5, -1.0, f64::NAN, 2.5, 1e30, f64::INFINITY, 7.0, -0.0];
    let value = |at: usize| values[at % values.len()];
    match data {
        Data::F32(data) => data.iter_mut().enumerate().for_each(|(at, x)| *x = value(at) as f32),
        Data::F64(data) => data.iter_mut().enumerate().for_each(|(at, x)| *x = value(at)),
        Data::I32(data) => data.iter_mut().enumerate().for_each(|(at, x)| *x = value(at) as i32),
        Data::I64(data) => data.iter_mut().enumerate().for_each(|(at, x)| *x = value(at) as i64),
        Data::Str(data) => data.iter_mut().enumerate().for_each(|(at, x)| *x = ["a", "", "north"][at % 3].into()),
        _ => {}
    }
}
