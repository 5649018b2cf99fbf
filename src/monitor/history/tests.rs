//! Windows hold what counting all rows at once would have given.

use super::super::sketch::{Dictionary, Edges, Quantiles, Summary};
use super::*;
use proptest::prelude::*;
use std::sync::Arc;

pub(super) const NOON: u64 = 1_800_000_000_000 - 1_800_000_000_000 % DAY + 12 * HOUR;

pub(super) fn shapes() -> Vec<Shape> {
    let edges = Edges::within((1..40).map(|at| f64::from(at) / 40.0).collect(), 0.0, 1.0).expect("edges");
    let colours = Dictionary::new(["red", "green", "blue"]).expect("different");
    vec![Shape::Numeric(Some(Arc::new(edges))), Shape::Categorical(Arc::new(colours)), Shape::Numeric(None)]
}

/// A row that its number decides: the value of both numeric columns, and a colour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row(pub u64);

impl Row {
    fn number(self) -> f64 {
        match self.0 % 23 {
            0 => f64::NAN,
            1 => f64::INFINITY,
            2 => 0.0,
            _ => (self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11) as f64 / (1u64 << 53) as f64 * 1.2 - 0.1,
        }
    }

    fn colour(self) -> Option<&'static str> {
        [Some("red"), Some("green"), Some("blue"), Some("mauve"), None][(self.0 / 7 % 5) as usize]
    }
}

pub(super) fn pane(start_ms: u64, level: u8, rows: &[Row]) -> Pane {
    pane_of(&shapes(), start_ms, level, rows)
}

fn pane_of(shapes: &[Shape], start_ms: u64, level: u8, rows: &[Row]) -> Pane {
    let mut pane = Pane::new(start_ms, level, 0, shapes);
    for row in rows {
        pane.rows += 1;
        for column in &mut pane.columns {
            match column {
                Summary::Numeric(numeric) => numeric.update(row.number(), true),
                Summary::Categorical(categorical) => match row.colour() {
                    Some(colour) => categorical.update_text(colour),
                    None => categorical.nulls(1),
                },
            }
        }
    }
    pane.offered = pane.rows << level;
    pane.end_ms = start_ms + 1;
    pane
}

fn numeric(window: &Window, at: usize) -> &WindowNumeric {
    match &window.columns[at] {
        WindowColumn::Numeric(numeric) => numeric,
        WindowColumn::Categorical(_) => panic!("column {at} is numeric"),
    }
}

fn categorical(window: &Window, at: usize) -> &WindowCategorical {
    match &window.columns[at] {
        WindowColumn::Categorical(categorical) => categorical,
        WindowColumn::Numeric(_) => panic!("column {at} is categorical"),
    }
}

/// All counts of a window in one list.
pub(super) fn counts(window: &Window) -> Vec<f64> {
    let mut all = vec![window.rows, window.sampled as f64, window.offered as f64];
    for column in &window.columns {
        match column {
            WindowColumn::Numeric(numeric) => {
                all.extend(numeric.counters.to_array());
                all.extend(&numeric.cells);
            }
            WindowColumn::Categorical(categorical) => {
                all.extend([categorical.null, categorical.type_error, categorical.other]);
                all.extend(&categorical.codes);
            }
        }
    }
    all
}

