//! Bodies straight into tensors: both protocols, one row and many, and the numbers alone.
//!
//! `cargo bench --bench parse`

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidegate::Tidegate;
use tidegate::front::bench::{parse_oip, parse_plain};
use tidegate::json::{Elements, Reader, nested};
use tidegate::tensor::DType;

fn parsing(criterion: &mut Criterion) {
    let gate = Tidegate::open(concat!(env!("CARGO_MANIFEST_DIR"), "/models/diabetes")).expect("the bundled model");
    let version = gate.version("diabetes", None).expect("it serves");
    for rows in [1, 1000] {
        let row = "[59.0,2.0,32.1,101.0,157.0,93.2,38.0,4.0,4.8598,87.0]";
        let list = vec![row; rows].join(",");
        let plain = format!("{{\"features\":[{list}]}}");
        let oip = format!(
            "{{\"inputs\":[{{\"name\":\"input\",\"shape\":[{rows},10],\"datatype\":\"FP32\",\"data\":[{list}]}}]}}"
        );
        let mut group = criterion.benchmark_group(format!("{rows} rows"));
        group.throughput(Throughput::Bytes(plain.len() as u64));
        group.bench_function("plain", |bencher| bencher.iter(|| parse_plain(black_box(plain.as_bytes()), &version)));
        group.throughput(Throughput::Bytes(oip.len() as u64));
        let oip = Bytes::from(oip);
        group.bench_function("oip", |bencher| bencher.iter(|| parse_oip(black_box(&oip), &version)));
    }
}

/// How many numbers of a list: a tensor of 600 KB.
const COUNT: usize = 150_000;

/// Values as exporters write them, as Python writes singles that it has made doubles of, and short ones.
fn lists() -> [(&'static str, String); 3] {
    let value = |at: usize| (at % 9973) as f32 / 9973.0;
    let list = |written: &dyn Fn(f32) -> String| (0..COUNT).map(|at| written(value(at))).collect::<Vec<_>>().join(",");
    [
        ("8 digits", list(&|value| format!("{value:.8}"))),
        ("17 digits", list(&|value| f64::from(value).to_string())),
        ("3 digits", list(&|value| format!("{value:.2}"))),
    ]
}

/// FP32 elements alone, beside a SIMD parser that reads into a vector, and as the data of a whole request.
fn numbers(criterion: &mut Criterion) {
    for (name, list) in lists() {
        let text = format!("[{list}]");
        let mut group = criterion.benchmark_group(format!("fp32, {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("tidegate", |bencher| {
            bencher.iter(|| {
                let mut elements = Elements::new(DType::F32, COUNT);
                nested(&mut Reader::new(black_box(text.as_bytes()), 8), &mut elements).expect("numbers");
                elements.len()
            });
        });
        group.bench_function("sonic-rs", |bencher| {
            bencher.iter(|| sonic_rs::from_slice::<Vec<f32>>(black_box(text.as_bytes())).expect("numbers").len());
        });
        group.finish();
    }
}

criterion_group!(benches, parsing, numbers);
criterion_main!(benches);
