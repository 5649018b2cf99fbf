//! The most frequent texts of a stream in bounded memory, the same ones in every run.
//!
//! Misra and Gries' counters, cleared by the median count when they are full: a text that makes up more
//! than two in `most` of the stream is among those kept at the end.

use std::collections::HashMap;

pub struct Frequent {
    counts: HashMap<Box<str>, u64>,
    most: usize,
    /// Whether a text may have been lost.
    purged: bool,
}

impl Frequent {
    /// Keeps at most `most` texts.
    pub fn new(most: usize) -> Self {
        Self { counts: HashMap::new(), most: most.max(2), purged: false }
    }

    pub fn add(&mut self, text: &str) {
        if let Some(count) = self.counts.get_mut(text) {
            *count += 1;
            return;
        }
        if self.counts.len() >= self.most {
            self.purge();
        }
        self.counts.insert(text.into(), 1);
    }

    pub fn is_purged(&self) -> bool {
        self.purged
    }

    /// What was kept, in order of text.
    pub fn into_texts(self) -> Vec<Box<str>> {
        let mut texts: Vec<Box<str>> = self.counts.into_keys().collect();
        texts.sort_unstable();
        texts
    }

    fn purge(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let middle = counts.len() / 2;
        let (_, median, _) = counts.select_nth_unstable(middle);
        let median = *median;
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(median);
            *count > 0
        });
        self.purged = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequent_texts_outlive_any_number_of_rare_ones() {
        let mut frequent = Frequent::new(64);
        for at in 0..100_000u32 {
            frequent.add(if at % 10 == 0 { "often" } else { "" });
            frequent.add(&at.to_string());
        }
        assert!(frequent.is_purged());
        let kept = frequent.into_texts();
        assert!(kept.len() <= 64, "{}", kept.len());
        assert!(kept.contains(&"often".into()) && kept.contains(&"".into()), "{kept:?}");
    }

    #[test]
    fn few_texts_are_all_kept() {
        let mut frequent = Frequent::new(64);
        ["b", "a", "b"].iter().for_each(|text| frequent.add(text));
        assert!(!frequent.is_purged());
        assert_eq!(frequent.into_texts(), ["a".into(), "b".into()]);
    }
}
