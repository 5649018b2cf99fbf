//! The collector by a clock of the test's own: what is sampled, learnt, judged, lost and kept.

use super::*;
use crate::monitor::drift::{Shortage, Status};
use crate::monitor::history::Span;
use crate::monitor::tap::layout::{Layout, Part};
use crate::monitor::tap::ring::CAPACITY;
use crate::monitor::tap::sample;
use crate::monitor::{ModelSettings, Role};
use crate::tensor::Tensor;
use std::path::Path;
use tempfile::tempdir;

/// A time at which a day, an hour and five minutes begin, in milliseconds.
const START: u64 = 20_000 * 24 * 3_600_000;
const MINUTE: u64 = 60_000;

/// One watched version of two columns, `x` and an answer.
struct Bench {
    collector: Collector,
    tap: Arc<Tap>,
    now: u64,
    /// Names the next request.
    next: u64,
}

impl Bench {
    fn new(directory: Option<&Path>) -> Self {
        let settings = Settings { directory: directory.map(Path::to_owned), ..Settings::default() };
        let rings = Arc::new(Rings::new(CAPACITY));
        let mut collector = Collector::new(settings, rings.clone(), Arc::default());
        let part = |role, name: &str| Part::elements(0, role, false, &[name.to_owned()]);
        let layout = Layout::new(vec![part(Role::Input, "x")], vec![part(Role::Output, "y")]);
        let tap = Arc::new(Tap::new(0, layout.clone(), rings));
        let subject = Subject {
            model: "m".into(),
            version: "1".into(),
            digest: "d1".into(),
            layout,
            settings: ModelSettings::default(),
            reference: None,
        };
        collector.watch(subject, tap.clone());
        Self { collector, tap, now: START, next: 0 }
    }

    /// Sends rows one by one, with values spread evenly between `low` and `low + 1`.
    fn send(&mut self, rows: usize, low: f32) {
        for _ in 0..rows {
            self.next += 1;
            // The golden ratio's multiples leave no gaps and no clusters.
            let value = low + (self.next as f64 * 0.618_033_988_749_895).fract() as f32;
            let tensor = Tensor::of([1, 1], vec![value]).expect("one value");
            if let Some(draft) = self.tap.offer(std::slice::from_ref(&tensor), 1, &self.next.to_le_bytes()) {
                draft.finish(std::slice::from_ref(&tensor), Duration::from_millis(1));
            }
            if self.next.is_multiple_of(1000) {
                self.collector.take(self.now);
            }
        }
        self.collector.tick(self.now);
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now += milliseconds;
        self.collector.tick(self.now);
    }

    fn watched(&mut self) -> &mut Watched {
        self.collector.find("m", "1").expect("it is watched")
    }

    fn view(&mut self, span: Span) -> View {
        let now = self.now;
        self.watched().view(span, now)
    }

    /// The verdict on the last five minutes that closed.
    fn standing(&mut self) -> Status {
        let last = self.watched().opinions.last(Span::FiveMinutes).expect("a window has closed");
        last.verdict.columns[0].status
    }
}

#[test]
fn the_first_rows_are_the_reference_of_columns_without_one() {
    let mut bench = Bench::new(None);
    bench.send(1500, 0.0);
    bench.pass(MINUTE);
    assert!(bench.view(Span::Hour).baseline.is_wanting());
    bench.send(1500, 0.0);
    bench.pass(MINUTE);
    let view = bench.view(Span::Hour);
    assert!(!view.baseline.is_wanting(), "{:?}", view.baseline);
    bench.send(2000, 0.5);
    bench.pass(MINUTE);
    let found = bench.view(Span::Hour);
    assert_eq!(found.alone.columns[0].status, Status::Critical, "{:?}", found.outcomes);
}

#[test]
fn an_alarm_takes_two_windows_that_have_closed() {
    let mut bench = Bench::new(None);
    bench.send(4000, 0.0);
    bench.pass(5 * MINUTE);
    let mut seen = Vec::new();
    for low in [0.0, 0.5, 0.5, 0.0, 0.0, 0.0] {
        bench.send(1000, low);
        bench.pass(5 * MINUTE);
        seen.push(bench.standing());
    }
    let (ok, critical) = (Status::Ok, Status::Critical);
    // The alarm stays until three windows in a row are clean.
    assert_eq!(seen, [ok, ok, critical, critical, critical, ok]);
}

