//! What is packed comes back; what is damaged is told.

use super::super::tests::{counts, pane, rows, shapes};
use super::*;
use proptest::prelude::*;

fn filled(level: u8, count: u64) -> Window {
    let mut window = Window::empty(0, 60_000, &shapes());
    window.add(&pane(0, level, &rows(0, count)), Detail::Full);
    window
}

/// Rounded: the order in which values came is not stored, and the estimate may use it.
fn estimate(distinct: &Option<Distinct>) -> Option<f64> {
    distinct.as_ref().map(|distinct| distinct.estimate().round())
}

fn through(window: &Window) -> Window {
    Packed::read(Packed::new(window).bytes(), &shapes())
        .expect("its own bytes")
        .window(&shapes(), Detail::Full)
        .expect("read before")
}

proptest! {
    #[test]
    fn counts_come_back_exactly(counts in prop::collection::vec(prop_oneof![0..1u64 << 33, Just(0)], 0..150), scale in 0..20i32, part: bool) {
        let each = if part { 0.1 } else { 2f64.powi(scale) };
        let counts: Vec<f64> = counts.into_iter().map(|count| count as f64 * each).collect();
        let bytes = rkyv::to_bytes::<Error>(&Counts::of(&counts)).expect("written");
        let back = rkyv::access::<ArchivedCounts, Error>(&bytes).expect("whole");
        prop_assert_eq!(back.read(0, "cells", counts.len()), Ok(counts));
    }

    #[test]
    fn windows_come_back_as_they_were(level in 0..30u8, count in 0..2_000u64) {
        let window = filled(level, count);
        let back = through(&window);
        prop_assert_eq!(counts(&back), counts(&window));
        prop_assert_eq!((back.squares, back.dropped), (window.squares, window.dropped));
        for (back, column) in back.columns.iter().zip(&window.columns) {
            match (back, column) {
                (WindowColumn::Numeric(back), WindowColumn::Numeric(column)) => {
                    prop_assert_eq!((back.moments, back.unit), (column.moments, column.unit));
                    prop_assert!(back.quantiles == column.quantiles);
                    prop_assert_eq!(estimate(&back.distinct), estimate(&column.distinct));
                }
                (WindowColumn::Categorical(back), WindowColumn::Categorical(column)) => {
                    let top = |categorical: &WindowCategorical| categorical.unseen.as_ref().map(|unseen| unseen.top(9));
                    prop_assert_eq!(top(back), top(column));
                    prop_assert_eq!(estimate(&back.distinct), estimate(&column.distinct));
                }
                _ => prop_assert!(false, "a column changed its kind"),
            }
        }
    }

    /// Damage is told, or leaves a window that can be used.
    #[test]
    fn damaged_bytes_do_no_harm(hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), shorten: bool) {
        let mut bytes = Packed::new(&filled(1, 300)).bytes().to_vec();
        hits.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
        if shorten {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(packed) = Packed::read(&bytes, &shapes()) {
            let mut all = filled(2, 100);
            all.merge(&packed.window(&shapes(), Detail::Full).expect("read before"), Detail::Full);
            Packed::new(&all);
        }
    }
}

#[test]
fn ordinary_counts_take_four_bytes() {
    assert_eq!(Counts::of(&[8.0, 0.0, 24.0]), Counts::Narrow { scale: 3, counts: vec![1, 0, 3] });
    assert_eq!(Counts::of(&[0.0]), Counts::Narrow { scale: 0, counts: vec![0] });
    assert_eq!(Counts::of(&[0.5]), Counts::Wide(vec![0.5]));
}

#[test]
fn what_is_wrong_is_named() {
    let packed = Packed::new(&filled(0, 10));
    assert_eq!(
        Packed::read(packed.bytes(), &shapes()[..2]).err(),
        Some(StoredError::Columns { found: 3, expected: 2 })
    );
    let mut other = shapes();
    other.swap(0, 1);
    assert_eq!(Packed::read(packed.bytes(), &other).err(), Some(StoredError::Shape { at: 0, field: "column" }));
    other = shapes();
    other[0] = Shape::Numeric(None);
    assert_eq!(Packed::read(packed.bytes(), &other).err(), Some(StoredError::Shape { at: 0, field: "cells" }));
    assert!(matches!(Packed::read(&[], &shapes()), Err(StoredError::Archive(_))));
}
