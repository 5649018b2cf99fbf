//! The words that stand for categories, where a column of numbers holds their codes.

use crate::text;
use std::collections::HashMap;
use std::sync::Arc;

/// The categories of a column, by the words that training knew them by. The first has code 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    list: Vec<Arc<str>>,
    codes: HashMap<Arc<str>, u32>,
    unknown: Unknown,
}

/// What the training library does with a word that it has not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    Refused,
    /// It counts as a missing value.
    Missing,
}

impl Words {
    /// Refuses lists that say a word twice, or more words than `f32` counts exactly.
    pub fn new(words: &[String], unknown: Unknown) -> Result<Self, String> {
        const MOST: usize = 1 << 24;
        if words.len() > MOST {
            return Err(format!("a column has {} categories, expected at most {MOST}", words.len()));
        }
        let list: Vec<Arc<str>> = words.iter().map(|word| Arc::from(word.as_str())).collect();
        let codes: HashMap<Arc<str>, u32> = list.iter().cloned().zip(0..).collect();
        match codes.len() == list.len() {
            true => Ok(Self { list, codes, unknown }),
            false => Err("a column has the same category twice".into()),
        }
    }

    /// The code of a word, or NaN for one that counts as missing; the error says what is known.
    pub fn code(&self, word: &str) -> Result<f64, String> {
        const SHOWN: usize = 8;
        match (self.codes.get(word), self.unknown) {
            (Some(code), _) => Ok(f64::from(*code)),
            (None, Unknown::Missing) => Ok(f64::NAN),
            (None, Unknown::Refused) => {
                let known = self.list.iter().take(SHOWN).map(|word| text::shorten(word, 40)).collect::<Vec<_>>();
                let more =
                    if self.list.len() > SHOWN { format!(", .. {} in all", self.list.len()) } else { String::new() };
                Err(format!(
                    "'{}' is no category that training knew: {}{more}",
                    text::shorten(word, 40),
                    known.join(", ")
                ))
            }
        }
    }

    pub fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// All of them, in the order of their codes.
    pub fn list(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|word| &**word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_has_the_code_of_its_place() {
        let words = ["gold", "silver", "Zinn ü"].map(String::from);
        let refused = Words::new(&words, Unknown::Refused).expect("three words");
        assert_eq!(["gold", "Zinn ü"].map(|word| refused.code(word)), [Ok(0.0), Ok(2.0)]);
        let error = refused.code("wood").expect_err("not seen");
        assert_eq!(error, "'wood' is no category that training knew: gold, silver, Zinn ü");
        let missing = Words::new(&words, Unknown::Missing).expect("three words");
        assert!(missing.code("wood").expect("missing").is_nan());
        assert!(Words::new(&["a", "b", "a"].map(String::from), Unknown::Refused).is_err());
    }
}
