//! What monitoring costs: a value of a column, the end of a minute, a window over a day.
//!
//! Work goes round 200 columns with edges of their own, so that no column's counts stay in the
//! processor's first cache from one batch to the next.
//!
//! `cargo bench --bench monitor`

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use tidegate::monitor::history::keep::{Keeper, Label, Named};
use tidegate::monitor::history::{Detail, History, Pane, Span};
use tidegate::monitor::sketch::{CELLS, Dictionary, Edges, Quantiles, Shape, Summary};

/// As in the program: memory is measured, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COLUMNS: usize = 200;
/// Rows that the collector takes from a ring at a time.
const BATCH: usize = 256;
/// Batches of a column, taken in turn: fewer, and the processor would learn them by heart.
const BATCHES: usize = 8;
const HOUR: u64 = 3_600_000;

/// Numbers that look random and are the same in every run.
struct Source(u64);

impl Source {
    fn even(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.even().ln()).sqrt() * (std::f64::consts::TAU * self.even()).cos()
    }
}

type Law = fn(&mut Source) -> f64;

const LAWS: [(&str, Law); 3] =
    [("normal", Source::normal), ("lognormal", |source| (1.5 * source.normal()).exp()), ("even", Source::even)];

/// A column's shape, by what it has seen before, and a batch of its values.
fn column(law: Law, seed: usize) -> (Shape, Vec<f64>) {
    let mut source = Source(seed as u64 + 1);
    let mut quantiles = Quantiles::finer();
    (0..20_000).for_each(|_| quantiles.update(law(&mut source)));
    let edges = Edges::from_quantiles(&quantiles, CELLS).expect("values were seen");
    (Shape::Numeric(Some(Arc::new(edges))), (0..BATCH * BATCHES).map(|_| law(&mut source)).collect())
}

fn columns(law: Law) -> (Vec<Shape>, Vec<Vec<f64>>) {
    (0..COLUMNS).map(|seed| column(law, seed)).unzip()
}

fn values(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a value, over 200 columns");
    group.throughput(Throughput::Elements((COLUMNS * BATCH) as u64));
    for (name, law) in LAWS {
        let (shapes, batches) = columns(law);
        let mut pane = Pane::new(0, 0, 0, &shapes);
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("counted", name), |bencher| {
            bencher.iter(|| {
                turn = (turn + 1) % BATCHES;
                for (column, values) in pane.columns.iter_mut().zip(&batches) {
                    if let Summary::Numeric(numeric) = column {
                        numeric.update_column(black_box(&values[turn * BATCH..][..BATCH]));
                    }
                }
            });
        });
    }
    let (shapes, batches) = columns(Source::normal);
    let mut pane = Pane::new(0, 0, 0, &shapes);
    group.bench_function(BenchmarkId::new("row by row", "normal"), |bencher| {
        bencher.iter(|| {
            for row in 0..BATCH {
                for (column, values) in pane.columns.iter_mut().zip(&batches) {
                    if let Summary::Numeric(numeric) = column {
                        numeric.update(black_box(values[row]), false);
                    }
                }
            }
        });
    });
    let mut pane = Pane::new(0, 0, 0, &shapes);
    group.bench_function(BenchmarkId::new("quantiles and distinct", "normal"), |bencher| {
        bencher.iter(|| {
            for (column, values) in pane.columns.iter_mut().zip(&batches) {
                if let Summary::Numeric(numeric) = column {
                    numeric.enrich(black_box(&values[..BATCH]));
                }
            }
        });
    });
    group.finish();
}

fn categories(criterion: &mut Criterion) {
    let known: Vec<String> = (0..40).map(|at| format!("a category, number {at}")).collect();
    let dictionary = Arc::new(Dictionary::new(known.iter().cloned()).expect("all different"));
    let mut pane = Pane::new(0, 0, 0, &vec![Shape::Categorical(dictionary); COLUMNS]);
    let mut group = criterion.benchmark_group("a text, over 200 columns");
    group.throughput(Throughput::Elements((COLUMNS * BATCH) as u64));
    let mut source = Source(1);
    for (name, unseen) in [("all known", 0.0), ("a tenth unknown", 0.1)] {
        let text = |source: &mut Source| match source.even() < unseen {
            true => format!("an unknown one, number {}", (source.even() * 100.0) as u32),
            false => known[(source.even() * 40.0) as usize].clone(),
        };
        let texts: Vec<String> = (0..BATCH).map(|_| text(&mut source)).collect();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for column in &mut pane.columns {
                    if let Summary::Categorical(categorical) = column {
                        texts.iter().for_each(|text| categorical.update_text(black_box(text)));
                    }
                }
            });
        });
    }
    group.finish();
}

