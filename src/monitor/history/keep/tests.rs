//! What is written comes back; what is damaged is set aside and told.

use super::super::super::sketch::Edges;
use super::super::tests::{NOON, Row, counts, pane, rows, shapes};
use super::super::{Detail, HOUR, MINUTE, Span};
use super::*;
use proptest::prelude::*;
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

fn label() -> Label {
    let columns = [("input", "amount"), ("input", "colour"), ("output", "score")];
    let columns = columns.map(|(role, name)| Named { role: role.into(), name: name.into() }).into();
    Label { model: "churn".into(), version: "3.1".into(), columns }
}

fn open(directory: &TempDir) -> (Keeper, History, Vec<SetAside>) {
    Keeper::open(&directory.path().join("monitor/churn/3.1"), label(), shapes())
}

/// Pushes a pane for each minute and saves after each.
fn run(keeper: &mut Keeper, history: &mut History, minutes: std::ops::Range<u64>) {
    for minute in minutes {
        history.push(&pane(NOON + minute * MINUTE, 0, &rows(minute * 10, 10))).expect("of this shape");
        keeper.save(history).expect("saved");
    }
}

fn told(history: &History) -> Vec<Vec<f64>> {
    let now = NOON + 200 * MINUTE;
    let sliding = Span::ALL.map(|span| history.window(span, now, Detail::Full));
    let closed = (0..4).filter_map(|hour| history.closed(Span::Hour, NOON + hour * HOUR, Detail::Full));
    sliding.iter().cloned().chain(closed).map(|window| counts(&window)).collect()
}

#[test]
fn a_restart_loses_the_pane_being_filled_at_most() {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, aside) = open(&directory);
    assert!(aside.is_empty());
    // Stops anywhere, also within the minute in which an hour ends.
    for (from, to) in [(0, 1), (1, 59), (59, 60), (60, 61), (61, 130), (130, 200)] {
        run(&mut keeper, &mut history, from..to);
        let (again, kept, aside) = open(&directory);
        assert!(aside.is_empty(), "{aside:?}");
        assert_eq!(told(&kept), told(&history), "after {to} minutes");
        (keeper, history) = (again, kept);
    }
    let hour = history.closed(Span::Hour, NOON + HOUR, Detail::Full).expect("kept");
    assert_eq!(hour.sampled, 600);
}

#[test]
fn weeks_are_kept() {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, _) = open(&directory);
    for hour in 0..8 * 24 + 10 {
        history.push(&pane(NOON + hour * HOUR, 0, &rows(hour * 10, 10))).expect("of this shape");
    }
    keeper.save(&history).expect("saved");
    let (_, kept, _) = open(&directory);
    for hour in 0..8 * 24 {
        let [one, other] = [&kept, &history].map(|history| history.same_hour_last_week(NOON + hour * HOUR));
        assert_eq!(one.map(|window| counts(&window)), other.map(|window| counts(&window)));
    }
    assert!(kept.same_hour_last_week(NOON + (8 * 24 + 9) * HOUR).is_some());
}

/// The file that `change` damages is told by name and field, moved, and not lost; the other is used.
fn set_aside_after(ending: &str, change: impl Fn(&mut Vec<u8>)) -> (String, History) {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, _) = open(&directory);
    run(&mut keeper, &mut history, 58..63);
    let path = directory.path().join(format!("monitor/churn/3.1.{ending}"));
    let mut bytes = fs::read(&path).expect("written");
    change(&mut bytes);
    fs::write(&path, &bytes).expect("written");
    let (mut keeper, mut kept, aside) = open(&directory);
    let [SetAside { error, to: Some(to) }] = &aside[..] else { panic!("{aside:?}") };
    assert_eq!(fs::read(to).expect("moved"), bytes);
    assert!(!path.exists());
    let words = error.to_string();
    assert!(words.contains(&format!("3.1.{ending}: ")), "{words}");
    // And the next save does as if nothing had been.
    run(&mut keeper, &mut kept, 63..64);
    assert!(path.exists() && to.exists());
    (words, kept)
}

#[test]
fn damage_is_told_and_set_aside() {
    for ending in [RECENT, HOURS] {
        let field = |change: &dyn Fn(&mut Vec<u8>)| {
            let words = set_aside_after(ending, change).0;
            words.split(": ").nth(1).expect("a field").to_owned()
        };
        assert_eq!(field(&|bytes| bytes.truncate(20)), "length");
        assert_eq!(field(&|bytes| bytes.truncate(200)), "length");
        assert_eq!(field(&|bytes| bytes.clear()), "length");
        assert_eq!(field(&|bytes| bytes[100] ^= 1), "digest");
        assert_eq!(field(&|bytes| bytes[0] ^= 1), "magic");
        assert_eq!(field(&|bytes| bytes[8] ^= 1), "order");
        assert_eq!(field(&|bytes| bytes[12] ^= 2), "layout");
        assert_eq!(field(&|bytes| *bytes = b"name,age\nAda,36\n".repeat(10)), "magic");
    }
}

#[test]
fn one_damaged_file_leaves_the_other() {
    let (_, history) = set_aside_after(RECENT, |bytes| bytes[100] ^= 1);
    // Minutes 58 and 59 are in the hour that is over, minutes 60 to 62 were in the damaged file.
    assert_eq!(history.window(Span::Day, NOON + 2 * HOUR, Detail::Counts).sampled, 30);
    let (_, history) = set_aside_after(HOURS, |bytes| bytes[100] ^= 1);
    assert_eq!(history.window(Span::Day, NOON + 2 * HOUR, Detail::Counts).sampled, 40);
}

