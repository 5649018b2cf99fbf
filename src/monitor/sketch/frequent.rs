//! The most frequent texts of a stream: the Misra-Gries sketch of Anderson and others (2017), as
//! Apache DataSketches has it.
//!
//! With a map of 256 places the counts are exact up to 192 different texts; beyond that none is off
//! by more than `3.5 / 256` of all. The bounds of every count are known.

use super::SketchError;
use super::error::MOST_WEIGHT;
use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use std::fmt::Write;
use std::mem::size_of;

const NAME: &str = "frequent items";
/// Places of the map while counting.
const LIVE: usize = 256;

/// Texts of more bytes than this are cut, and told apart by their hash.
pub const LONGEST_ITEM: usize = 64;
/// Bytes that are left of a longer text, before the hash.
const SHOWN: usize = 40;

#[derive(Clone, Debug)]
pub struct Frequent {
    sketch: FrequentItemsSketch<String>,
}

/// A text and how often it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub text: String,
    /// At least this often.
    pub lower: u64,
    /// At most this often.
    pub upper: u64,
}

impl Default for Frequent {
    fn default() -> Self {
        Self::with(LIVE)
    }
}

impl Frequent {
    fn with(places: usize) -> Self {
        Self { sketch: FrequentItemsSketch::new(places).expect("a power of two from 8") }
    }

    /// Counts a text; `hash` tells one that is too long from others that begin alike.
    pub fn update(&mut self, hash: u64, text: &str) {
        if self.sketch.total_weight() >= MOST_WEIGHT {
            return;
        }
        match text.len() <= LONGEST_ITEM {
            true => self.sketch.update_ref(text),
            false => self.sketch.update(cut(hash, text)),
        }
    }

    /// All that was counted.
    pub fn total(&self) -> u64 {
        self.sketch.total_weight()
    }

    /// Up to `most` texts that came most often, the first first; texts that may have come as often but
    /// are not known are left out.
    pub fn top(&self, most: usize) -> Vec<Item> {
        let rows = self.sketch.frequent_items(ErrorType::NoFalseNegatives);
        let item = |row: &datasketches::frequencies::Row<String>| Item {
            text: row.item().clone(),
            lower: row.lower_bound(),
            upper: row.upper_bound(),
        };
        let mut items: Vec<Item> = rows.iter().map(item).collect();
        items.sort_by(|one, other| other.upper.cmp(&one.upper).then_with(|| one.text.cmp(&other.text)));
        items.truncate(most);
        items
    }

    /// How far an upper bound may lie above the true count.
    pub fn error(&self) -> u64 {
        self.sketch.maximum_error()
    }

    pub fn merge(&mut self, other: &Self) -> Result<(), SketchError> {
        if self.total().saturating_add(other.total()) > MOST_WEIGHT {
            return Err(SketchError::Full { sketch: NAME });
        }
        self.sketch.merge(&other.sketch);
        Ok(())
    }

    /// Counts everything twice, as many `times`.
    pub fn double(&mut self, times: u32) -> Result<(), SketchError> {
        for _ in 0..times {
            let same = self.clone();
            self.merge(&same)?;
        }
        Ok(())
    }

    /// The same in fewer places, a power of two from 8: exact up to three quarters as many texts, then
    /// off by at most `3.5 / places` more.
    pub fn condensed(&self, places: usize) -> Self {
        let mut kept = Self::with(places.next_power_of_two().clamp(8, LIVE));
        kept.sketch.merge(&self.sketch);
        kept
    }

    /// In the format of Apache DataSketches, items as strings.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sketch.serialize()
    }

    /// Any bytes may come: those that are no such sketch, or one of another size, are refused.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SketchError> {
        // Looked at first: the map takes its memory before any item is read.
        for (at, field) in [(3, "map size"), (4, "current map size")] {
            if let Some(lg) = bytes.get(at)
                && u32::from(*lg) > LIVE.trailing_zeros()
            {
                return Err(SketchError::unfit(
                    NAME,
                    field,
                    (*lg).into(),
                    format!("at most {}", LIVE.trailing_zeros()),
                ));
            }
        }
        // Bounds are sums of this field and a count.
        if let Some(error) = bytes.get(24..32).and_then(|field| field.try_into().ok()).map(u64::from_le_bytes)
            && error > MOST_WEIGHT
        {
            return Err(SketchError::unfit(NAME, "error", error, "at most 2^50"));
        }
        let sketch =
            FrequentItemsSketch::<String>::deserialize(bytes).map_err(|error| SketchError::bytes(NAME, error))?;
        let (most, weight) = (MOST_WEIGHT, sketch.total_weight());
        if weight > most {
            return Err(SketchError::unfit(NAME, "weight", weight, "at most 2^50"));
        }
        Ok(Self { sketch })
    }

    /// About the bytes held, for texts of usual length.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.sketch.estimated_size() + self.sketch.num_active_items() * LONGEST_ITEM / 2
    }
}

