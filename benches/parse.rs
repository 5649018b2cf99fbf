//! Bodies straight into tensors: both protocols, one row and many, and the numbers alone.
//!
//! `cargo bench --bench parse`

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
        group.bench_function("oip", |bencher| bencher.iter(|| parse_oip(black_box(oip.as_bytes()), &version)));
    }
}

/// A megabyte of nine-digit fractions, as exporters write them.
fn numbers(criterion: &mut Criterion) {
    let list: Vec<String> = (0..100_000u32).map(|at| format!("{:.8}", f64::from(at % 9973) / 9973.0)).collect();
    let text = format!("[{}]", list.join(","));
    let mut group = criterion.benchmark_group("numbers");
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("fp32", |bencher| {
        bencher.iter(|| {
            let mut elements = Elements::new(DType::F32, 100_000);
            nested(&mut Reader::new(black_box(text.as_bytes()), 8), &mut elements).expect("numbers");
            elements.len()
        });
    });
}

criterion_group!(benches, parsing, numbers);
criterion_main!(benches);