#[test]
fn a_thinned_sample_estimates_all_rows_without_bias() {
    let mut bench = Bench::new(None);
    bench.send(5000, 0.0);
    bench.tap.set_level(3);
    bench.pass(MINUTE);
    let rows = 40_000;
    bench.send(rows, 0.0);
    let view = bench.view(Span::Hour);
    let (all, sampled) = (45_000.0, view.window.sampled as f64);
    // Each of the later rows counts 8 with a chance of an eighth: six deviations of that.
    let deviation = (rows as f64 * (8.0 - 1.0)).sqrt();
    assert!((view.window.rows - all).abs() < 6.0 * deviation, "{} rows for {all}", view.window.rows);
    let of_weights = view.window.rows.powi(2) / (5000.0 + 64.0 * (sampled - 5000.0));
    assert!((view.window.n_eff() - of_weights).abs() < 1.0, "{} for {of_weights}", view.window.n_eff());
}

#[test]
fn the_sample_is_thinned_to_the_budget() {
    let mut bench = Bench::new(None);
    for _ in 0..3 {
        bench.send(40_000, 0.0);
        bench.collector.rates(bench.now, Duration::from_secs(1));
    }
    // 40,000 rows a second on a budget of 10,000.
    assert_eq!(bench.tap.level(), 2);
    let share = 1.0 / sample::weight(bench.tap.level());
    assert!(share * 40_000.0 <= ModelSettings::default().rows_per_second);
}

#[test]
fn traffic_in_clusters_is_no_drift() {
    let mut bench = Bench::new(None);
    bench.send(4000, 0.0);
    bench.pass(5 * MINUTE);
    // Whole runs of like rows: each window holds other ones, of the same law in the long run.
    let mut alone = Vec::new();
    for window in 0..40u32 {
        let lows = [0.0, 0.1, -0.1, 0.2, -0.2];
        bench.send(1000, lows[(window * 7 % 5) as usize]);
        bench.pass(5 * MINUTE);
        alone.push(bench.watched().opinions.overdispersion(Span::FiveMinutes));
    }
    assert_eq!(alone[..6], [1.0; 6]);
    let settled = alone[alone.len() - 1];
    assert!(settled > 1.5, "{alone:?}");
}

#[test]
fn what_a_full_ring_loses_is_counted_and_nothing_is_judged() {
    let mut bench = Bench::new(None);
    bench.send(3000, 0.0);
    bench.pass(MINUTE);
    // As when the collector does not come to its work: nobody empties the ring.
    let tensor = Tensor::of([1, 1], vec![0.5f32]).expect("one value");
    for id in 0..20_000u64 {
        if let Some(draft) = bench.tap.offer(std::slice::from_ref(&tensor), 1, &id.to_le_bytes()) {
            draft.finish(std::slice::from_ref(&tensor), Duration::from_millis(1));
        }
    }
    let dropped = bench.tap.dropped.ring.get();
    assert!(dropped > 0 && dropped < 20_000, "{dropped}");
    bench.pass(MINUTE);
    let view = bench.view(Span::Hour);
    assert_eq!((view.window.sampled + view.window.dropped, view.window.offered), (23_000, 23_000));
    assert!(view.window.degraded());
    assert!(view.outcomes.iter().all(|outcome| matches!(outcome, Err(Shortage::Lost { .. }))), "{:?}", view.outcomes);
}

#[test]
fn another_process_goes_on_with_what_was_kept() {
    let state = tempdir().expect("a directory");
    let mut first = Bench::new(Some(state.path()));
    first.send(3000, 0.0);
    first.pass(MINUTE);
    let own = first.view(Span::Hour).baseline.profiles.first().map(|profile| profile.id.clone());
    assert!(own.is_some());
    first.send(500, 0.0);
    first.pass(MINUTE);
    // Lost with the process: its pane was not closed.
    first.send(10, 0.0);
    let mut second = Bench::new(Some(state.path()));
    second.now = first.now;
    let view = second.view(Span::Hour);
    assert_eq!(view.window.sampled, 3500);
    assert_eq!(view.baseline.profiles.first().map(|profile| profile.id.clone()), own);
    assert_eq!(view.alone.columns[0].status, Status::Ok, "{:?}", view.outcomes);
}

#[test]
fn metrics_have_what_a_question_brought_to_an_end() {
    let mut bench = Bench::new(None);
    bench.send(3000, 0.0);
    bench.pass(MINUTE);
    bench.send(10, 0.0);
    // To answer, the pane is closed before its time.
    bench.view(Span::Hour);
    bench.pass(50);
    let scores = bench.tap.scores.load();
    let names: Vec<&str> = scores.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["x", "y", "latency"]);
}

#[test]
fn a_version_that_nobody_holds_is_let_go() {
    let mut bench = Bench::new(None);
    bench.send(10, 0.0);
    assert_eq!(bench.collector.watched.len(), 1);
    bench.tap = Arc::new(Tap::new(7, Layout::default(), bench.collector.rings.clone()));
    bench.pass(100);
    assert!(bench.collector.watched.is_empty());
}
