//! One categorical column in one pane: rows by code, the most frequent unknown values, and how many
//! different values there were.

use super::{Dictionary, Distinct, Frequent, LONGEST_ITEM};
use std::mem::size_of;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct Categorical {
    pub(crate) dictionary: Arc<Dictionary>,
    pub(crate) null: u32,
    pub(crate) type_error: u32,
    /// Rows by code.
    pub(crate) codes: Box<[u32]>,
    /// Rows whose value is not in the dictionary.
    pub(crate) other: u32,
    pub(crate) unseen: Frequent,
    /// Of the unknown values; the known ones are told by their counts.
    pub(crate) distinct: Option<Distinct>,
}

impl Categorical {
    pub fn new(dictionary: Arc<Dictionary>) -> Self {
        let codes = vec![0; dictionary.len()].into();
        let distinct = Some(Distinct::of_texts());
        Self { dictionary, null: 0, type_error: 0, codes, other: 0, unseen: Frequent::default(), distinct }
    }

    /// Counts a value by the code that the dictionary has for it. An unknown code counts as another.
    #[inline]
    pub fn update(&mut self, code: u8) {
        let count = self.codes.get_mut(usize::from(code)).unwrap_or(&mut self.other);
        *count = count.saturating_add(1);
    }

    /// Counts a value that the dictionary does not have. Of a text longer than [`LONGEST_ITEM`] the
    /// beginning is enough, as `hash` is [`Dictionary::hash`] of the whole.
    pub fn unseen(&mut self, hash: u64, text: &str) {
        self.other = self.other.saturating_add(1);
        self.unseen.update(hash, text);
        if let Some(distinct) = &mut self.distinct {
            match text.len() <= LONGEST_ITEM {
                true => distinct.add_text(text),
                false => distinct.add_hash(hash),
            }
        }
    }

    /// Looks a text up and counts it.
    pub fn update_text(&mut self, text: &str) {
        let hash = Dictionary::hash(text);
        match self.dictionary.code(hash) {
            Some(code) => self.update(code),
            None => self.unseen(hash, text),
        }
    }

    pub fn nulls(&mut self, rows: u32) {
        self.null = self.null.saturating_add(rows);
    }

    pub fn type_errors(&mut self, rows: u32) {
        self.type_error = self.type_error.saturating_add(rows);
    }

    pub fn dictionary(&self) -> &Arc<Dictionary> {
        &self.dictionary
    }

    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    pub fn other(&self) -> u32 {
        self.other
    }

    pub fn null(&self) -> u32 {
        self.null
    }

    pub fn type_error(&self) -> u32 {
        self.type_error
    }

    pub fn most_unseen(&self) -> &Frequent {
        &self.unseen
    }

    /// The different values, known and unknown.
    pub fn distinct(&self) -> Option<Distinct> {
        let mut all = self.distinct.clone()?;
        let known = self.dictionary.values().iter().zip(&self.codes).filter(|(_, count)| **count > 0);
        known.for_each(|(value, _)| all.add_text(value));
        Some(all)
    }

    /// Bytes held, without the dictionary.
    pub fn memory(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&self.codes[..])
            + self.unseen.memory()
            + self.distinct.as_ref().map_or(0, Distinct::memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    fn colours() -> Arc<Dictionary> {
        Arc::new(Dictionary::new(["red", "green", "blue"]).expect("different"))
    }

    proptest! {
        #[test]
        fn counts_are_those_of_counting_by_hand(values in prop::collection::vec("red|green|blue|mauve|teal|[a-z]{70}", 0..200)) {
            let mut categorical = Categorical::new(colours());
            values.iter().for_each(|value| categorical.update_text(value));
            let count = |of: &str| values.iter().filter(|value| *value == of).count() as u32;
            let known = [count("red"), count("green"), count("blue")];
            prop_assert_eq!(categorical.codes(), known);
            prop_assert_eq!(categorical.other(), values.len() as u32 - known.iter().sum::<u32>());
            let top = categorical.most_unseen().top(300);
            let mauve = top.iter().find(|item| item.text == "mauve").map_or(0, |item| item.upper);
            prop_assert_eq!(mauve, u64::from(count("mauve")));
            let different = values.iter().collect::<HashSet<_>>().len() as f64;
            let estimate = categorical.distinct().expect("kept").estimate();
            prop_assert!((estimate - different).abs() <= 0.5 + 0.05 * different, "{} for {}", estimate, different);
        }
    }

    #[test]
    fn a_code_that_does_not_exist_is_another_value() {
        let mut categorical = Categorical::new(colours());
        categorical.update(3);
        categorical.nulls(2);
        categorical.type_errors(1);
        assert_eq!((categorical.other(), categorical.null(), categorical.type_error()), (1, 2, 1));
        assert_eq!(categorical.codes(), [0; 3]);
    }
}
