//! How many different values: HyperLogLog (Flajolet and others, 2007), as Apache DataSketches has it.
//!
//! Numbers get 2^10 registers (3.3 % relative standard error), texts 2^12 (1.6 %). Values are hashed
//! as the Java, C++ and Python libraries do it: a text by its bytes, a number as a canonical double.
//! So a sketch of ours may be united with one of theirs.

use super::{SketchError, registers};
use datasketches::hash::value::{canonical_float, raw_bytes};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use std::hash::Hash;
use std::mem::size_of;

const NAME: &str = "HLL";
const NUMBERS: u8 = 10;
const TEXTS: u8 = 12;

#[derive(Clone, Debug)]
pub struct Distinct {
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// Counts one stream: it knows the order of arrival, and estimates a little better by that.
    One(HllSketch),
    /// Unites several.
    Many(HllUnion),
}

impl Distinct {
    pub fn of_numbers() -> Self {
        Self::with(NUMBERS)
    }

    pub fn of_texts() -> Self {
        Self::with(TEXTS)
    }

    fn with(lg_k: u8) -> Self {
        Self { state: State::One(HllSketch::new(lg_k, HllType::Hll8).expect("both sizes are allowed")) }
    }

    /// All NaN are one value, and so are the two zeros.
    #[inline]
    pub fn add_number(&mut self, x: f64) {
        self.add(canonical_float::from_f64(x));
    }

    /// The empty text is no value, as in the other implementations.
    pub fn add_text(&mut self, text: &str) {
        if !text.is_empty() {
            self.add(raw_bytes::from_str(text));
        }
    }

    /// For what is known by a hash alone.
    pub fn add_hash(&mut self, hash: u64) {
        self.add(raw_bytes::from_slice(&hash.to_le_bytes()));
    }

    #[inline]
    fn add(&mut self, value: impl Hash) {
        match &mut self.state {
            State::One(sketch) => sketch.update(value),
            State::Many(union) => union.update_value(value),
        }
    }

    pub fn estimate(&self) -> f64 {
        match &self.state {
            State::One(sketch) => sketch.estimate(),
            State::Many(union) => union.estimate(),
        }
    }

    /// Adds what another has seen. Two of different sizes become one of the smaller.
    pub fn merge(&mut self, other: &Self) {
        if let State::One(sketch) = &self.state {
            self.state = State::Many(united(sketch));
        }
        let State::Many(union) = &mut self.state else { return };
        match &other.state {
            State::One(sketch) => union.update(sketch),
            State::Many(others) => union.update(&others.to_sketch(HllType::Hll8)),
        }
    }

    /// In the format of Apache DataSketches, with 4 bits a register.
    pub fn to_bytes(&self) -> Vec<u8> {
        let sketch = match &self.state {
            State::One(sketch) => united(sketch).to_sketch(HllType::Hll4),
            State::Many(union) => union.to_sketch(HllType::Hll4),
        };
        sketch.serialize()
    }

    /// Any bytes may come: those that are no such sketch, or one of another size, are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SketchError> {
        // Looked at first: a larger size would take memory for its registers.
        if let Some(size) = bytes.get(3)
            && ![NUMBERS, TEXTS].contains(size)
        {
            return Err(SketchError::unfit(NAME, "lg_k", (*size).into(), format!("{NUMBERS} or {TEXTS}")));
        }
        registers::check(bytes).map_err(|reason| SketchError::bytes(NAME, reason))?;
        let sketch = HllSketch::deserialize(bytes).map_err(|error| SketchError::bytes(NAME, error))?;
        Ok(Self { state: State::One(sketch) })
    }

    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + match &self.state {
                State::One(sketch) => sketch.estimated_size(),
                State::Many(union) => union.estimated_size(),
            }
    }
}

