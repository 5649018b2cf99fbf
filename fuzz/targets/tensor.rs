//! JSON as a tensor: the first byte chooses the type, the rest is the text. What was read is
//! written and read again, where it is a list.
#![no_main]

use tidegate::json::{Elements, NonFinite, Reader, nested, write_nested};
use tidegate::tensor::{DType, Data, Tensor};
use tidegate_fuzz::{DTYPES, bounded, watch};

const DEPTH: usize = 64;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    watch();
    let Some((first, text)) = bytes.split_first() else { return };
    let dtype = DTYPES[usize::from(*first) % DTYPES.len()];
    let Some(tensor) = bounded(bytes.len(), || read(text, dtype)) else { return };
    assert!(Reader::new(text, DEPTH).skip().is_ok(), "what can be read can be skipped");
    if tensor.shape().is_empty() {
        return;
    }
    let mut written = Vec::new();
    write_nested(&mut written, tensor.data(), tensor.shape(), 0, NonFinite::Token);
    let again = read(&written, dtype).expect("what was written");
    assert_eq!((again.shape(), shown(again.data())), (tensor.shape(), shown(tensor.data())));
});

fn read(text: &[u8], dtype: DType) -> Option<Tensor> {
    let mut elements = Elements::new(dtype, 0);
    let shape = nested(&mut Reader::new(text, DEPTH), &mut elements).ok()?;
    Some(Tensor::new(shape, elements.data).expect("a shape that holds the elements"))
}

/// NaN equals itself here.
fn shown(data: &Data) -> String {
    format!("{data:?}")
}
