//! The bundled models in process, on one thread, by batch size. Rows are rotated: one repeated row
//! would flatter every branch predictor.
//!
//! `cargo bench --bench engine`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::path::Path;
use tidegate::engine::{golden, onnx};
use tidegate::tensor::Tensor;

const MODELS: [&str; 5] = ["breast-cancer/1", "diabetes/1", "churn/1", "wine/1", "digits/1"];
const BATCHES: [usize; 4] = [1, 8, 32, 128];

fn engines(criterion: &mut Criterion) {
    for name in MODELS {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let bytes = std::fs::read(dir.join("model.onnx")).expect("a bundled model");
        let loaded = onnx::import(&bytes, None).expect("it loads");
        let text = std::fs::read(dir.join("golden.json")).expect("golden cases");
        let cases = golden::read(&text, loaded.model.signature()).expect("they are read");
        let rows = cases.into_iter().map(|case| case.inputs).max_by_key(|inputs| inputs[0].rows()).expect("a case");
        let mut session = loaded.model.session().expect("a session");
        let mut group = criterion.benchmark_group(name);
        for batch in BATCHES {
            let batches: Vec<Vec<Tensor>> = (0..16).map(|from| rotated(&rows, from, batch)).collect();
            group.throughput(Throughput::Elements(batch as u64));
            group.bench_function(BenchmarkId::from_parameter(batch), |bencher| {
                let mut turn = 0;
                bencher.iter(|| {
                    turn += 1;
                    session.run(&batches[turn % batches.len()]).expect("it runs")
                });
            });
        }
    }
}

/// `count` rows of a sample, starting at row `from` and going round.
fn rotated(sample: &[Tensor], from: usize, count: usize) -> Vec<Tensor> {
    sample
        .iter()
        .map(|tensor| {
            let rows: Vec<Tensor> = (from..from + count).map(|at| tensor.rows_at(at % tensor.rows(), 1)).collect();
            Tensor::stack(&rows).expect("rows of one tensor").expect("at least one")
        })
        .collect()
}

criterion_group!(benches, engines);
criterion_main!(benches);