/// The beginning of a long text, and its hash.
fn cut(hash: u64, text: &str) -> String {
    let mut cut = String::with_capacity(LONGEST_ITEM);
    cut.push_str(&text[..text.floor_char_boundary(SHOWN)]);
    write!(cut, "...#{hash:016x}").expect("a string takes all");
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn item(text: &str, count: u64) -> Item {
        Item { text: text.into(), lower: count, upper: count }
    }

    #[test]
    fn few_texts_are_counted_exactly() {
        let mut frequent = Frequent::default();
        for (text, times) in [("a", 3), ("b", 5), ("", 1)] {
            (0..times).for_each(|_| frequent.update(0, text));
        }
        assert_eq!(frequent.top(10), [item("b", 5), item("a", 3), item("", 1)]);
        assert_eq!(frequent.top(1), [item("b", 5)]);
        frequent.double(2).expect("room");
        assert_eq!(frequent.top(2), [item("b", 20), item("a", 12)]);
        assert_eq!(frequent.total(), 36);
    }

    #[test]
    fn long_texts_are_cut_and_stay_apart() {
        let mut frequent = Frequent::default();
        let long = "\u{e9}".repeat(100);
        frequent.update(1, &long);
        frequent.update(2, &long);
        let texts: Vec<String> = frequent.top(10).into_iter().map(|item| item.text).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts.iter().all(|text| text.len() <= LONGEST_ITEM && text.starts_with('\u{e9}')), "{texts:?}");
    }

    #[test]
    fn bounds_hold_when_there_are_too_many() {
        let mut frequent = Frequent::default();
        let text = |at: u32| format!("text {at}");
        for at in 0..20_000u32 {
            frequent.update(0, &text(at % 1_000));
            frequent.update(0, &text(at % 10));
        }
        let condensed = frequent.condensed(64);
        for (sketch, share) in [(&frequent, 3.5 / 256.0), (&condensed, 3.5 / 64.0 + 3.5 / 256.0)] {
            assert_eq!(sketch.total(), 40_000);
            assert!(sketch.error() as f64 <= share * 40_000.0, "{}", sketch.error());
            let top = sketch.top(10);
            assert_eq!(top.len(), 10);
            // Each of the first ten came 2000 times and 20 times more.
            assert!(top.iter().all(|item| item.lower <= 2_020 && 2_020 <= item.upper), "{top:?}");
        }
        assert!(condensed.memory() < frequent.memory());
    }

    proptest! {
        #[test]
        fn bytes_give_the_sketch_back(texts in prop::collection::vec("[a-z]{0,3}", 0..400)) {
            let mut frequent = Frequent::default();
            texts.iter().for_each(|text| frequent.update(0, text));
            let back = Frequent::from_bytes(&frequent.to_bytes()).expect("its own bytes");
            prop_assert_eq!(back.top(400), frequent.top(400));
            prop_assert_eq!((back.total(), back.error()), (frequent.total(), frequent.error()));
        }

        #[test]
        fn damaged_bytes_do_no_harm(n in 0..500u32, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>(), shorten: bool) {
            let mut frequent = Frequent::default();
            (0..n).for_each(|at| frequent.update(0, &at.to_string()));
            let mut bytes = frequent.to_bytes();
            hits.iter().for_each(|(at, value)| *at.get_mut(&mut bytes) = *value);
            if shorten {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(mut damaged) = Frequent::from_bytes(&bytes) {
                // Refused where the count would be too large.
                let _ = frequent.merge(&damaged);
                let _ = damaged.double(2);
                damaged.update(0, "more");
                prop_assert!(damaged.top(10).len() <= 10);
                damaged.condensed(16).to_bytes();
            }
        }
    }
}
