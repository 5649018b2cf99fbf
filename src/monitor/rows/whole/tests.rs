//! Whole rows: nothing is told where nothing changes, and a lost relation is, whichever column it is in.

use super::*;
use crate::monitor::drift::mmd::normals;

const SECOND: u64 = 1000;

fn columns() -> Vec<Column> {
    let named = |name: &str, kind| Column::new(name, Role::Input, kind);
    vec![
        named("a", Kind::Numeric),
        named("word", Kind::Categorical),
        named("b", Kind::Numeric),
        named("c", Kind::Numeric),
        Column::new("latency", Role::Latency, Kind::Numeric),
    ]
}

fn on() -> Settings {
    Settings { pca: true, mmd: true, variance: 0.9, ..Settings::default() }
}

/// Rows a second apart, of which the first two numbers go together so far.
fn feed(whole: &mut Whole, normal: &mut dyn Iterator<Item = f64>, rows: u64, together: f64, from: u64) -> u64 {
    for at in 0..rows {
        let mut draw = || normal.next().expect("without end");
        let (a, b, c) = (draw(), draw(), draw());
        let row = [5.0 + a, 0.0, together * a + (1.0 - together * together).sqrt() * b, 100.0 * c, 0.001];
        whole.take(&row.map(f64::to_bits), from + at * SECOND);
    }
    from + rows * SECOND
}

fn statuses(whole: &Whole, span: Span, now: u64) -> Vec<Status> {
    whole.findings(span, now, &Rule::default()).iter().map(|finding| finding.status).collect()
}

#[test]
fn a_lost_relation_is_found_and_nothing_else() {
    let mut whole = Whole::new(&on(), &columns()).expect("on");
    let mut normal = normals(11);
    let now = feed(&mut whole, &mut normal, 100, 0.95, 0);
    let told = whole.findings(Span::Hour, now, &Rule::default());
    assert!(told.iter().all(|one| one.reason == "learns from 100 of 4000 rows" && one.columns == 3), "{told:?}");
    let now = feed(&mut whole, &mut normal, 3900 + 5 * 3600, 0.95, now);
    for span in [Span::Hour, Span::Day] {
        assert_eq!(statuses(&whole, span, now), [Status::Ok; 2], "{:?}", whole.findings(span, now, &Rule::default()));
    }
    // Five minutes have too few blocks of fifty rows.
    assert_eq!(statuses(&whole, Span::FiveMinutes, now), [Status::Ok, Status::Insufficient]);
    // No column alone has changed.
    let now = feed(&mut whole, &mut normal, 3 * 3600, 0.0, now);
    let told = whole.findings(Span::Hour, now, &Rule::default());
    assert!(told.iter().all(|one| one.status == Status::Warning && one.p < Some(1e-6)), "{told:?}");
    assert!(told[0].reason.contains("of 2 components has moved by"), "{told:?}");
}

#[test]
fn what_was_learnt_outlives_the_process_and_goes_with_its_columns() {
    let mut whole = Whole::new(&on(), &columns()).expect("on");
    assert!(whole.kept().is_none(), "nothing has been learnt");
    let mut normal = normals(12);
    let now = feed(&mut whole, &mut normal, 8000, 0.95, 0);
    let text = serde_json::to_string(&whole.kept().expect("learnt")).expect("text");
    let kept = || serde_json::from_str::<Kept>(&text).expect("read");
    let mut again = Whole::new(&on(), &columns()).expect("on");
    assert!(again.recall(kept()));
    let told = |whole: &Whole| whole.findings(Span::Day, now, &Rule::default());
    assert_eq!(told(&again), told(&whole));
    let others = [Column::new("x", Role::Input, Kind::Numeric), Column::new("y", Role::Input, Kind::Numeric)];
    assert!(!Whole::new(&on(), &others).expect("on").recall(kept()), "other columns");
    assert!(!Whole::new(&Settings { mmd: false, ..on() }, &columns()).expect("on").recall(kept()), "other methods");
    let damaged = text.replacen("\"mean\":[", "\"mean\":[1.0,", 1);
    assert!(!again.recall(serde_json::from_str(&damaged).expect("read")), "of other lengths");
    again.begin_anew();
    assert_eq!(statuses(&again, Span::Day, now), [Status::Insufficient; 2]);
}

#[test]
fn rows_that_are_no_numbers_do_no_harm() {
    assert!(Whole::new(&Settings::default(), &columns()).is_none(), "off");
    assert!(Whole::new(&on(), &columns()[..2]).is_none(), "one number has nothing to go with");
    let mut whole = Whole::new(&Settings { learn: 200, ..on() }, &columns()).expect("on");
    for at in 0..1000_u64 {
        let odd = [f64::NAN, f64::INFINITY, 1e300, 3.0][at as usize % 4];
        whole.take(&[odd.to_bits(), 0, 3.0_f64.to_bits()], at * SECOND);
    }
    let told = whole.findings(Span::Hour, 1000 * SECOND, &Rule::default());
    assert!(told.iter().all(|one| one.effect.is_none_or(f64::is_finite)), "{told:?}");
}
