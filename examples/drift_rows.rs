//! Compares columns of rows, with the same code as the server, and prints what it finds as JSON lines.
//!
//! ```text
//! cargo run --example drift_rows -- pairs < PAIRS     a line per pair of columns: every statistic
//! cargo run --example drift_rows -- judge < WINDOWS   a line per window of a table: the judge's verdict
//! cargo run --example drift_rows -- values < CALLS    a line per call of a function on numbers
//! ```
//!
//! PAIRS are lines `{"kind", "reference": [..], "current": [..]}`: null for a missing value, numbers, and
//! numbers as text ("0.1", "-inf"), which is read to the last bit. Categories are whole numbers from 0.
//! The answer holds the comparison and, of a numeric column, the edges of its cells.
//!
//! WINDOWS is one line `{"kinds": [..], "reference": ROWS, "window": ROWS, "windows": COUNT}`, a kind for
//! each column, then little-endian `f64`: the reference column by column, then each window the same way.
//! NaN is a missing value. The answers hold the status of each column (its first letter), what the window
//! alone says, p, that of chi-square alone, of chi-square and Kolmogorov-Smirnov, and the corrected PSI.
//!
//! CALLS are lines `{"name", "numbers": [..]}`; the answer is a list of numbers: a probability, adjusted p
//! values, or where a detector finds changes in a stream.
//!
//! A kind is `numeric` or `categorical`. `interop/drift_oracles.py` and `benches/drift/run.py` use this.

use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{BufRead, Read, Write, stdin, stdout};
use std::sync::Arc;
use tidegate::monitor::drift::stream::{Adwin, PageHinkley};
use tidegate::monitor::drift::{
    self, CategoricalSide, Compared, Counts, Judge, NumericSide, Rule, Shortage, Status, special,
};
use tidegate::monitor::sketch::{CELLS, Edges, Numeric};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1).as_deref() {
        Some("pairs") => pairs(),
        Some("judge") => judge(),
        Some("values") => values(),
        _ => Err("one of `pairs`, `judge` and `values` is expected".into()),
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Numeric,
    Categorical,
}

#[derive(Deserialize)]
struct Pair {
    kind: Kind,
    reference: Vec<Value>,
    current: Vec<Value>,
}

