//! Data quality: shares of values that are missing, of the wrong type, out of range or unseen, against
//! the reference.
//!
//! A share is a violation where its rise is both more than chance and above an absolute floor: a test
//! alone would page for one null in a million rows, a floor alone for one null in ten.

use super::homogeneity::{Proportions, proportions};
use super::words::percent;
use serde::{Deserialize, Serialize};

/// What a side has counted of a column, each row once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Weighted rows; the counts below are on this scale.
    pub rows: f64,
    /// Effective rows, `(sum w)^2 / sum w^2`.
    pub n_eff: f64,
    pub null: f64,
    pub nan: f64,
    pub infinite: f64,
    pub type_error: f64,
    /// Below the least or above the greatest value of the reference.
    pub out_of_range: f64,
    /// In no category of the reference.
    pub unseen: f64,
    pub zero: f64,
    /// Extremes of the finite values; of a categorical column both are the number of distinct values, so
    /// that they are one where there is one.
    pub min: f64,
    pub max: f64,
    /// The largest share of the rows that one value may hold: of the reference, its largest cell's.
    pub heaviest: f64,
}

/// What may be wrong with a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Null,
    Nan,
    Infinite,
    TypeError,
    OutOfRange,
    Unseen,
    Zero,
    Constant,
}

impl Kind {
    /// The share-like kinds; `Constant` is a state of the whole window.
    pub const SHARES: [Self; 7] =
        [Self::Null, Self::Nan, Self::Infinite, Self::TypeError, Self::OutOfRange, Self::Unseen, Self::Zero];

    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Nan => "nan",
            Self::Infinite => "infinite",
            Self::TypeError => "type_error",
            Self::OutOfRange => "out_of_range",
            Self::Unseen => "unseen",
            Self::Zero => "zero",
            Self::Constant => "constant",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Null => "missing",
            Self::Nan => "no number (NaN)",
            Self::Infinite => "infinite",
            Self::TypeError => "of the wrong type",
            Self::OutOfRange => "outside the range of the reference",
            Self::Unseen => "in no category of the reference",
            Self::Zero => "zero",
            Self::Constant => "all the same",
        }
    }

    fn count(self, tally: &Tally) -> f64 {
        match self {
            Self::Null => tally.null,
            Self::Nan => tally.nan,
            Self::Infinite => tally.infinite,
            Self::TypeError => tally.type_error,
            Self::OutOfRange => tally.out_of_range,
            Self::Unseen => tally.unseen,
            Self::Zero => tally.zero,
            Self::Constant => 0.0,
        }
    }
}

/// When a share is worth telling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Floors {
    /// P of a rise by chance; small, for every column is asked about every kind in every window.
    pub alpha: f64,
    /// Effective rows that either side must have.
    pub min_rows: f64,
    /// Rises of a share below these are not told.
    pub null: f64,
    pub nan: f64,
    pub infinite: f64,
    pub type_error: f64,
    pub out_of_range: f64,
    pub unseen: f64,
    pub zero: f64,
}

impl Default for Floors {
    fn default() -> Self {
        Self {
            alpha: 1e-6,
            min_rows: 100.0,
            null: 0.01,
            nan: 0.01,
            infinite: 0.001,
            type_error: 0.001,
            out_of_range: 0.005,
            unseen: 0.01,
            zero: 0.05,
        }
    }
}

impl Floors {
    fn of(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Null => self.null,
            Kind::Nan => self.nan,
            Kind::Infinite => self.infinite,
            Kind::TypeError => self.type_error,
            Kind::OutOfRange => self.out_of_range,
            Kind::Unseen => self.unseen,
            Kind::Zero => self.zero,
            Kind::Constant => 0.0,
        }
    }
}

/// Something wrong with a column in a window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    pub kind: Kind,
    /// Shares of the rows, in the window and in the reference.
    pub current: f64,
    pub reference: f64,
    /// The two-proportion z; `None` of a constant column.
    pub z: Option<f64>,
    /// P of such a rise, or a larger one, by chance.
    pub p: f64,
    pub floor: f64,
    /// The same in words.
    pub words: String,
}

/// What is wrong with a column, the reference's shares taken for normal. Nothing, where either side has too
/// few rows.
pub fn violations(reference: &Tally, current: &Tally, floors: &Floors) -> Vec<Violation> {
    let enough = |tally: &Tally| tally.rows > 0.0 && tally.n_eff >= floors.min_rows;
    if !enough(reference) || !enough(current) {
        return Vec::new();
    }
    let shares = Kind::SHARES.into_iter().filter_map(|kind| risen(kind, reference, current, floors));
    shares.chain(constant(reference, current, floors)).collect()
}

