//! The request's side of monitoring: which rows are sampled, and how they reach the collector.
//!
//! A [`Tap`] belongs to a loaded version. Before a request is computed, [`Tap::offer`] copies the
//! inputs of its sampled rows into a [`Draft`]; with the answer, [`Draft::finish`] adds the outputs
//! and pushes the whole into the ring of the thread. Neither waits, and neither allocates once a
//! thread has done it a few times.

mod last;
pub mod layout;
pub mod record;
pub mod ring;
pub mod sample;
pub mod scores;

use crate::metrics::Counter;
use crate::tensor::Tensor;
use arc_swap::ArcSwap;
use layout::Layout;
use record::{HEAD, Head};
use ring::Rings;
use scores::Scores;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Words of rows that one request may put into a ring; further rows of it are not sampled.
const MOST_WORDS: usize = ring::CAPACITY / 4;
/// Drafts that a thread keeps for the next requests.
const KEPT_DRAFTS: usize = 8;

thread_local! {
    static DRAFTS: RefCell<Vec<Vec<u64>>> = const { RefCell::new(Vec::new()) };
}

/// Rows that were in the sample and did not reach the collector.
#[derive(Debug, Default)]
pub struct Drops {
    /// The thread's ring was full.
    pub ring: Counter,
    /// The request had more sampled rows than one may bring.
    pub request: Counter,
}

/// A version's way into the monitor.
pub struct Tap {
    id: u16,
    layout: Layout,
    rings: Arc<Rings>,
    level: AtomicU8,
    /// Rows of all requests.
    pub offered: Counter,
    /// Rows that the collector was sent.
    pub sampled: Counter,
    pub dropped: Drops,
    /// What the collector thinks of it.
    pub scores: ArcSwap<Scores>,
}

impl Tap {
    pub(super) fn new(id: u16, layout: Layout, rings: Arc<Rings>) -> Self {
        Self {
            id,
            layout,
            rings,
            level: AtomicU8::new(0),
            offered: Counter::default(),
            sampled: Counter::default(),
            dropped: Drops::default(),
            scores: ArcSwap::default(),
        }
    }

    pub fn id(&self) -> u16 {
        self.id
    }

    /// Whether only one holder is left. All that others have sent is then in the rings.
    pub(super) fn has_one_holder(self: &Arc<Self>) -> bool {
        last::is_last(|| Arc::strong_count(self))
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    pub fn level(&self) -> u8 {
        self.level.load(Relaxed)
    }

    pub(super) fn set_level(&self, level: u8) {
        self.level.store(level, Relaxed);
    }

    /// Counts a request's rows and copies the inputs of those in the sample. `id` is its prediction id.
    #[inline]
    pub fn offer(self: &Arc<Self>, inputs: &[Tensor], rows: usize, id: &[u8]) -> Option<Draft> {
        self.offered.add(rows as u64);
        let (key, level) = (sample::key(id), self.level());
        if rows == 1 {
            return sample::is_in(key, level).then(|| self.draft(inputs, std::iter::once((0, key)), level));
        }
        let keys = (0..rows).map(|row| (row, sample::row_key(key, row)));
        let mut sampled = keys.filter(|(_, key)| sample::is_in(*key, level)).peekable();
        sampled.peek()?;
        Some(self.draft(inputs, sampled, level))
    }

    fn draft(self: &Arc<Self>, inputs: &[Tensor], sampled: impl Iterator<Item = (usize, u64)>, level: u8) -> Draft {
        let mut words = DRAFTS.with_borrow_mut(Vec::pop).unwrap_or_default();
        let mut texts = DRAFTS.with_borrow_mut(Vec::pop).unwrap_or_default();
        let (stride, width) = (self.stride(), self.layout.input_width());
        let most = (MOST_WORDS / stride).clamp(1, usize::from(u16::MAX));
        words.resize(HEAD, 0);
        let mut count = 0;
        for (row, key) in sampled {
            if count == most {
                self.dropped.request.add(1);
                continue;
            }
            let start = words.len();
            words.resize(start + stride, 0);
            words[start] = (row as u64) << 16 | u64::from(level) << 8 | u64::from(key.leading_zeros());
            let cells = &mut words[start + 1..start + 1 + width];
            self.layout.read_inputs(inputs, row, cells, start + 1 - HEAD, &mut texts);
            count += 1;
        }
        Draft { tap: self.clone(), words, texts }
    }

    /// Words of one row: how it came into the sample, and its columns.
    pub fn stride(&self) -> usize {
        1 + self.layout.width()
    }
}

/// The sampled rows of a request that is being computed. Dropped, it leaves nothing behind.
pub struct Draft {
    tap: Arc<Tap>,
    words: Vec<u64>,
    texts: Vec<u64>,
}

impl Draft {
    /// Adds the outputs and sends the rows to the collector.
    pub fn finish(mut self, outputs: &[Tensor], latency: Duration) {
        let (stride, inputs) = (self.tap.stride(), self.tap.layout.input_width());
        let rows = (self.words.len() - HEAD) / stride;
        for at in 0..rows {
            let start = HEAD + at * stride;
            let row = (self.words[start] >> 16) as usize;
            let first = start + 1 + inputs;
            let cells = &mut self.words[first..start + stride];
            self.tap.layout.read_outputs(outputs, row, cells, first - HEAD, &mut self.texts);
        }
        self.words.append(&mut self.texts);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let head = Head {
            length: self.words.len() as u32,
            rows: rows as u16,
            tap: self.tap.id,
            end_us: now.as_micros() as u64,
            latency_ns: latency.as_nanos() as u64,
        };
        head.write(&mut self.words);
        let counter = match self.tap.rings.push(&self.words) {
            true => &self.tap.sampled,
            false => &self.tap.dropped.ring,
        };
        counter.add(rows as u64);
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // A thread that ends has no drafts any more.
        let _ = DRAFTS.try_with(|drafts| {
            let mut drafts = drafts.borrow_mut();
            for mut words in [std::mem::take(&mut self.words), std::mem::take(&mut self.texts)] {
                if drafts.len() < KEPT_DRAFTS {
                    words.clear();
                    drafts.push(words);
                }
            }
        });
    }
}
