//! Entries of one length of time, a bounded number of them, each packed.
//!
//! The one being filled is unpacked, added to and packed again: that takes milliseconds once a minute,
//! while sketches that lie open from minute to minute scatter over the allocator's pages and hold
//! several times what they are.

use super::super::sketch::Shape;
use super::pane::Pane;
use super::stored::{Packed, StoredError};
use super::window::{Detail, Window};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
pub(super) struct Ring {
    length: u64,
    most: usize,
    detail: Detail,
    /// The start of the entry being filled.
    open: Option<u64>,
    /// By start.
    packed: BTreeMap<u64, Packed>,
}

impl Ring {
    pub fn new(length: u64, most: usize, detail: Detail) -> Self {
        Self { length, most, detail, open: None, packed: BTreeMap::new() }
    }

    /// Adds a pane to its entry; answers an entry that had to make room.
    pub fn add(&mut self, pane: &Pane, shapes: &[Shape]) -> Option<Window> {
        let detail = self.detail;
        self.fill(pane.start_ms, shapes, |entry| entry.add(pane, detail))
    }

    /// Adds a window of this length to its entry; answers an entry that had to make room.
    pub fn merge(&mut self, window: &Window, shapes: &[Shape]) -> Option<Window> {
        let detail = self.detail;
        self.fill(window.start_ms, shapes, |entry| entry.merge(window, detail))
    }

    /// Puts an entry in its place, unless one is there that has seen more.
    pub fn insert(&mut self, packed: Packed, shapes: &[Shape]) -> Result<(), StoredError> {
        let Window { start_ms, end_ms, sampled, .. } = packed.window(shapes, Detail::Counts)?;
        if !start_ms.is_multiple_of(self.length) || start_ms.checked_add(self.length) != Some(end_ms) {
            return Err(StoredError::Window { field: "start_ms", value: start_ms as f64 });
        }
        if sampled > self.between(start_ms, end_ms, shapes, Detail::Counts).sampled {
            self.packed.insert(start_ms, packed);
            self.make_room(start_ms, shapes);
        }
        Ok(())
    }

    /// Gives a column a new shape in every entry. What cannot be read is let go.
    pub fn reshape(&mut self, at: usize, shape: &Shape, shapes: &[Shape]) {
        let change =
            |window: &mut Window| window.columns.get_mut(at).into_iter().for_each(|column| column.reshape(shape));
        self.packed.retain(|_, packed| {
            let Ok(mut window) = packed.window(shapes, Detail::Full) else { return false };
            change(&mut window);
            *packed = Packed::new(&window);
            true
        });
    }

    /// The entries that begin within the range, merged.
    pub fn between(&self, from: u64, to: u64, shapes: &[Shape], detail: Detail) -> Window {
        let mut all = Window::empty(from, to, shapes);
        for packed in self.packed.range(from..to.max(from)).map(|(_, packed)| packed) {
            if let Ok(window) = packed.window(shapes, detail) {
                all.merge(&window, detail);
            }
        }
        all
    }

    /// Every entry, the oldest first.
    pub fn entries(&self) -> impl Iterator<Item = &Packed> {
        self.packed.values()
    }

    /// The start of every entry that is not being filled, and the entry.
    pub fn over(&self) -> impl Iterator<Item = (u64, &Packed)> {
        self.packed.iter().map(|(start, packed)| (*start, packed)).filter(|(start, _)| Some(*start) != self.open)
    }

    /// The entry being filled.
    pub fn open(&self) -> Option<&Packed> {
        self.packed.get(&self.open?)
    }

    /// Every entry as a window.
    pub fn windows(&self, shapes: &[Shape]) -> Result<Vec<Window>, StoredError> {
        self.entries().map(|packed| packed.window(shapes, Detail::Full)).collect()
    }

    pub fn len(&self) -> usize {
        self.packed.len()
    }

    pub fn memory(&self) -> usize {
        self.packed.values().map(Packed::memory).sum()
    }

    fn fill(&mut self, at_ms: u64, shapes: &[Shape], add: impl FnOnce(&mut Window)) -> Option<Window> {
        let start = at_ms - at_ms % self.length;
        if self.open.is_some_and(|open| open != start) {
            self.close(shapes);
        }
        self.open = Some(start);
        let mut entry = self
            .packed
            .get(&start)
            .and_then(|packed| packed.window(shapes, Detail::Full).ok())
            .unwrap_or_else(|| Window::empty(start, start.saturating_add(self.length), shapes));
        add(&mut entry);
        self.packed.insert(start, Packed::new(&entry));
        self.make_room(start, shapes)
    }

    /// Keeps less of the entry that was being filled.
    fn close(&mut self, shapes: &[Shape]) {
        let Some(packed) = self.open.take().and_then(|open| self.packed.get_mut(&open)) else { return };
        if let Ok(mut entry) = packed.window(shapes, Detail::Full) {
            entry.condense(self.detail);
            *packed = Packed::new(&entry);
        }
    }

    /// Drops the entry farthest from `start` if there are too many: the oldest, unless a clock went
    /// astray.
    fn make_room(&mut self, start: u64, shapes: &[Shape]) -> Option<Window> {
        if self.len() <= self.most {
            return None;
        }
        let farthest = self.packed.keys().copied().max_by_key(|key| key.abs_diff(start))?;
        self.packed.remove(&farthest)?.window(shapes, Detail::Counts).ok()
    }
}