/// A minute of 2,048 rows, all of them in the quantiles.
fn minute(shapes: &[Shape], batches: &[Vec<f64>], start_ms: u64) -> Pane {
    let mut pane = Pane::new(start_ms, 0, 0, shapes);
    for (column, values) in pane.columns.iter_mut().zip(batches) {
        if let Summary::Numeric(numeric) = column {
            numeric.update_column(values);
            numeric.enrich(values);
        }
    }
    pane.rows = (BATCH * BATCHES) as u64;
    pane.offered = pane.rows;
    pane.end_ms = start_ms + 60_000;
    pane
}

fn windows(criterion: &mut Criterion) {
    let (shapes, batches) = columns(Source::normal);
    let mut history = History::new(shapes.clone());
    for at in 0..24 * 12 {
        history.push(&minute(&shapes, &batches, at * HOUR / 12)).expect("of these shapes");
    }
    let pane = minute(&shapes, &batches, 23 * HOUR);
    let mut group = criterion.benchmark_group("200 columns");
    group.sample_size(20);
    group.bench_function("a minute closed", |bencher| {
        bencher.iter(|| history.push(black_box(&pane)).expect("of these shapes"));
    });
    let directory = tempfile::tempdir().expect("a directory");
    let columns = (0..COLUMNS).map(|at| Named { role: "input".into(), name: format!("f{at}") }).collect();
    let label = Label { model: "bench".into(), version: "1".into(), columns };
    let (mut keeper, _, _) = Keeper::open(&directory.path().join("1"), label, shapes.clone());
    // Writes the hours that are over, once; what is measured is what every minute costs.
    keeper.save(&history).expect("saved");
    group.bench_function("a minute saved", |bencher| bencher.iter(|| keeper.save(&history).expect("saved")));
    for (name, span, detail) in [
        ("an hour, counts", Span::Hour, Detail::Counts),
        ("24 hours, counts", Span::Day, Detail::Counts),
        ("24 hours, with quantiles", Span::Day, Detail::Full),
    ] {
        group.bench_function(name, |bencher| bencher.iter(|| history.window(span, black_box(24 * HOUR - 1), detail)));
    }
    group.finish();
}

/// Not a time: what 100 columns of a day take, as the system counts it.
fn memory(_: &mut Criterion) {
    for (name, law) in
        [("double precision", Source::normal as Law), ("single precision", |source| f64::from(source.normal() as f32))]
    {
        let (shapes, batches): (Vec<_>, Vec<_>) = (0..100).map(|seed| column(law, seed)).unzip();
        let pane = minute(&shapes, &batches, 0);
        let before = resident();
        let mut history = History::new(shapes.clone());
        for hour in 0..9 * 24 {
            for part in 0..13 {
                history
                    .push(&Pane { start_ms: hour * HOUR + part * 276_000, ..pane.clone() })
                    .expect("of these shapes");
            }
        }
        let (told, held) = (history.memory() as f64 / 1e6, (resident() - before) / 1e6);
        println!("100 columns, 24 hours, {name}: {told:.1} MB by its own count, {held:.1} MB resident");
        println!("    and the pane being filled: {:.1} MB", pane.memory() as f64 / 1e6);
    }
}

#[allow(unsafe_code)] // the same call as in `main.rs`
fn release() {
    // SAFETY: `mi_collect` may be called at any time from any thread; it touches only mimalloc's own
    // lists.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Bytes of this process in memory, after what is free was given back, as the program does.
fn resident() -> f64 {
    release();
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096.0
}

criterion_group!(benches, memory, values, categories, windows);
criterion_main!(benches);