/// The union of one sketch.
fn united(sketch: &HllSketch) -> HllUnion {
    let mut union = HllUnion::new(sketch.lg_config_k()).expect("a size that a sketch has");
    union.update(sketch);
    union
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(from: u32, to: u32) -> Distinct {
        let mut distinct = Distinct::of_texts();
        (from..to).for_each(|at| distinct.add_text(&at.to_string()));
        distinct
    }

    #[test]
    fn estimates_are_within_four_standard_errors() {
        for n in [1u32, 10, 100, 1_000, 10_000, 300_000] {
            let estimate = texts(0, n).estimate();
            assert!((estimate / f64::from(n) - 1.0).abs() < 4.0 * 0.0163, "{estimate} for {n}");
            let mut numbers = Distinct::of_numbers();
            (0..2 * n).for_each(|at| numbers.add_number(f64::from(at / 2) * 0.1));
            let estimate = numbers.estimate();
            assert!((estimate / f64::from(n) - 1.0).abs() < 4.0 * 0.0325, "{estimate} for {n}");
        }
    }

    #[test]
    fn merging_is_counting_together() {
        let mut merged = texts(0, 6_000);
        merged.merge(&texts(4_000, 10_000));
        merged.merge(&Distinct::of_texts());
        assert!((merged.estimate() / 10_000.0 - 1.0).abs() < 4.0 * 0.0163, "{}", merged.estimate());
        // Also where one side has forgotten its bytes' origin.
        let back = Distinct::from_bytes(&merged.to_bytes()).expect("its own bytes");
        assert!((back.estimate() - merged.estimate()).abs() < 1e-6 * merged.estimate());
    }

    #[test]
    fn equal_numbers_are_one() {
        let mut distinct = Distinct::of_numbers();
        [0.0, -0.0, f64::NAN, -f64::NAN].iter().for_each(|x| distinct.add_number(*x));
        distinct.add_text("");
        assert_eq!(distinct.estimate().round(), 2.0);
    }

    #[test]
    fn another_size_is_refused() {
        let mut bytes = texts(0, 10).to_bytes();
        bytes[3] = 21;
        assert_eq!(Distinct::from_bytes(&bytes).err(), Some(SketchError::unfit(NAME, "lg_k", 21, "10 or 12")));
    }

    /// Bytes of registers, which the library's own reader would take and stumble over later.
    #[test]
    fn bytes_that_do_not_agree_are_refused() {
        let whole = texts(0, 5_000).to_bytes();
        assert!(Distinct::from_bytes(&whole).is_ok());
        let refused = |at: usize, value: u8| {
            let mut bytes = whole.clone();
            assert_ne!(bytes[at], value);
            bytes[at] = value;
            Distinct::from_bytes(&bytes).expect_err("refused").to_string()
        };
        assert!(refused(6, 60).contains("registers above 63") || refused(6, 60).contains("exceptions"));
        assert!(refused(7, 6).contains("6 bits a register"));
        assert!(refused(5, 0).contains("compact"));
        assert!(refused(33, 0xff).contains("smallest"));
        assert!(refused(22, 0).contains("sums"));
        assert!(refused(15, 0xff).contains("sums"));
        let first = whole[40];
        assert!(!refused(40, first ^ 0x11).is_empty());
        assert!(!refused(40, first | 0xf0).is_empty());
        let few = texts(0, 5).to_bytes();
        let mut twice = few.clone();
        twice.copy_within(8..12, 12);
        assert!(Distinct::from_bytes(&few).is_ok());
        assert!(Distinct::from_bytes(&twice).expect_err("refused").to_string().contains("twice"));
    }

    proptest! {
        #[test]
        fn what_is_whole_is_taken(n in 0..40_000u32, numbers: bool) {
            let mut distinct = if numbers { Distinct::of_numbers() } else { Distinct::of_texts() };
            (0..n).for_each(|at| distinct.add_hash(u64::from(at)));
            let bytes = distinct.to_bytes();
            let back = Distinct::from_bytes(&bytes).expect("its own bytes");
            prop_assert!((back.estimate() - distinct.estimate()).abs() <= 1e-6 * distinct.estimate());
        }

        #[test]
        fn damaged_bytes_do_no_harm(n in 0..3_000u32, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), shorten: bool) {
            let mut bytes = texts(0, n).to_bytes();
            hits.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
            if shorten {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(mut damaged) = Distinct::from_bytes(&bytes) {
                let mut mine = texts(0, 2_000);
                mine.merge(&damaged);
                mine.add_text("more");
                damaged.add_text("more");
                damaged.merge(&mine);
                prop_assert!(damaged.estimate() >= 0.0);
                damaged.to_bytes();
            }
        }
    }
}
