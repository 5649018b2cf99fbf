//! Reports of a window whose drift is known.

mod page;
mod schema;

use super::{Known, Material, ModelFacts, ReferenceFacts, Report};
use crate::monitor::column::{Column, Kind, Role};
use crate::monitor::drift::quality::Floors;
use crate::monitor::drift::{
    CategoricalSide, Compared, Counts, Judge, NumericSide, Outcome, Rule, Shortage, Status, categorical, numeric,
};
use crate::monitor::history::{Detail, History, Pane, Span, Window, WindowColumn};
use crate::monitor::reference::Profile;
use crate::monitor::rows::{self, Detector, StreamFacts};
use crate::monitor::sketch::{Dictionary, Edges, Shape, Summary};
use std::sync::Arc;
use std::time::SystemTime;

const ROWS: u32 = 2000;

/// Every fourth column is of texts; the last but one is what the model answers, the last the latency.
fn columns(count: usize) -> Vec<Column> {
    let role = |at: usize| match count - at {
        1 => Role::Latency,
        2 => Role::Output,
        _ => Role::Input,
    };
    let kind = |at: usize| if at % 4 == 3 && role(at) == Role::Input { Kind::Categorical } else { Kind::Numeric };
    (0..count).map(|at| Column { name: format!("column_{at}"), role: role(at), kind: kind(at) }).collect()
}

fn shapes(columns: &[Column]) -> Vec<Shape> {
    let edges = Arc::new(Edges::within((1..120).map(|at| f64::from(at) / 10.0).collect(), 0.0, 12.0).expect("edges"));
    let dictionary = Arc::new(Dictionary::new((0..8).map(|at| format!("value {at}"))).expect("values"));
    let shape = |column: &Column| match column.kind {
        Kind::Numeric => Shape::Numeric(Some(edges.clone())),
        Kind::Categorical => Shape::Categorical(dictionary.clone()),
    };
    columns.iter().map(shape).collect()
}

/// A bell between 0 and 12, the same one every time, and values of falling frequency.
fn window(columns: &[Column], drifted: &[usize]) -> Window {
    let shapes = shapes(columns);
    let mut history = History::new(shapes.clone());
    let mut pane = Pane::new(0, 0, 0, &shapes);
    for (at, summary) in pane.columns.iter_mut().enumerate() {
        let moved = drifted.contains(&at);
        for row in 0..ROWS {
            let unit = |prime: u32| f64::from((row * prime + 17 * at as u32) % ROWS) / f64::from(ROWS);
            let bell = 4.0 * (unit(7919) + unit(3571) + unit(1237)) + if moved { 1.5 } else { 0.0 };
            match summary {
                Summary::Numeric(numbers) if moved && row % 10 == 0 => numbers.nulls(1),
                Summary::Numeric(numbers) => numbers.update(bell, true),
                Summary::Categorical(texts) if moved && row % 5 == 0 => texts.update_text("never seen"),
                Summary::Categorical(texts) => {
                    texts.update_text(&format!("value {}", (unit(7919) * unit(3571) * 8.0) as u32));
                }
            }
        }
    }
    (pane.rows, pane.offered, pane.end_ms) = (ROWS.into(), ROWS.into(), 59_999);
    history.push(&pane).expect("a pane of these shapes");
    history.window(Span::Hour, 60_000, Detail::Full)
}

fn compare(reference: &Known, current: &Known, column: &WindowColumn) -> Option<Compared> {
    let counts = |known: &'_ Known| (known.missing(), known.n_eff);
    let ((missing_ref, n_ref), (missing_cur, n_cur)) = (counts(reference), counts(current));
    let a = Counts { cells: &reference.cells, missing: missing_ref, n_eff: n_ref };
    let b = Counts { cells: &current.cells, missing: missing_cur, n_eff: n_cur };
    let value = |x: Option<f64>| x.unwrap_or(f64::NAN);
    match column {
        WindowColumn::Categorical(_) => {
            categorical(&CategoricalSide { counts: a }, &CategoricalSide { counts: b }, 1.0)
        }
        WindowColumn::Numeric(column) => {
            let edges = column.edges.as_ref()?;
            let side = |known: &Known, counts| NumericSide {
                counts,
                edges: edges.as_slice(),
                mean: value(known.mean),
                std: value(known.deviation),
                min: value(known.min),
                max: value(known.max),
            };
            numeric(&side(reference, a), &side(current, b), 1.0)
        }
    }
}

/// What principal components say of a window.
fn rows_found() -> rows::Finding {
    rows::Finding {
        method: "pca",
        status: Status::Warning,
        columns: 3,
        n_ref: 4000,
        n_cur: 1000,
        effect: Some(0.9),
        p: Some(1e-9),
        threshold: 0.2,
        reason: "the error of 2 components has moved".into(),
    }
}

/// A report of `count` columns, of which some have drifted.
fn report(count: usize, drifted: &[usize]) -> Report {
    named_report(columns(count), drifted)
}

