//! Entries of one length of time, a bounded number of them.

use super::super::sketch::Shape;
use super::pane::Pane;
use super::window::{Detail, Window};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Ring {
    length: u64,
    most: usize,
    detail: Detail,
    /// By start.
    entries: BTreeMap<u64, Window>,
}

impl Ring {
    pub fn new(length: u64, most: usize, detail: Detail) -> Self {
        Self { length, most, detail, entries: BTreeMap::new() }
    }

    pub fn add(&mut self, pane: &Pane, shapes: &[Shape]) {
        let start = pane.start_ms - pane.start_ms % self.length;
        let detail = self.detail;
        self.entry(start, shapes).add(pane, detail);
    }

    /// The entry that begins at `start`; to make room for it the one farthest away is dropped, which is
    /// the oldest, unless a clock went astray.
    fn entry(&mut self, start: u64, shapes: &[Shape]) -> &mut Window {
        if !self.entries.contains_key(&start) && self.entries.len() >= self.most {
            let farthest = self.entries.keys().copied().max_by_key(|key| key.abs_diff(start));
            farthest.and_then(|key| self.entries.remove(&key));
        }
        let end = start.saturating_add(self.length);
        self.entries.entry(start).or_insert_with(|| Window::empty(start, end, shapes))
    }

    /// Gives a column a new shape in every entry.
    pub fn reshape(&mut self, at: usize, shape: &Shape) {
        for column in self.entries.values_mut().filter_map(|entry| entry.columns.get_mut(at)) {
            column.reshape(shape);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entries that begin within the range, merged.
    pub fn between(&self, from: u64, to: u64, shapes: &[Shape], detail: Detail) -> Window {
        let mut all = Window::empty(from, to, shapes);
        for entry in self.entries.range(from..to).map(|(_, entry)| entry) {
            all.merge(entry, detail);
        }
        all
    }
}
