//! One model at a time, timed on request: the half of `benches/zoo/run.py` that is ours.
//!
//! Lines on standard input, an answer for each on standard output:
//! `load DIR` prepares `DIR/model.onnx` and holds it against `DIR/golden.json`; `run ROWS MILLIS`
//! answers nanoseconds per call, over batches that rotate through the golden rows.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate::engine::{Session, conformance, golden, onnx};
use tidegate::tensor::Tensor;

struct Loaded {
    session: Box<dyn Session>,
    rows: Vec<Tensor>,
}

fn main() {
    let mut loaded = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match words[..] {
            ["load", dir] => load(Path::new(dir)).map(|(now, said)| {
                loaded = Some(now);
                said
            }),
            ["run", rows, millis] => match &mut loaded {
                Some(loaded) => Ok(run(loaded, number(rows), Duration::from_millis(number(millis) as u64))),
                None => Err("nothing is loaded".into()),
            },
            // `cargo bench` and `cargo test` start it with no lines at all.
            _ => Err(format!("expected `load DIR` or `run ROWS MILLIS`, got '{line}'")),
        };
        match answer {
            Ok(words) => println!("ok {words}"),
            Err(words) => println!("failed {words}"),
        }
        std::io::stdout().flush().expect("a reader");
    }
}

fn number(word: &str) -> usize {
    word.parse().expect("a number")
}

fn load(dir: &Path) -> Result<(Loaded, String), String> {
    let read = |name: &str| std::fs::read(dir.join(name)).map_err(|error| format!("{name}: {error}"));
    let began = Instant::now();
    let model = onnx::import(&read("model.onnx")?, None).map_err(|error| error.to_string())?;
    let took = began.elapsed();
    let cases = golden::read(&read("golden.json")?, model.model.signature()).map_err(|error| error.to_string())?;
    conformance::golden(model.model.as_ref(), &cases)?;
    let session = model.model.session().map_err(|error| error.to_string())?;
    let rows = cases.into_iter().map(|case| case.inputs).next().ok_or("no case")?;
    let said =
        format!("{} {:.1} ms, {} KiB", model.choice.engine, took.as_secs_f64() * 1e3, model.model.memory_bytes() >> 10);
    Ok((Loaded { session, rows }, said))
}

fn run(loaded: &mut Loaded, count: usize, time: Duration) -> String {
    let rows = loaded.rows[0].rows();
    let batches: Vec<Vec<Tensor>> = (0..(rows / count).clamp(1, 512))
        .map(|turn| loaded.rows.iter().map(|tensor| tensor.rows_at(turn * count, count)).collect())
        .collect();
    let (mut calls, began) = (0u32, Instant::now());
    loop {
        for batch in &batches {
            std::hint::black_box(loaded.session.run(batch).expect("it ran before"));
            calls += 1;
            if calls.is_multiple_of(16) || count > 64 {
                let took = began.elapsed();
                if took > time {
                    return format!("{:.1}", took.as_nanos() as f64 / f64::from(calls));
                }
            }
        }
    }
}