fn risen(kind: Kind, reference: &Tally, current: &Tally, floors: &Floors) -> Option<Violation> {
    let share = |tally: &Tally| (kind.count(tally) / tally.rows).clamp(0.0, 1.0);
    let (was, is, floor) = (share(reference), share(current), floors.of(kind));
    let rows = [reference.n_eff, current.n_eff];
    let Proportions { z, above: p, .. } = proportions([was * rows[0], is * rows[1]], rows)?;
    if is <= was || is - was < floor || p > floors.alpha {
        return None;
    }
    let words = format!(
        "{} of the values are {}, {} in the reference: more than chance (p {p:.1e}), and at least {} more",
        percent(is),
        kind.words(),
        percent(was),
        percent(floor)
    );
    Some(Violation { kind, current: is, reference: was, z: Some(z), p, floor, words })
}

/// One value in the whole window, where the reference has several.
fn constant(reference: &Tally, current: &Tally, floors: &Floors) -> Option<Violation> {
    let is_one = |tally: &Tally| tally.min >= tally.max;
    let present = current.n_eff * (1.0 - ((current.null + current.nan + current.type_error) / current.rows).min(1.0));
    let p = reference.heaviest.clamp(0.0, 1.0).powf(present);
    let found = is_one(current) && !is_one(reference) && present >= floors.min_rows && p <= floors.alpha;
    found.then(|| Violation {
        kind: Kind::Constant,
        current: 1.0,
        reference: reference.heaviest,
        z: None,
        p,
        floor: 0.0,
        words: format!(
            "all values are the same, {}; in the reference no value holds more than {}",
            current.min,
            percent(reference.heaviest)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(rows: f64) -> Tally {
        Tally { rows, n_eff: rows, min: 0.0, max: 9.0, heaviest: 0.1, ..Tally::default() }
    }

    fn kinds(reference: &Tally, current: &Tally) -> Vec<Kind> {
        violations(reference, current, &Floors::default()).iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn every_kind_is_found_and_told() {
        let reference = tally(10_000.0);
        for (kind, current) in [
            (Kind::Null, Tally { null: 30.0, ..tally(1000.0) }),
            (Kind::Nan, Tally { nan: 30.0, ..tally(1000.0) }),
            (Kind::Infinite, Tally { infinite: 10.0, ..tally(1000.0) }),
            (Kind::TypeError, Tally { type_error: 10.0, ..tally(1000.0) }),
            (Kind::OutOfRange, Tally { out_of_range: 10.0, ..tally(1000.0) }),
            (Kind::Unseen, Tally { unseen: 30.0, ..tally(1000.0) }),
            (Kind::Zero, Tally { zero: 90.0, ..tally(1000.0) }),
            (Kind::Constant, Tally { min: 4.0, max: 4.0, ..tally(1000.0) }),
        ] {
            assert_eq!(kinds(&reference, &current), [kind]);
            assert_eq!(kinds(&reference, &reference), []);
        }
        let words = &violations(&reference, &Tally { null: 30.0, ..tally(1000.0) }, &Floors::default())[0].words;
        assert!(
            words.starts_with("3.0 % of the values are missing, 0.0 % in the reference: more than chance"),
            "{words}"
        );
    }

    #[test]
    fn a_rise_must_be_both_sure_and_large() {
        let large = Tally { null: 900.0, ..tally(100_000.0) };
        assert_eq!(kinds(&tally(1e6), &large), [], "0.9 % is sure and below the floor");
        let doubtful = Tally { null: 3.0, ..tally(150.0) };
        let reference = Tally { null: 5.0, ..tally(1000.0) };
        assert_eq!(kinds(&reference, &doubtful), [], "2 % against 0.5 % may be chance in 150 rows");
        let fallen = Tally { null: 0.0, ..tally(100_000.0) };
        assert_eq!(kinds(&Tally { null: 500.0, ..tally(1000.0) }, &fallen), []);
    }

    #[test]
    fn weights_do_not_make_rows() {
        let weighted = Tally { rows: 128_000.0, n_eff: 50.0, null: 12_800.0, ..tally(0.0) };
        assert_eq!(kinds(&tally(1000.0), &weighted), [], "fifty rows are too few");
        let more = Tally { n_eff: 1000.0, ..weighted };
        assert_eq!(kinds(&tally(1000.0), &more), [Kind::Null]);
    }

    #[test]
    fn a_constant_may_be_chance() {
        let mostly_one = Tally { heaviest: 0.999, ..tally(10_000.0) };
        let one = Tally { min: 0.0, max: 0.0, ..tally(500.0) };
        assert_eq!(kinds(&mostly_one, &one), [], "0.999^500 is 0.6");
        let always = Tally { min: 3.0, max: 3.0, ..tally(10_000.0) };
        assert_eq!(kinds(&always, &one), [], "it was constant before");
        let empty = Tally { null: 1000.0, min: f64::INFINITY, max: f64::NEG_INFINITY, ..tally(1000.0) };
        assert_eq!(kinds(&tally(10_000.0), &empty), [Kind::Null], "no value is no constant");
    }

    #[test]
    fn nothing_seen_says_nothing() {
        assert_eq!(kinds(&Tally::default(), &tally(1000.0)), []);
        assert_eq!(kinds(&tally(1000.0), &Tally { rows: 0.0, n_eff: f64::NAN, ..tally(0.0) }), []);
    }
}
