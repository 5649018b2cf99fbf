//! The known values of a categorical column, each with a code by which it is counted.

use thiserror::Error;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// More values than this have no code: they are counted together as others.
pub const MOST_VALUES: usize = 255;

/// Places of the table of hashes: at most half of them are taken.
const PLACES: usize = 512;

/// Immutable: shared by all summaries of a column.
#[derive(Clone, Debug)]
pub struct Dictionary {
    values: Vec<Box<str>>,
    /// By hash, open addressing; a code of `EMPTY` marks a free place.
    places: Box<[(u64, u16); PLACES]>,
    digest: u64,
}

const EMPTY: u16 = u16::MAX;

#[derive(Debug, Error, PartialEq, Eq)]
pub enum DictionaryError {
    #[error("{0} values, expected at most {MOST_VALUES}")]
    Many(usize),
    #[error("the value {0:?} is there twice")]
    Twice(String),
}

impl Dictionary {
    /// The code of a value is its place in the list. The most frequent should come first: when counts
    /// are folded for the long term, the first keep a place of their own.
    pub fn new<T: Into<Box<str>>>(values: impl IntoIterator<Item = T>) -> Result<Self, DictionaryError> {
        let values: Vec<Box<str>> = values.into_iter().map(Into::into).collect();
        if values.len() > MOST_VALUES {
            return Err(DictionaryError::Many(values.len()));
        }
        let mut places = Box::new([(0, EMPTY); PLACES]);
        let mut digest = Xxh3::new();
        for (code, value) in values.iter().enumerate() {
            let hash = Self::hash(value);
            let place = find(&places, hash);
            if places[place].1 != EMPTY {
                return Err(DictionaryError::Twice(value.to_string()));
            }
            places[place] = (hash, code as u16);
            digest.update(&(value.len() as u64).to_le_bytes());
            digest.update(value.as_bytes());
        }
        Ok(Self { values, places, digest: digest.digest() | 1 })
    }

    /// By which a text is looked up: XXH3 of its bytes.
    #[inline]
    pub fn hash(text: &str) -> u64 {
        xxh3_64(text.as_bytes())
    }

    /// The code of the value with this hash.
    #[inline]
    pub fn code(&self, hash: u64) -> Option<u8> {
        let (_, code) = self.places[find(&self.places, hash)];
        u8::try_from(code).ok()
    }

    pub fn code_of(&self, text: &str) -> Option<u8> {
        self.code(Self::hash(text))
    }

    /// By code.
    pub fn values(&self) -> &[Box<str>] {
        &self.values
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A dictionary of the first `most` values: the others are others to it.
    pub fn first(&self, most: usize) -> Self {
        Self::new(self.values.iter().take(most).cloned()).expect("a part of values that are all different")
    }

    /// Of the values and their order; never 0.
    pub fn digest(&self) -> u64 {
        self.digest
    }
}

/// The place of a hash, or the free one where it would go. There always is a free one.
#[inline]
fn find(places: &[(u64, u16); PLACES], hash: u64) -> usize {
    let mut place = hash as usize % PLACES;
    while places[place].1 != EMPTY && places[place].0 != hash {
        place = (place + 1) % PLACES;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_value_has_its_place_as_code(values in prop::collection::hash_set(".{0,12}", 0..=MOST_VALUES), other in ".{0,12}") {
            let values: Vec<String> = values.into_iter().collect();
            let dictionary = Dictionary::new(values.iter().cloned()).expect("all different");
            for (code, value) in values.iter().enumerate() {
                prop_assert_eq!(dictionary.code_of(value), Some(code as u8));
                prop_assert_eq!(dictionary.code(Dictionary::hash(value)), Some(code as u8));
            }
            prop_assert_eq!(dictionary.code_of(&other).is_some(), values.contains(&other));
        }
    }

    #[test]
    fn what_is_no_dictionary_is_told() {
        assert_eq!(Dictionary::new(["a", "b", "a"]).err(), Some(DictionaryError::Twice("a".into())));
        let many = (0..256).map(|at| at.to_string());
        assert_eq!(Dictionary::new(many).err(), Some(DictionaryError::Many(256)));
    }

    #[test]
    fn order_counts_in_the_digest() {
        let digest = |values: [&'static str; 2]| Dictionary::new(values).expect("different").digest();
        assert_ne!(digest(["a", "b"]), digest(["b", "a"]));
        assert_ne!(digest(["ab", "c"]), digest(["a", "bc"]));
    }
}
