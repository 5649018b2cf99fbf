//! What judging a window costs: 200 columns compared with their reference, and the judge over all.
//!
//! `cargo bench --bench drift`
//!
//! The budget is 30 ms. 150 columns are numeric with 120 cells, 50 categorical with 20 to 255 values. The
//! sides are made beforehand, as merged windows hold them; half of the columns have changed, which costs
//! most, for the reasons are put into words.

use criterion::{Criterion, criterion_group, criterion_main};
use tidegate::monitor::drift::{
    CategoricalSide, Counts, Judge, NumericSide, Outcome, Rule, Shortage, categorical, numeric,
};
use tidegate::monitor::sketch::CELLS;

const COLUMNS: usize = 200;

struct Column {
    edges: Option<Vec<f64>>,
    reference: Vec<f64>,
    current: Vec<f64>,
}

/// Counts that differ from cell to cell, as those of rows do; tilted where the column has changed.
fn column(at: usize) -> Column {
    let cells = if at < 150 { CELLS } else { 20 + (at * 47) % 236 };
    let tilt = if at.is_multiple_of(2) { 0.0 } else { 0.5 };
    let noise = |cell: usize, salt: usize| ((cell * 37 + at * 11 + salt * 53) % 19) as f64;
    let place = |cell: usize| 2.0 * cell as f64 / cells as f64 - 1.0;
    Column {
        edges: (at < 150).then(|| (1..CELLS).map(|edge| edge as f64).collect()),
        reference: (0..cells).map(|cell| 80.0 + noise(cell, 1)).collect(),
        current: (0..cells).map(|cell| ((40.0 + noise(cell, 2)) * (1.0 + tilt * place(cell))).round()).collect(),
    }
}

fn counts(cells: &[f64]) -> Counts<'_> {
    Counts { cells, missing: 3.0, n_eff: cells.iter().sum::<f64>() + 3.0 }
}

fn compare(column: &Column) -> Outcome {
    let found = match &column.edges {
        Some(edges) => {
            let side = |cells, mean| {
                let counts = counts(cells);
                NumericSide { counts, edges, mean, std: 34.6, min: 0.0, max: 120.0 }
            };
            numeric(&side(&column.reference, 60.0), &side(&column.current, 65.0), 1.2)
        }
        None => {
            let side = |cells| CategoricalSide { counts: counts(cells) };
            categorical(&side(&column.reference), &side(&column.current), 1.2)
        }
    };
    found.ok_or(Shortage::Incomparable)
}

fn evaluation(criterion: &mut Criterion) {
    let columns: Vec<Column> = (0..COLUMNS).map(column).collect();
    let mut judge = Judge::new(Rule::default());
    criterion.bench_function("200 columns compared and judged", |bencher| {
        bencher.iter(|| {
            let window: Vec<Outcome> = columns.iter().map(compare).collect();
            judge.judge(&window, &|column, cell| format!("'{column}: {cell}'"))
        });
    });
    let verdict = judge.judge(&columns.iter().map(compare).collect::<Vec<_>>(), &|_, _| String::new());
    assert_eq!((verdict.monitored, verdict.drifted), (COLUMNS, COLUMNS / 2), "the columns are what they should be");
    criterion.bench_function("one numeric column compared", |bencher| bencher.iter(|| compare(&columns[1])));
}

criterion_group!(benches, evaluation);
criterion_main!(benches);