fn pairs() -> Result<(), Box<dyn Error>> {
    for line in stdin().lock().lines() {
        let pair: Pair = serde_json::from_str(&line?)?;
        let (reference, current) = (numbers(&pair.reference)?, numbers(&pair.current)?);
        let column = Column::new(pair.kind, &reference)?;
        let compared = column.compare(&column.count(&current));
        let edges = column.edges.as_ref().map(|edges| edges.as_slice().to_vec());
        println!("{}", json!({"compared": compared, "edges": edges}));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Call {
    name: String,
    numbers: Vec<Value>,
}

fn values() -> Result<(), Box<dyn Error>> {
    for line in stdin().lock().lines() {
        let call: Call = serde_json::from_str(&line?)?;
        let numbers = numbers(&call.numbers)?;
        println!("{}", json!(value(&call.name, &numbers)?));
    }
    Ok(())
}

fn value(name: &str, of: &[f64]) -> Result<Vec<f64>, Box<dyn Error>> {
    Ok(match (name, of) {
        ("kolmogorov_sf", [x]) => vec![special::kolmogorov_sf(*x)],
        ("chi2_sf", [x, df]) => vec![special::chi2_sf(*x, *df)],
        ("normal_sf", [z]) => vec![special::normal_sf(*z)],
        ("normal_quantile", [p]) => vec![special::normal_quantile(*p)],
        ("binomial_at_least", [x, n, p]) => vec![special::binomial_at_least(*x, *n, *p)],
        ("benjamini_hochberg", p) => drift::benjamini_hochberg(p),
        ("benjamini_yekutieli", p) => drift::benjamini_yekutieli(p),
        ("adwin", stream) => {
            let mut detector = Adwin::default();
            found(stream, |x| detector.update(x))
        }
        ("page_hinkley", stream) => {
            let mut detector = PageHinkley::default();
            found(stream, |x| detector.update(x))
        }
        _ => return Err(format!("no function '{name}' of {} numbers", of.len()).into()),
    })
}

/// Where in a stream a detector finds changes.
fn found(stream: &[f64], mut changed: impl FnMut(f64) -> bool) -> Vec<f64> {
    stream.iter().enumerate().filter(|(_, x)| changed(**x)).map(|(at, _)| at as f64).collect()
}

fn numbers(values: &[Value]) -> Result<Vec<f64>, Box<dyn Error>> {
    let number = |value: &Value| match value {
        Value::Null => Ok(f64::NAN),
        Value::String(text) => text.parse().map_err(|_| format!("'{text}' is no number")),
        other => other.as_f64().ok_or_else(|| format!("{other} is no number")),
    };
    Ok(values.iter().map(number).collect::<Result<_, _>>()?)
}

#[derive(Deserialize)]
struct Table {
    kinds: Vec<Kind>,
    reference: usize,
    window: usize,
    windows: usize,
}

fn judge() -> Result<(), Box<dyn Error>> {
    let (mut input, mut first) = (stdin().lock(), String::new());
    input.read_line(&mut first)?;
    let table: Table = serde_json::from_str(&first)?;
    let mut columns = Vec::new();
    for kind in &table.kinds {
        columns.push(Column::new(*kind, &block(&mut input, table.reference)?)?);
    }
    let (mut judge, mut out) = (Judge::new(Rule::default()), stdout().lock());
    for _ in 0..table.windows {
        let mut window = Vec::new();
        for column in &columns {
            let counted = column.count(&block(&mut input, table.window)?);
            window.push(column.compare(&counted).ok_or(Shortage::Incomparable));
        }
        let verdict = judge.judge(&window, &|_, cell| format!("value {cell}"));
        let of = |pick: fn(&Compared) -> f64| window.iter().map(|it| it.as_ref().ok().map(pick)).collect::<Vec<_>>();
        let line = json!({
            "status": verdict.columns.iter().map(|found| letter(found.status)).collect::<String>(),
            "window": verdict.columns.iter().map(|found| letter(found.window)).collect::<String>(),
            "p": of(|compared| compared.p),
            "p_chi2": of(|compared| compared.p_chi2),
            "p_chi2_ks": of(|compared| compared.p_ks.map_or(compared.p_chi2, |p| (2.0 * p.min(compared.p_chi2)).min(1.0))),
            "effect": of(|compared| compared.psi_corrected),
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn block(input: &mut impl Read, rows: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let mut bytes = vec![0; rows * 8];
    input.read_exact(&mut bytes)?;
    Ok(bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes"))).collect())
}

fn letter(status: Status) -> char {
    status.name().chars().next().expect("a name has letters")
}

/// A column's reference: its edges or its number of categories, and its counts.
struct Column {
    edges: Option<Arc<Edges>>,
    categories: usize,
    reference: Counted,
}

/// What was counted of a side.
struct Counted {
    cells: Vec<f64>,
    missing: f64,
    mean: f64,
    std: f64,
    min: f64,
    max: f64,
}

impl Column {
    fn new(kind: Kind, reference: &[f64]) -> Result<Self, Box<dyn Error>> {
        let edges = match kind {
            Kind::Numeric => Some(Arc::new(edges(reference)?)),
            Kind::Categorical => None,
        };
        let categories =
            reference.iter().filter(|x| x.is_finite()).fold(0.0, |most, x| f64::max(most, x + 1.0)) as usize;
        let reference_rows = reference;
        let reference = Counted { cells: Vec::new(), missing: 0.0, mean: 0.0, std: 0.0, min: 0.0, max: 0.0 };
        let column = Self { edges, categories, reference };
        let reference = column.count(reference_rows);
        Ok(Self { reference, ..column })
    }

    fn count(&self, rows: &[f64]) -> Counted {
        match &self.edges {
            Some(edges) => counted(edges, rows),
            None => categories(self.categories, rows),
        }
    }

    fn compare(&self, current: &Counted) -> Option<Compared> {
        match &self.edges {
            Some(edges) => drift::numeric(&self.reference.side(edges), &current.side(edges), 1.0),
            None => {
                let side = |counted| CategoricalSide { counts: Counted::counts(counted) };
                drift::categorical(&side(&self.reference), &side(current), 1.0)
            }
        }
    }
}

impl Counted {
    fn counts(&self) -> Counts<'_> {
        let n_eff = self.cells.iter().sum::<f64>() + self.missing;
        Counts { cells: &self.cells, missing: self.missing, n_eff }
    }

    fn side<'a>(&'a self, edges: &'a Edges) -> NumericSide<'a> {
        let Self { mean, std, min, max, .. } = *self;
        NumericSide { counts: self.counts(), edges: edges.as_slice(), mean, std, min, max }
    }
}

/// An edge at every value where these are few, else at quantiles.
fn edges(reference: &[f64]) -> Result<Edges, Box<dyn Error>> {
    let mut sorted: Vec<f64> = reference.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let values: BTreeSet<u64> = sorted.iter().map(|x| (x + 0.0).to_bits()).collect();
    let (low, high) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(0.0));
    let cut = |cell: usize| sorted[(sorted.len() * cell).div_ceil(CELLS) - 1];
    let found = if values.len() <= 64 { sorted.clone() } else { (1..CELLS).map(cut).collect() };
    Ok(Edges::sorted(found, low, high)?)
}

/// Counts as the server's sketches do; infinities belong to the outermost cells.
fn counted(edges: &Arc<Edges>, rows: &[f64]) -> Counted {
    let mut sketch = Numeric::new(Some(edges.clone()));
    sketch.update_column(rows);
    let mut cells: Vec<f64> = sketch.cells().iter().map(|count| f64::from(*count)).collect();
    let last = cells.len() - 1;
    let counters = sketch.counters();
    cells[0] += counters.neg_inf as f64;
    cells[last] += counters.pos_inf as f64;
    let moments = sketch.moments();
    let mean = if moments.n > 0.0 { moments.mean } else { f64::NAN };
    let std = moments.deviation().unwrap_or(f64::NAN);
    Counted { cells, missing: counters.nan as f64, mean, std, min: moments.min, max: moments.max }
}

fn categories(known: usize, rows: &[f64]) -> Counted {
    let mut cells = vec![0.0; known + 1];
    rows.iter().filter(|x| !x.is_nan()).for_each(|x| cells[(*x as usize).min(known)] += 1.0);
    let missing = rows.iter().filter(|x| x.is_nan()).count() as f64;
    Counted { cells, missing, mean: f64::NAN, std: f64::NAN, min: f64::NAN, max: f64::NAN }
}