#[test]
fn files_of_other_columns_are_set_aside() {
    let directory = TempDir::new().expect("a directory");
    let base = directory.path().join("panes");
    let (mut keeper, mut history, _) = Keeper::open(&base, label(), shapes());
    run(&mut keeper, &mut history, 0..1);
    let bytes = fs::read(with_ending(&base, RECENT)).expect("written");
    let words = |label: Label, shapes: Vec<Shape>| {
        fs::write(with_ending(&base, RECENT), &bytes).expect("written");
        let (_, history, aside) = Keeper::open(&base, label, shapes);
        assert_eq!(history.window(Span::Day, NOON + HOUR, Detail::Counts).sampled, 0);
        let words: Vec<String> = aside.iter().map(|aside| aside.error.to_string()).collect();
        words.join("; ")
    };
    let other = Label { version: "4".into(), ..label() };
    assert!(words(other, shapes()).contains("panes.recent: version: \"3.1\", expected \"4\""));
    let mut other = label();
    other.columns[1].name = "shade".into();
    assert!(words(other, shapes()).contains("columns: column 1 is input \"colour\", expected input \"shade\""));
    let mut other = shapes();
    other[0] = Shape::Numeric(Some(Arc::new(Edges::new(vec![1.0]).expect("edges"))));
    assert!(words(label(), other).contains("columns: column 0, \"amount\", was counted on other edges"));
}

#[test]
fn records_that_lie_upon_each_other_are_refused() {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, _) = open(&directory);
    run(&mut keeper, &mut history, 0..1);
    let bytes = fs::read(directory.path().join("monitor/churn/3.1.recent")).expect("written");
    assert!(file::open(&file::piled(&bytes, 1)).is_ok());
    for (times, words) in [(200, "longer together than the file"), (237, "records, expected at most")] {
        let (field, reason) = file::open(&file::piled(&bytes, times)).expect_err("refused");
        assert!(field == "records" && reason.contains(words), "{field}: {reason}");
    }
}

#[test]
fn edges_that_were_found_live_are_taken_from_the_file() {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, _) = open(&directory);
    run(&mut keeper, &mut history, 58..61);
    let found = Shape::Numeric(Some(Arc::new(Edges::new(vec![0.25, 0.5, 0.75]).expect("edges"))));
    history.reshape(2, found.clone());
    keeper.save(&history).expect("saved");
    let (_, kept, aside) = open(&directory);
    assert!(aside.is_empty(), "{aside:?}");
    assert_eq!(kept.shapes()[2].digest(), found.digest());
    assert_eq!(told(&kept), told(&history));
}

#[test]
fn what_cannot_be_read_is_not_written_over() {
    let directory = TempDir::new().expect("a directory");
    let base = directory.path().join("panes");
    // A directory in the place of the file can be moved, so the parent is a file: nothing can.
    fs::write(&base, b"in the way").expect("written");
    let (mut keeper, history, aside) = Keeper::open(&base.join("3"), label(), shapes());
    assert!(!aside.is_empty() && aside.iter().all(|aside| aside.to.is_none()), "{aside:?}");
    assert!(matches!(keeper.save(&history), Err(KeepError::Blocked { .. })));
    assert_eq!(fs::read(&base).expect("there"), b"in the way");
}

#[test]
fn reports_read_without_touching() {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, _) = open(&directory);
    run(&mut keeper, &mut history, 58..63);
    let bases = find(directory.path()).expect("read");
    assert_eq!(bases, [directory.path().join("monitor/churn/3.1")]);
    let kept = read(&bases[0]).expect("whole").expect("there");
    assert_eq!((kept.label, told(&kept.history)), (label(), told(&history)));
    assert!(read(&directory.path().join("nothing")).expect("no error").is_none());
    let path = with_ending(&bases[0], HOURS);
    fs::write(&path, b"broken").expect("written");
    assert!(read(&bases[0]).is_err());
    assert_eq!(fs::read(&path).expect("still there"), b"broken");
}

/// A file with entries of every kind.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let directory = TempDir::new().expect("a directory");
    let (mut keeper, mut history, _) = open(&directory);
    history.push(&pane(NOON, 1, &[Row(5), Row(9), Row(31)])).expect("of this shape");
    keeper.save(&history).expect("saved");
    fs::read(directory.path().join("monitor/churn/3.1.recent")).expect("written")
});

proptest! {
    /// Bytes that pass the digest: an error, or a history that can be used.
    #[test]
    fn hostile_files_do_no_harm(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), shorten: bool) {
        let mut bytes = FILE.clone();
        hits.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
        if shorten {
            bytes.truncate(64 + cut.index(bytes.len() - 64));
        }
        file::seal(&mut bytes);
        if let Ok(mut kept) = file::open(&bytes) {
            kept.history.window(Span::Day, NOON + HOUR, Detail::Full);
            let mut other = History::new(shapes());
            other.push(&pane(NOON, 1, &[Row(5)])).expect("of this shape");
            kept.history.merge(&other).ok();
            kept.history.push(&pane(NOON + MINUTE, 0, &[Row(1)])).ok();
            kept.history.memory();
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(file::open(&bytes).is_err());
    }
}
