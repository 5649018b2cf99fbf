//! What the batcher adds to a model: a request run inline, and one handed to a worker and back.
//!
//! `cargo bench --bench batcher`

use criterion::{Criterion, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use tidegate::Tidegate;
use tidegate::batcher;
use tidegate::registry::Settings;
use tidegate::tensor::Tensor;

fn gate(inline_below: Duration) -> Tidegate {
    let batching = batcher::Settings { inline_below, ..batcher::Settings::default() };
    let paths = vec![concat!(env!("CARGO_MANIFEST_DIR"), "/models/diabetes").into()];
    Tidegate::with_settings(Settings { paths, batching, ..Settings::default() }).expect("the bundled model")
}

fn row(at: usize) -> Vec<Tensor> {
    let values = (0..10).map(|column| ((at * 7 + column * 3) % 97) as f32).collect();
    vec![Tensor::of([1, 10], values).expect("ten values")]
}

fn one_caller(criterion: &mut Criterion) {
    let inline = gate(Duration::from_micros(50));
    let queued = gate(Duration::ZERO);
    let version = inline.version("diabetes", None).expect("it serves");
    let mut session = version.loaded.model.session().expect("a session");
    let mut at = 0;
    let mut next = move || {
        at += 1;
        row(at)
    };
    let mut group = criterion.benchmark_group("one row, one caller");
    group.bench_function("engine alone", |bencher| bencher.iter(|| session.run(&next()).expect("it runs")));
    group.bench_function("inline", |bencher| bencher.iter(|| inline.predict("diabetes", next()).expect("answered")));
    group.bench_function("queued", |bencher| bencher.iter(|| queued.predict("diabetes", next()).expect("answered")));
}

/// Eight threads at once: the queue merges what the workers cannot start.
fn eight_callers(criterion: &mut Criterion) {
    let queued = gate(Duration::ZERO);
    criterion.bench_function("one row, eight callers, queued", |bencher| {
        bencher.iter_custom(|iterations| {
            let started = Instant::now();
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let queued = &queued;
                    scope.spawn(move || {
                        for at in 0..iterations.div_ceil(8) as usize {
                            queued.predict("diabetes", row(at + thread)).expect("answered");
                        }
                    });
                }
            });
            started.elapsed()
        });
    });
}

criterion_group!(benches, one_caller, eight_callers);
criterion_main!(benches);
