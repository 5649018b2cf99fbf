//! Makes sketches of streams and tells what they say: `interop/sketches.py` holds them against the
//! Python package of Apache DataSketches.
//!
//! ```text
//! cargo run --example sketches
//! ```
//!
//! Takes a line of JSON per sketch: `kind` (`kll`, `kll-finer`, `hll-numbers`, `hll-texts` or
//! `frequent`), the stream as `numbers` (Base64 of little-endian doubles) or `texts`, `merge` (Base64
//! of sketches of the same kind, merged afterwards) and `double` (how often all of it is counted
//! twice). Answers a line with the sketch's `bytes` (Base64) and what is read from those bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, BufRead};
use tidegate::monitor::sketch::{Dictionary, Distinct, Frequent, Quantiles};

#[derive(Deserialize)]
struct Order {
    kind: String,
    #[serde(default)]
    numbers: String,
    #[serde(default)]
    texts: Vec<String>,
    #[serde(default)]
    merge: Vec<String>,
    #[serde(default)]
    double: u32,
}

type Told = Result<(Vec<u8>, Value), Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    for line in io::stdin().lock().lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let (bytes, mut told) = answer(&order)?;
        told["bytes"] = STANDARD.encode(bytes).into();
        println!("{told}");
    }
    Ok(())
}

fn answer(order: &Order) -> Told {
    match order.kind.as_str() {
        "kll" => quantiles(Quantiles::new(), order),
        "kll-finer" => quantiles(Quantiles::finer(), order),
        "hll-numbers" => distinct(Distinct::of_numbers(), order),
        "hll-texts" => distinct(Distinct::of_texts(), order),
        "frequent" => frequent(order),
        other => Err(format!("no kind of sketch: {other}").into()),
    }
}

fn quantiles(mut sketch: Quantiles, order: &Order) -> Told {
    numbers(order)?.into_iter().for_each(|x| sketch.update(x));
    for bytes in merged(order)? {
        sketch.merge(&Quantiles::from_bytes(&bytes)?)?;
    }
    sketch.double(order.double)?;
    let bytes = sketch.to_bytes();
    let sketch = Quantiles::from_bytes(&bytes)?;
    let ranks: Vec<f64> = (0..=100).map(|at| f64::from(at) / 100.0).collect();
    let values = sketch.quantiles(&ranks).unwrap_or_default();
    let told = json!({ "n": sketch.n(), "min": sketch.min(), "max": sketch.max(), "quantiles": values });
    Ok((bytes, told))
}

fn distinct(mut sketch: Distinct, order: &Order) -> Told {
    numbers(order)?.into_iter().for_each(|x| sketch.add_number(x));
    order.texts.iter().for_each(|text| sketch.add_text(text));
    for bytes in merged(order)? {
        sketch.merge(&Distinct::from_bytes(&bytes)?);
    }
    let bytes = sketch.to_bytes();
    let told = json!({ "estimate": Distinct::from_bytes(&bytes)?.estimate() });
    Ok((bytes, told))
}

fn frequent(order: &Order) -> Told {
    let mut sketch = Frequent::default();
    order.texts.iter().for_each(|text| sketch.update(Dictionary::hash(text), text));
    for bytes in merged(order)? {
        sketch.merge(&Frequent::from_bytes(&bytes)?)?;
    }
    sketch.double(order.double)?;
    let bytes = sketch.to_bytes();
    let sketch = Frequent::from_bytes(&bytes)?;
    let item = |item: tidegate::monitor::sketch::Item| json!([item.text, item.lower, item.upper]);
    let items: Vec<Value> = sketch.top(usize::MAX).into_iter().map(item).collect();
    Ok((bytes, json!({ "total": sketch.total(), "error": sketch.error(), "items": items })))
}

fn numbers(order: &Order) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = STANDARD.decode(&order.numbers)?;
    Ok(bytes.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}

fn merged(order: &Order) -> Result<Vec<Vec<u8>>, base64::DecodeError> {
    order.merge.iter().map(|bytes| STANDARD.decode(bytes)).collect()
}
