//! Entries of one length of time, a bounded number of them: the one being filled is open, the others
//! are packed.

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
    open: Option<Window>,
    /// By start. None begins when the open one does.
    packed: BTreeMap<u64, Packed>,
}

impl Ring {
    pub fn new(length: u64, most: usize, detail: Detail) -> Self {
        Self { length, most, detail, open: None, packed: BTreeMap::new() }
    }

    /// Adds a pane to its entry; answers an entry that had to make room.
    pub fn add(&mut self, pane: &Pane, shapes: &[Shape]) -> Option<Window> {
        let gone = self.open_at(pane.start_ms - pane.start_ms % self.length, shapes);
        let detail = self.detail;
        self.open.iter_mut().for_each(|open| open.add(pane, detail));
        gone
    }

    /// Adds a window of this length to its entry; answers an entry that had to make room.
    pub fn merge(&mut self, window: &Window, shapes: &[Shape]) -> Option<Window> {
        let gone = self.open_at(window.start_ms - window.start_ms % self.length, shapes);
        let detail = self.detail;
        self.open.iter_mut().for_each(|open| open.merge(window, detail));
        gone
    }

    /// Puts an entry in its place, unless one is there that has seen more.
    pub fn insert(&mut self, packed: Packed, shapes: &[Shape]) -> Result<(), StoredError> {
        let Window { start_ms, end_ms, sampled, .. } = packed.window(shapes, Detail::Counts)?;
        if !start_ms.is_multiple_of(self.length) || start_ms.checked_add(self.length) != Some(end_ms) {
            return Err(StoredError::Window { field: "start_ms", value: start_ms as f64 });
        }
        if sampled > self.between(start_ms, end_ms, shapes, Detail::Counts).sampled {
            self.open.take_if(|open| open.start_ms == start_ms);
            self.packed.insert(start_ms, packed);
            self.make_room(start_ms, shapes);
        }
        Ok(())
    }

    /// Gives a column a new shape in every entry. What cannot be read is let go.
    pub fn reshape(&mut self, at: usize, shape: &Shape, shapes: &[Shape]) {
        let change =
            |window: &mut Window| window.columns.get_mut(at).into_iter().for_each(|column| column.reshape(shape));
        self.open.iter_mut().for_each(change);
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
        if let Some(open) = self.open.as_ref().filter(|open| (from..to).contains(&open.start_ms)) {
            all.merge(open, detail);
        }
        all
    }

    /// Every entry, packed, the oldest first.
    pub fn entries(&self) -> Vec<(u64, Packed)> {
        let open = self.open.iter().map(|open| (open.start_ms, Packed::new(open)));
        let mut all: Vec<_> = self.packed.iter().map(|(start, packed)| (*start, packed.clone())).chain(open).collect();
        all.sort_by_key(|(start, _)| *start);
        all
    }

    /// The entry being filled, packed, and the others.
    pub fn parts(&self) -> (Option<Packed>, Vec<(u64, &Packed)>) {
        let over = self.packed.iter().map(|(start, packed)| (*start, packed)).collect();
        (self.open.as_ref().map(Packed::new), over)
    }

    /// Every entry as a window.
    pub fn windows(&self, shapes: &[Shape]) -> Result<Vec<Window>, StoredError> {
        self.entries().into_iter().map(|(_, packed)| packed.window(shapes, Detail::Full)).collect()
    }

    pub fn len(&self) -> usize {
        self.packed.len() + usize::from(self.open.is_some())
    }

    pub fn memory(&self) -> usize {
        self.packed.values().map(Packed::memory).sum::<usize>() + self.open.as_ref().map_or(0, Window::memory)
    }

    /// Opens the entry that begins at `start`, and packs the one that was open.
    fn open_at(&mut self, start: u64, shapes: &[Shape]) -> Option<Window> {
        if self.open.as_ref().is_some_and(|open| open.start_ms == start) {
            return None;
        }
        if let Some(mut filled) = self.open.take() {
            filled.condense(self.detail);
            self.packed.insert(filled.start_ms, Packed::new(&filled));
        }
        let known = self.packed.remove(&start).and_then(|packed| packed.window(shapes, Detail::Full).ok());
        let end = start.saturating_add(self.length);
        self.open = Some(known.unwrap_or_else(|| Window::empty(start, end, shapes)));
        self.make_room(start, shapes)
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
