//! A live window promoted to a reference.

use super::{categorical, numeric};
use crate::monitor::column::{Column, Kind, Role};
use crate::monitor::history::{Detail, History, Pane, Span};
use crate::monitor::reference::{Built, Profile, SourceKind, parse};
use crate::monitor::sketch::{Dictionary, Edges, Shape, Summary};
use std::sync::Arc;

/// Two minutes of rows; in the second, each stands for four.
fn promoted() -> Built {
    let edges = Arc::new(Edges::new(vec![10.0, 20.0, 30.0]).expect("edges"));
    let dictionary = Arc::new(Dictionary::new(["red", "green"]).expect("a dictionary"));
    let shapes = vec![Shape::Numeric(Some(edges)), Shape::Numeric(None), Shape::Categorical(dictionary)];
    let mut history = History::new(shapes.clone());
    for (minute, level) in [(0, 0), (1, 2)] {
        let mut pane = Pane::new(minute * 60_000, level, 0, &shapes);
        for row in 0..40u32 {
            for summary in &mut pane.columns {
                match summary {
                    Summary::Numeric(numbers) if row == 0 => numbers.nulls(1),
                    Summary::Numeric(numbers) => numbers.update(f64::from(row), true),
                    Summary::Categorical(texts) if row % 4 == 0 => texts.update_text("red"),
                    Summary::Categorical(texts) if row % 4 == 1 => texts.update_text(&"long ".repeat(20)),
                    Summary::Categorical(texts) => texts.update_text("blue"),
                }
            }
        }
        (pane.rows, pane.offered, pane.end_ms) = (40, 40, minute * 60_000 + 59_999);
        history.push(&pane).expect("a pane of these shapes");
    }
    let column = |name: &str, kind| Column { name: name.into(), role: Role::Input, kind };
    let columns = [column("x", Kind::Numeric), column("bare", Kind::Numeric), column("color", Kind::Categorical)];
    let window = history.window(Span::Hour, 120_000, Detail::Full);
    Profile::from_window(&window, &columns, "1h to 00:02".into(), "1970-01-01T00:02:00Z".into())
}

#[test]
fn a_window_becomes_a_profile_that_can_be_read_back() {
    let Built { profile, notes } = promoted();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!((profile.rows, profile.source.kind), (200, SourceKind::Window));
    // (40 + 160)^2 / (40 + 40 * 16)
    assert!((profile.effective_rows - 200.0 * 200.0 / 680.0).abs() < 1e-9, "{}", profile.effective_rows);
    assert_eq!(parse(profile.to_json().as_bytes()), Ok(profile));
}

#[test]
fn counts_carry_their_weights() {
    let profile = promoted().profile;
    let x = numeric(&profile, "x");
    assert_eq!((&x.edges, &x.counts, x.null), (&vec![10.0, 20.0, 30.0], &vec![50, 50, 50, 45], 5));
    assert_eq!((x.min, x.max, x.mean), (Some(1.0), Some(39.0), Some(20.0)));
    let color = categorical(&profile, "color");
    assert_eq!(color.values, ["blue", "red", "green"]);
    assert_eq!((&color.counts, color.other, color.present), (&vec![100, 50, 0], 50, 200));
}

#[test]
fn a_column_without_edges_gets_them_from_its_quantiles() {
    let profile = promoted().profile;
    let bare = numeric(&profile, "bare");
    assert!(bare.edges.len() >= 39, "{:?}", bare.edges);
    assert_eq!(bare.counts.iter().sum::<u64>(), 195);
    assert!(bare.counts.iter().filter(|count| **count == 5).count() >= 38, "{:?}", bare.counts);
}
