//! Predicts with the bundled models inside this program, with no socket.
//!
//! Run it from the repository: `cargo run --release --example embed`.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use tidegate::Tidegate;
use tidegate::tensor::Tensor;

fn main() -> Result<(), Box<dyn Error>> {
    let gate = Tidegate::open("models")?;
    one_customer(&gate)?;
    many_threads(&gate)
}

/// A model with named inputs: one tensor per input, in the order of its signature.
fn one_customer(gate: &Tidegate) -> Result<(), Box<dyn Error>> {
    let version = gate.version("churn", None)?;
    let inputs = version
        .signature()
        .inputs
        .iter()
        .map(|input| match input.name.as_str() {
            "tenure_months" => number(3.0),
            "monthly_charges" => number(89.5),
            "support_calls" => number(4.0),
            "data_usage_gb" => number(f32::NAN),
            "contract" => word("month-to-month"),
            "payment_method" => word("card"),
            _ => word("north"),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let answer = gate.predict("churn", inputs)?;
    for (spec, output) in version.signature().outputs.iter().zip(&answer.outputs) {
        println!("churn version {}: {} = {:?}", version.name, spec.name, output.data());
    }
    Ok(())
}

/// Several threads ask at once; while all workers are busy their rows are merged into batches.
fn many_threads(gate: &Tidegate) -> Result<(), Box<dyn Error>> {
    let sum: f32 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4u8).map(|at| scope.spawn(move || diabetes(gate, f32::from(at)))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| "a thread panicked".to_owned())?)
            .sum::<Result<f32, String>>()
    })?;
    println!("diabetes: four threads, predictions sum to {sum:.1}");
    Ok(())
}

fn diabetes(gate: &Tidegate, value: f32) -> Result<f32, String> {
    let row = Tensor::of([1, 10], vec![value; 10]).map_err(|error| error.to_string())?;
    let answer = gate.predict("diabetes", vec![row]).map_err(|error| error.to_string())?;
    let output = answer.outputs.first().and_then(Tensor::as_slice::<f32>).ok_or("no output")?;
    output.first().copied().ok_or_else(|| "no rows".to_owned())
}

fn number(value: f32) -> Result<Tensor, Box<dyn Error>> {
    Ok(Tensor::of([1, 1], vec![value])?)
}

fn word(value: &str) -> Result<Tensor, Box<dyn Error>> {
    Ok(Tensor::of([1, 1], vec![Arc::<str>::from(value)])?)
}
