//! One model at a time, timed on request: the half of `benches/zoo/run.py` that is ours.
//!
//! Lines on standard input, an answer for each on standard output:
//! `load DIR` prepares the model file in DIR and holds it against `DIR/golden.json`; `run ROWS MILLIS`
//! answers nanoseconds per call, over batches that rotate through the golden rows. `fix` keeps the
//! kernels of models loaded from then on from being measured, and `count ROWS CALLS` makes so many
//! calls in a function of its own: `benches/instructions.py` counts what it executes.

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::{Duration, Instant};
use tidegate::engine::{self, Format, Options, Session, conformance, golden};
use tidegate::tensor::Tensor;

struct Loaded {
    session: Box<dyn Session>,
    rows: Vec<Tensor>,
}

fn main() {
    // `cargo bench` starts every bench with this, and nobody would answer there.
    if std::env::args().any(|argument| argument == "--bench") {
        return println!("duel: see benches/zoo/run.py and benches/instructions.py");
    }
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
            ["count", rows, calls] => match &mut loaded {
                Some(loaded) => {
                    let batches = batches(loaded, number(rows));
                    count_calls(loaded.session.as_mut(), &batches, number(calls));
                    Ok("counted".into())
                }
                None => Err("nothing is loaded".into()),
            },
            ["fix"] => {
                engine::tabular::fix_kernels();
                Ok("fixed".into())
            }
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
    let format = Format::ALL.into_iter().find(|format| dir.join(format.file_name()).exists()).ok_or("no model file")?;
    let model = engine::import(format, &read(format.file_name())?, Options::default(), None);
    let model = model.map_err(|error| error.to_string())?;
    let took = began.elapsed();
    let cases = golden::read(&read("golden.json")?, model.model.signature()).map_err(|error| error.to_string())?;
    conformance::golden(model.model.as_ref(), &cases)?;
    let session = model.model.session().map_err(|error| error.to_string())?;
    let rows = cases.into_iter().map(|case| case.inputs).max_by_key(|inputs| inputs[0].rows()).ok_or("no case")?;
    let said =
        format!("{} {:.1} ms, {} KiB", model.choice.engine, took.as_secs_f64() * 1e3, model.model.memory_bytes() >> 10);
    Ok((Loaded { session, rows }, said))
}

/// Batches of so many rows, one after the other; rows come round again where they are too few.
fn batches(loaded: &Loaded, count: usize) -> Vec<Vec<Tensor>> {
    let rows = loaded.rows[0].rows();
    let batch = |tensor: &Tensor, from: usize| {
        if from + count <= rows {
            return tensor.rows_at(from, count);
        }
        let parts: Vec<Tensor> = (from..from + count).map(|at| tensor.rows_at(at % rows, 1)).collect();
        Tensor::stack(&parts).expect("rows of one tensor").expect("at least one")
    };
    (0..(rows / count).clamp(1, 512))
        .map(|turn| loaded.rows.iter().map(|tensor| batch(tensor, turn * count)).collect())
        .collect()
}

#[inline(never)]
fn count_calls(session: &mut dyn Session, batches: &[Vec<Tensor>], calls: usize) {
    for batch in batches.iter().cycle().take(calls) {
        std::hint::black_box(session.run(batch).expect("it ran before"));
    }
}

fn run(loaded: &mut Loaded, count: usize, time: Duration) -> String {
    let batches = batches(loaded, count);
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