fn named_report(columns: Vec<Column>, drifted: &[usize]) -> Report {
    let profile =
        Profile::from_window(&window(&columns, &[]), &columns, "train.csv".into(), "2026-01-01T00:00:00Z".into())
            .profile;
    let window = window(&columns, drifted);
    let known: Vec<Option<Known>> =
        profile.columns.iter().map(|column| Some(Known::of_profile(&profile, column))).collect();
    let outcome = |(known, column): (&Option<Known>, &WindowColumn)| -> Outcome {
        let current = Known::of_window(&window, column);
        known.as_ref().and_then(|known| compare(known, &current, column)).ok_or(Shortage::Incomparable)
    };
    let outcomes: Vec<Outcome> = known.iter().zip(&window.columns).map(outcome).collect();
    let others: Vec<Option<Compared>> = outcomes.iter().map(|outcome| outcome.clone().ok()).collect();
    let rule = Rule { persist: 1, of: 1, ..Rule::default() };
    let alone = Judge::new(rule).judge(&outcomes, &|_, cell| format!("cell {cell}"));
    Report::build(&Material {
        model: ModelFacts { name: "churn".into(), version: "2".into(), ..ModelFacts::default() },
        window_name: "1h",
        window: &window,
        sampling: 1.0,
        columns: &columns,
        reference: Some(ReferenceFacts::of_profile(&profile)),
        known: &known,
        outcomes: &outcomes,
        alone: &alone,
        closed: None,
        previous: Some(&others),
        last_week: Some(&others),
        rows: &[rows_found()],
        streams: &[StreamFacts {
            column: "column_1".into(),
            detector: Detector::PageHinkley,
            seen: 5000,
            changes: 1,
            last_ms: Some(0),
            last_change: None,
        }],
        floors: &Floors::default(),
        warnings: Vec::new(),
        now: SystemTime::UNIX_EPOCH,
    })
}

#[test]
fn the_worst_columns_come_first_and_the_verdict_says_which() {
    let report = report(12, &[1, 3, 10]);
    assert_eq!((report.summary.drifted, report.summary.monitored), (3, 12));
    assert_eq!(report.summary.status, Status::Critical);
    let names: Vec<&str> = report.features.iter().take(3).map(|column| column.name.as_str()).collect();
    assert!(names[..2].contains(&"column_1") && names[..2].contains(&"column_3"), "{names:?}");
    assert_eq!(report.prediction.columns.first().map(|column| column.name.as_str()), Some("column_10"));
    assert_eq!(report.prediction.status, Status::Critical);
    assert!(
        report.summary.reasons.first().is_some_and(|words| words.starts_with("3 of 12 columns have drifted: 25 %"))
    );
    assert_eq!(report.summary.judged.by, "alone");
}

#[test]
fn without_drift_nothing_is_found() {
    let report = report(12, &[]);
    assert_eq!((report.summary.drifted, report.summary.status), (0, Status::Ok));
    assert!(report.quality.violations.is_empty(), "{:?}", report.quality.violations);
    let column = report.features.first().expect("a column");
    let histogram = column.hist.as_ref().expect("a histogram");
    assert_eq!(histogram.r#ref, histogram.cur);
}

#[test]
fn rates_and_violations_are_told_with_their_column() {
    let report = report(8, &[0, 3]);
    let mut found: Vec<(&str, &str)> =
        report.quality.violations.iter().map(|one| (one.column.as_str(), one.violation.kind.name())).collect();
    found.sort_unstable();
    assert_eq!(found, [("column_0", "null"), ("column_3", "unseen")]);
    let column = report.features.iter().find(|column| column.name == "column_0").expect("there");
    assert_eq!(column.quality.missing.current, 0.1);
    assert_eq!(column.summary.current.missing, 200.0);
    let unseen = report.features.iter().find(|column| column.name == "column_3").expect("there");
    assert!(unseen.summary.current.most_common.iter().any(|common| common.value == "never seen"));
}

#[test]
fn a_reader_of_evidently_finds_what_it_looks_for() {
    let report = report(4, &[1]);
    let run = report.to_evidently();
    let metric = |name: &str| {
        let all = run["metrics"].as_array().expect("a list").iter();
        let found = all.clone().find(|one| one["metric_name"].as_str().is_some_and(|told| told.starts_with(name)));
        found.unwrap_or_else(|| panic!("no {name} in {run}")).clone()
    };
    assert_eq!(metric("DriftedColumnsCount")["value"], serde_json::json!({"count": 1, "share": 0.25}));
    assert_eq!(metric("RowCount()")["value"], f64::from(ROWS));
    let drift = metric("ValueDrift(column=column_1,method=PSI");
    assert!(drift["value"].as_f64() > drift["config"]["threshold"].as_f64(), "{drift}");
    let statuses: Vec<(&str, &str)> = run["tests"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|test| (test["name"].as_str().expect("a name"), test["status"].as_str().expect("a status")))
        .collect();
    assert!(statuses.contains(&("Value Drift for column column_1", "FAIL")), "{statuses:?}");
    assert!(statuses.contains(&("Value Drift for column column_2", "SUCCESS")), "{statuses:?}");
    assert!(statuses.contains(&("Share of Drifted Columns: Less 0.500", "SUCCESS")), "{statuses:?}");
    let ids: std::collections::BTreeSet<&str> =
        run["metrics"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert_eq!(ids.len(), 2 + 2 * 4, "each metric has an id of its own");
}
