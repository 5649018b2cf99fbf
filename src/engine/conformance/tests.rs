//! Every bundled model through the suite, and proof that the suite can fail.

use super::*;
use crate::engine::{LoadError, Signature, golden as golden_file, onnx};
use std::path::Path;

fn read(path: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn judge_bundled(version: &str, engine: &str, batching: Closeness) {
    let loaded = onnx::import(&read(&format!("{version}/model.onnx")), None).expect("a bundled model loads");
    assert_eq!(loaded.choice.engine, engine, "{}", loaded.choice.reason);
    let cases =
        golden_file::read(&read(&format!("{version}/golden.json")), loaded.model.signature()).expect("golden.json");
    judge(loaded.model.as_ref(), &cases, batching).unwrap_or_else(|words| panic!("{version}: {words}"));
}

#[test]
fn bundled_tables_answer_to_the_bit_in_any_batch() {
    for version in ["breast-cancer/1", "diabetes/1", "churn/1", "churn/2", "wine/1"] {
        judge_bundled(version, "tabular", Closeness::EXACT);
    }
}

#[test]
fn bundled_network_answers_alike_in_any_batch() {
    judge_bundled("digits/1", "tract", Closeness::default());
}

#[test]
fn a_broken_file_is_refused_with_its_reason() {
    let whole = read("diabetes/1/model.onnx");
    let half = onnx::import(&whole[..whole.len() / 2], None);
    assert!(matches!(half, Err(LoadError::Malformed(_))));
}

/// Answers the sum of the batch for every row: rows know of each other.
struct Gossip(Signature);

impl Prepared for Gossip {
    fn signature(&self) -> &Signature {
        &self.0
    }

    fn session(&self) -> Result<Box<dyn Session>, RunError> {
        Ok(Box::new(GossipSession))
    }

    fn memory_bytes(&self) -> usize {
        0
    }
}

struct GossipSession;

impl Session for GossipSession {
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError> {
        let values = inputs.first().and_then(Tensor::as_slice::<f32>).ok_or(RunError::Engine("no input".into()))?;
        let sum: f32 = values.iter().sum();
        Tensor::of([values.len(), 1], vec![sum; values.len()])
            .map(|t| vec![t])
            .map_err(|e| RunError::Engine(e.to_string()))
    }
}

#[test]
fn rows_that_know_of_each_other_are_found() {
    use crate::engine::{Dim, TensorSpec};
    use crate::tensor::DType;
    let spec = |name: &str| TensorSpec::new(name, DType::F32, vec![Dim::Any(None), Dim::Fixed(1)]);
    let model = Gossip(Signature::new(vec![spec("x")], vec![spec("y")]));
    let inputs = [Tensor::of([2, 1], vec![1.0f32, 2.0]).expect("fits")];
    let words = batch_invariant(&model, &inputs, Closeness::default()).expect_err("sums differ");
    assert!(words.contains("changes with its batch"), "{words}");
}

#[test]
fn closeness_is_what_it_says() {
    let of = |x: f32| Tensor::of([1], vec![x]).expect("fits");
    assert!(compare(&of(1.0), &of(1.000_005), Closeness::default()).is_ok());
    assert!(compare(&of(1.0), &of(1.000_1), Closeness::default()).is_err());
    assert!(compare(&of(f32::NAN), &of(f32::NAN), Closeness::EXACT).is_ok());
    assert!(compare(&of(1.0), &of(f32::NAN), Closeness::default()).is_err());
}
