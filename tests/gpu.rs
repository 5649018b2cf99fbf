//! Models on the GPU beside the same on the CPU: the same leaves, the same scores to the bit, the same
//! answer for a row whatever batch it came in.
//!
//! The GPU is `tests/cuda`'s: the kernels' own sources, compiled for the processor, behind the driver's
//! interface. All that calls the driver is the program's own.

mod common;

use common::cuda;
use proptest::prelude::*;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tidegate::engine::conformance::{self, Case, Closeness};
use tidegate::engine::device::{Accelerator, Device, Precision, Settings, Taken, Where, Work};
use tidegate::engine::{self, Extras, Format, Loaded, Options, Prepared, golden};
use tidegate::tensor::Tensor;

mod gpu {
    pub mod forests;
    pub mod generate;
    pub mod networks;
}

/// The device that all tests share.
fn device() -> Option<&'static Arc<dyn Accelerator>> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    // Tests share it, and it is slow.
    let settings = Settings { watchdog: common::PATIENCE, most_rows: 512, ..Settings::default() };
    let device = DEVICE.get_or_init(|| cuda::load().then(|| Device::open(&settings)));
    match device.as_ref()? {
        Device::Some(device) => Some(device),
        Device::None(status) => panic!("no device: {status:?}"),
    }
}

fn import(format: Format, bytes: &[u8]) -> Loaded {
    engine::import(format, bytes, Options::default(), None).expect("a model")
}

fn place(device: &Arc<dyn Accelerator>, format: Format, bytes: &[u8], sample: &[Tensor]) -> Result<Taken, String> {
    let loaded = import(format, bytes);
    let lowered = engine::lower(format, bytes, loaded.model.as_ref())?;
    device.place(&loaded.model, lowered, Work { sample, always: false, precision: Precision::Fp32 })
}

fn run(model: &Arc<dyn Prepared>, inputs: &[Tensor]) -> Vec<Tensor> {
    model.session().expect("a session").run(inputs).expect("an answer")
}

/// Every row alone answers as in its batch, to the bit.
fn batches_change_nothing(model: &Arc<dyn Prepared>, inputs: &[Tensor]) {
    conformance::batch_invariant(model.as_ref(), inputs, Closeness::EXACT).expect("the same bits");
}

/// The cases of a tree file, without the outputs that only the CPU gives.
fn cases_of_trees(format: Format, bytes: &[u8], file: &Path) -> Vec<Case> {
    let extras = Extras { margin: true, leaf: true };
    let all = [extras, Extras { leaf: false, ..extras }].into_iter().find_map(|extras| {
        let options = Options { extras, ..Options::default() };
        engine::import(format, bytes, options, None).ok()
    });
    let plain = import(format, bytes).model.signature().outputs.len();
    let mut cases = cases(all.expect("a model").model.as_ref(), file);
    cases.iter_mut().for_each(|case| case.outputs.truncate(plain));
    cases
}

fn cases(model: &dyn Prepared, file: &Path) -> Vec<Case> {
    golden::read(&std::fs::read(file).expect("cases"), model.signature()).expect("cases")
}

#[test]
fn tree_files_answer_as_their_libraries_do() {
    let Some(device) = device() else { return };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/native");
    let mut placed = Vec::new();
    for entry in std::fs::read_dir(folder).expect("fixtures").map(|entry| entry.expect("a file").path()) {
        let name = entry.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        let format = entry.extension().and_then(|end| Format::of_extension(end.to_str()?));
        let Some(format) = format.filter(|_| !name.ends_with("golden.json")) else { continue };
        let bytes = std::fs::read(&entry).expect("a file");
        let cases = cases_of_trees(format, &bytes, &entry.with_file_name(format!("{name}.golden.json")));
        let sample = cases[0].inputs.clone();
        match place(device, format, &bytes, &sample) {
            Ok(taken) => {
                conformance::judge(taken.alone.as_ref(), &cases, Closeness::EXACT)
                    .unwrap_or_else(|words| panic!("{name}: {words}"));
                placed.push(name);
            }
            Err(reason) => assert!(reason.contains("linear"), "{name}: {reason}"),
        }
    }
    for kind in ["xgb-binary", "xgb-categories", "xgb-multi", "lgb-multiclass", "lgb-zero-missing", "cat-classes"] {
        assert!(placed.iter().any(|name| name.starts_with(kind)), "{kind} among {placed:?}");
    }
}

#[test]
fn the_bundled_models_pass_their_golden_cases_on_the_device() {
    let Some(device) = device() else { return };
    for (name, on_device) in [
        ("breast-cancer/1", true),
        ("churn/1", true),
        ("churn/2", true),
        ("diabetes/1", true),
        ("digits/1", false),
        ("wine/1", false),
    ] {
        let folder = common::models().join(name);
        let bytes = std::fs::read(folder.join("model.onnx")).expect("a model");
        let loaded = import(Format::Onnx, &bytes);
        let cases = cases(loaded.model.as_ref(), &folder.join("golden.json"));
        let sample = cases[0].inputs.clone();
        let device = Device::Some(device.clone());
        let work = Work { sample: &sample, always: false, precision: Precision::Fp32 };
        let taken = device.take(loaded, Format::Onnx, &bytes, work, &cases);
        match taken.at {
            Where::Both { device, table, .. } => {
                assert!(on_device && device == "cuda:0" && table.len() > 3, "{name}");
            }
            Where::Cpu { reason } => {
                let reason = reason.expect("a reason");
                assert!(!on_device, "{name}: {reason}");
                let named = if name == "wine/1" { "operator ai.onnx.ml.LinearClassifier" } else { "input 'image'" };
                assert!(reason.contains(named), "{name}: {reason}");
            }
        }
    }
}

/// Cases of each property; a debug build compiles few of the fibres' switches away.
pub fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