pub(super) fn rows(from: u64, count: u64) -> Vec<Row> {
    (from..from + count).map(Row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn panes_of_any_cut_give_what_one_pass_gives(cuts in prop::collection::vec((0..60u64, 0..60u64), 1..20), in_order: bool) {
        let mut history = History::new(shapes());
        let mut starts: Vec<(u64, u64)> = cuts;
        if in_order {
            starts.sort_unstable();
        }
        let mut all = Vec::new();
        for (at, (minute, count)) in starts.iter().enumerate() {
            let some = rows(at as u64 * 1_000, *count);
            history.push(&pane(NOON + minute * MINUTE, 0, &some)).expect("of this shape");
            all.extend(some);
        }
        history.advance(NOON + HOUR);
        let mut expected = History::new(shapes());
        expected.push(&pane(NOON, 0, &all)).expect("of this shape");
        expected.advance(NOON + HOUR);
        let (closed, once) = (history.closed(Span::Hour, NOON + HOUR, Detail::Full), expected.closed(Span::Hour, NOON + HOUR, Detail::Full));
        prop_assert_eq!(closed.is_some(), !all.is_empty());
        let (Some(closed), Some(once)) = (closed, once) else { return Ok(()) };
        prop_assert_eq!(counts(&closed), counts(&once));
        for column in [0, 2] {
            let (merged, whole) = (numeric(&closed, column), numeric(&once, column));
            prop_assert!((merged.moments.mean - whole.moments.mean).abs() < 1e-12);
            prop_assert!((merged.moments.m2 - whole.moments.m2).abs() < 1e-9);
            let quantiles = [merged, whole].map(|numeric| numeric.quantiles.as_ref().map(|quantiles| (quantiles.n(), quantiles.min(), quantiles.max())));
            prop_assert_eq!(quantiles[0], quantiles[1]);
        }
        let unseen = [&closed, &once].map(|window| categorical(window, 1).unseen.as_ref().map(|unseen| unseen.top(5)));
        prop_assert_eq!(&unseen[0], &unseen[1]);
    }

    #[test]
    fn weights_count_rows_as_often_as_they_stand_for(levels in prop::collection::vec((0..6u8, 1..40u64), 1..8)) {
        let mut history = History::new(shapes());
        let (mut total, mut squares) = (0.0, 0.0);
        for (at, (level, count)) in levels.iter().enumerate() {
            history.push(&pane(NOON + at as u64 * 1_000, *level, &rows(at as u64 * 97, *count))).expect("of this shape");
            let each = f64::from(1u32 << level);
            total += each * *count as f64;
            squares += each * each * *count as f64;
        }
        let window = history.window(Span::Day, NOON + MINUTE, Detail::Full);
        prop_assert_eq!((window.rows, window.squares), (total, squares));
        prop_assert!((window.n_eff() - total * total / squares).abs() < 1e-9);
        let column = numeric(&window, 0);
        prop_assert_eq!(column.counters.rows(), total);
        prop_assert_eq!(column.cells.iter().sum::<f64>(), column.counters.finite);
        prop_assert_eq!(categorical(&window, 1).rows(), total);
        // Quantiles count in units of the smallest weight that came; NaN has no rank.
        let counted = column.quantiles.as_ref().map_or(0, Quantiles::n);
        let ranked = column.counters.rows() - column.counters.nan;
        prop_assert_eq!(counted as f64 * f64::from(1u32 << column.unit), ranked);
    }
}

/// Rows are taken by hash with a chance that changes from minute to minute; the estimates of all rows
/// lie around the truth as far as their own variance says.
#[test]
fn estimates_are_unbiased_at_any_rate() {
    let minutes = 12;
    let (mut deviations, mut below) = (Vec::new(), 0);
    for seed in 0..200u64 {
        let mut history = History::new(shapes());
        let (mut truth, mut variance) = (0.0, 0.0);
        for minute in 0..minutes {
            let level = [0u8, 3, 1, 5][minute as usize % 4];
            let all = rows((seed * minutes + minute) * 500, 500);
            let key = |row: &Row| xxhash_rust::xxh3::xxh3_64_with_seed(&row.0.to_le_bytes(), 7);
            let taken: Vec<Row> = all.iter().copied().filter(|row| key(row) < u64::MAX >> level).collect();
            history.push(&pane(NOON + minute * MINUTE, level, &taken)).expect("of this shape");
            let chance = 0.5f64.powi(i32::from(level));
            let low = all.iter().filter(|row| row.number() < 0.25).count() as f64;
            truth += low;
            variance += low * (1.0 - chance) / chance;
        }
        history.advance(NOON + HOUR);
        let window = history.closed(Span::Hour, NOON + HOUR, Detail::Counts).expect("rows came");
        let estimate: f64 = numeric(&window, 0).cells[..10].iter().sum();
        deviations.push((estimate - truth) / f64::sqrt(variance));
        below += u32::from(estimate < truth);
    }
    let mean = deviations.iter().sum::<f64>() / 200.0;
    let spread = deviations.iter().map(|deviation| deviation * deviation).sum::<f64>() / 200.0;
    // Four standard errors of 200 draws.
    assert!(mean.abs() < 4.0 / 200f64.sqrt(), "biased by {mean} deviations");
    assert!((spread - 1.0).abs() < 0.4, "the variance is {spread} of what it should be");
    assert!((60..140).contains(&below), "{below} of 200 below the truth");
}

#[test]
fn closed_spans_do_not_overlap_and_wait_for_their_end() {
    let mut history = History::new(shapes());
    for minute in 0..130 {
        history.push(&pane(NOON + minute * MINUTE, 0, &rows(minute, 2))).expect("of this shape");
    }
    assert_eq!(history.last_end(Span::Hour), NOON + 2 * HOUR);
    let rows = |span, end| {
        history.closed(span, end, Detail::Counts).map(|window| (window.start_ms, window.end_ms, window.sampled))
    };
    assert_eq!(rows(Span::Hour, NOON + HOUR), Some((NOON, NOON + HOUR, 120)));
    assert_eq!(rows(Span::Hour, NOON + 2 * HOUR), Some((NOON + HOUR, NOON + 2 * HOUR, 120)));
    assert_eq!(rows(Span::Hour, NOON + 3 * HOUR), None);
    assert_eq!(rows(Span::Hour, NOON + HOUR + MINUTE), None);
    assert_eq!(rows(Span::FiveMinutes, NOON + 125 * MINUTE), Some((NOON + 120 * MINUTE, NOON + 125 * MINUTE, 10)));
    assert_eq!(
        history.previous(Span::Hour, NOON + 2 * HOUR, Detail::Counts).map(|window| window.end_ms),
        Some(NOON + HOUR)
    );
    assert_eq!(rows(Span::Day, NOON + 12 * HOUR), None);
    history.advance(NOON + 12 * HOUR);
    let day = history.closed(Span::Day, NOON + 12 * HOUR, Detail::Counts).expect("over");
    assert_eq!((day.start_ms, day.sampled), (NOON - 12 * HOUR, 260));
}

#[test]
fn late_windows_slide() {
    let mut history = History::new(shapes());
    for minute in 0..130 {
        history.push(&pane(NOON + minute * MINUTE, 0, &rows(minute, 2))).expect("of this shape");
    }
    let now = NOON + 130 * MINUTE;
    let sampled = |span| history.window(span, now, Detail::Counts).sampled;
    assert_eq!(sampled(Span::FiveMinutes), 10);
    assert_eq!(sampled(Span::Hour), 120);
    assert_eq!(sampled(Span::Day), 260);
    assert_eq!(history.window(Span::Hour, now + DAY, Detail::Counts).sampled, 0);
}

#[test]
fn memory_is_bounded_however_long_it_runs() {
    let mut history = History::new(shapes());
    for hour in 0..9 * 24 + 30 {
        history.push(&pane(NOON + hour * HOUR, 0, &rows(hour, 1))).expect("of this shape");
    }
    let entries = [&history.minutes, &history.fives, &history.hours].map(Ring::len);
    assert_eq!((entries, history.week.hours().count()), ([6, 13, 25], 168));
    let last = NOON + (9 * 24 + 30) * HOUR;
    assert_eq!(history.same_hour_last_week(last).map(|window| (window.end_ms, window.sampled)), Some((last - WEEK, 1)));
}

#[test]
fn a_clock_that_went_astray_is_forgotten_first() {
    let mut history = History::new(shapes());
    history.push(&pane(NOON + 365 * DAY, 0, &rows(0, 1))).expect("of this shape");
    for minute in 0..60 {
        history.push(&pane(NOON + minute * MINUTE, 0, &rows(minute, 1))).expect("of this shape");
    }
    assert_eq!(history.window(Span::FiveMinutes, NOON + 60 * MINUTE, Detail::Counts).sampled, 5);
}

#[test]
fn edges_that_come_late_start_with_empty_cells() {
    let mut history = History::new(shapes());
    history.push(&pane(NOON, 0, &rows(0, 100))).expect("of this shape");
    let before = history.window(Span::Hour, NOON + MINUTE, Detail::Counts);
    let quantiles = numeric(&before, 2).quantiles.clone().expect("kept where there are no cells");
    let edges = Edges::from_quantiles(&quantiles, 20).expect("rows came");
    let mut changed = shapes();
    changed[2] = Shape::Numeric(Some(Arc::new(edges)));
    history.reshape(2, changed[2].clone());
    history.push(&pane_of(&changed, NOON + 1_000, 0, &rows(0, 100))).expect("of this shape");
    let after = history.window(Span::Hour, NOON + MINUTE, Detail::Counts);
    let column = numeric(&after, 2);
    assert_eq!(column.counters.rows(), 200.0);
    assert_eq!(column.cells.iter().sum::<f64>() * 2.0, column.counters.finite);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Rows dealt out to replicas and merged are as rows that came to one, on the day and in the week.
    #[test]
    fn replicas_merge_to_the_whole(panes in prop::collection::vec((0..24u64, 1..20u64, 0..3usize), 1..30)) {
        let mut replicas = vec![History::new(shapes()); 3];
        let mut whole = History::new(shapes());
        for (at, (hour, count, replica)) in panes.iter().enumerate() {
            let pane = pane(NOON + hour * HOUR, 0, &rows(at as u64 * 100, *count));
            replicas[*replica].push(&pane).expect("of this shape");
            whole.push(&pane).expect("of this shape");
        }
        replicas.iter_mut().chain([&mut whole]).for_each(|history| history.advance(NOON + DAY));
        assert_same(&merged(&replicas), &whole, |history| {
            (0..=24).map(|hour| history.closed(Span::Hour, NOON + hour * HOUR, Detail::Full)).collect()
        });
        for hour in 30..56 {
            let pane = pane(NOON + hour * HOUR, 0, &rows(hour, 1));
            for replica in &mut replicas {
                replica.push(&pane).expect("of this shape");
                whole.push(&pane).expect("of this shape");
            }
        }
        assert_same(&merged(&replicas), &whole, |history| {
            (0..=56).map(|hour| history.same_hour_last_week(NOON + hour * HOUR + WEEK)).collect()
        });
    }
}

fn merged(replicas: &[History]) -> History {
    let mut merged = History::new(shapes());
    replicas.iter().for_each(|replica| merged.merge(replica).expect("of these shapes"));
    merged
}

fn assert_same(one: &History, other: &History, windows: impl Fn(&History) -> Vec<Option<Window>>) {
    let told = |history| windows(history).iter().map(|window| window.as_ref().map(counts)).collect::<Vec<_>>();
    let [one, other] = [one, other].map(told);
    assert!(one == other, "{one:?}\n{other:?}");
    assert!(one.iter().any(Option::is_some), "nothing to compare");
}

#[test]
fn folded_hours_hold_what_the_hours_held() {
    let mut history = History::new(shapes());
    history.push(&pane(NOON, 2, &rows(0, 500))).expect("of this shape");
    let hour = history.folded(&history.window(Span::Day, NOON + MINUTE, Detail::Counts));
    for later in 1..=25 {
        history.push(&pane(NOON + later * HOUR, 0, &rows(0, 1))).expect("of this shape");
    }
    let folded = history.same_hour_last_week(NOON + HOUR + WEEK).expect("out of the day");
    assert_eq!((folded.start_ms, folded.end_ms), (NOON, NOON + HOUR));
    assert_eq!(counts(&folded), counts(&hour));
    assert_eq!(numeric(&folded, 0).cells.len(), 20);
    assert_eq!(numeric(&folded, 0).moments.mean, numeric(&hour, 0).moments.mean);
    assert_eq!(categorical(&folded, 1).rows(), 2_000.0);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut history = History::new(shapes());
    let mut short = pane(NOON, 0, &[]);
    short.columns.pop();
    assert_eq!(history.push(&short), Err(HistoryError::Columns { found: 2, expected: 3 }));
    assert_eq!(history.push(&pane(NOON, 41, &[])), Err(HistoryError::Level(41)));
}

/// What `docs/` says of memory: 100 numeric columns, of which every sketch is full, over a day and
/// with the week before it.
#[test]
fn a_hundred_columns_take_less_than_20_megabytes() {
    let edges = Edges::within((1..120).map(|at| f64::from(at) / 120.0).collect(), 0.0, 1.0).expect("edges");
    let shapes = vec![Shape::Numeric(Some(Arc::new(edges))); 100];
    let mut minute = Pane::new(NOON, 0, 0, &shapes);
    // No single-precision numbers: those would take half.
    let values: Vec<f64> = (0..4_096).map(|at| f64::from(at * 2_017 % 4_096) / 4_099.0).collect();
    if let Some(Summary::Numeric(first)) = minute.columns.first_mut() {
        first.update_column(&values);
        first.enrich(&values);
    }
    let full = minute.columns[0].clone();
    minute.columns.fill(full);
    minute.rows = 4_096;
    let mut history = History::new(shapes);
    for hour in 0..8 * 24 + 25 {
        history.push(&Pane { start_ms: NOON + hour * HOUR, ..minute.clone() }).expect("of these shapes");
    }
    for at in 0..13 {
        history
            .push(&Pane { start_ms: NOON + (8 * 24 + 24) * HOUR + at * 5 * MINUTE, ..minute.clone() })
            .expect("of these shapes");
    }
    let [day, live] = [history.memory(), minute.memory()].map(|bytes| bytes as f64 / 1e6);
    assert!(day > 10.0, "{day} MB: were the sketches full?");
    assert!(day + live <= 20.0, "{day} MB and {live} MB in the pane being filled");
}
