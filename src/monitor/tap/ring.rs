//! One ring per serving thread, from which the collector takes.
//!
//! Each ring has one writer and one reader, so that a writer waits for nobody. A full ring refuses;
//! nothing blocks and, once a thread has its ring, nothing is allocated.

use rtrb::{Consumer, Producer, RingBuffer};
use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

/// Words that a ring holds: half a MiB per thread, of which only what has been used is resident.
pub const CAPACITY: usize = 1 << 16;

static NEXT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// This thread's ends, one for each monitor in the process.
    static PRODUCERS: RefCell<Vec<(u64, Producer<u64>)>> = const { RefCell::new(Vec::new()) };
}

/// The rings of one monitor.
pub struct Rings {
    id: u64,
    capacity: usize,
    /// Rings of threads that have written for the first time since the collector last looked.
    new: Mutex<Vec<Consumer<u64>>>,
}

impl Rings {
    pub fn new(capacity: usize) -> Self {
        Self { id: NEXT.fetch_add(1, Relaxed), capacity, new: Mutex::default() }
    }

    /// Writes a record whole, or answers `false`.
    pub fn push(&self, record: &[u64]) -> bool {
        PRODUCERS.with_borrow_mut(|producers| {
            if let Some((_, producer)) = producers.iter_mut().find(|(id, _)| *id == self.id) {
                return producer.push_entire_slice(record).is_ok();
            }
            producers.retain(|(_, producer)| !producer.is_abandoned());
            let (mut producer, consumer) = RingBuffer::new(self.capacity);
            let fits = producer.push_entire_slice(record).is_ok();
            self.new.lock().unwrap_or_else(PoisonError::into_inner).push(consumer);
            producers.push((self.id, producer));
            fits
        })
    }
}

/// The collector's ends.
#[derive(Default)]
pub struct Drain {
    consumers: Vec<Consumer<u64>>,
    words: Vec<u64>,
}

impl Drain {
    /// Calls `each` with the words of every ring, whole records only.
    pub fn all(&mut self, rings: &Rings, mut each: impl FnMut(&[u64])) {
        self.consumers.append(&mut rings.new.lock().unwrap_or_else(PoisonError::into_inner));
        let words = &mut self.words;
        self.consumers.retain_mut(|consumer| {
            // Asked first: what is written before a thread ends is seen after it has ended.
            let over = consumer.is_abandoned();
            words.resize(consumer.slots(), 0);
            // A record is made visible by one store, so what is there ends with one.
            if consumer.pop_entire_slice(words).is_ok() && !words.is_empty() {
                each(words);
            }
            !over
        });
    }

    /// How full the fullest ring is, from 0 to 1.
    pub fn fill(&self) -> f64 {
        let full = |consumer: &Consumer<u64>| consumer.slots() as f64 / consumer.buffer().capacity() as f64;
        self.consumers.iter().map(full).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn what_threads_wrote_is_read_once_even_after_they_ended() {
        let rings = Arc::new(Rings::new(1 << 12));
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                let rings = rings.clone();
                std::thread::spawn(move || (0..100).all(|n| rings.push(&[thread, n])))
            })
            .collect();
        assert!(threads.into_iter().all(|thread| thread.join().is_ok_and(|fit| fit)));
        let mut drain = Drain::default();
        let mut seen = Vec::new();
        drain.all(&rings, |words| seen.extend(words.chunks(2).map(|pair| (pair[0], pair[1]))));
        seen.sort_unstable();
        assert_eq!(seen, (0..4).flat_map(|thread| (0..100).map(move |n| (thread, n))).collect::<Vec<_>>());
        drain.all(&rings, |_| panic!("read twice"));
        assert!(drain.consumers.is_empty());
    }

    #[test]
    fn a_full_ring_refuses_whole_records() {
        let rings = Rings::new(5);
        assert!(rings.push(&[1, 2]) && rings.push(&[3, 4]) && !rings.push(&[5, 6]));
        let mut drain = Drain::default();
        let mut seen = Vec::new();
        drain.all(&rings, |words| seen.extend_from_slice(words));
        assert_eq!(seen, [1, 2, 3, 4]);
        assert!(rings.push(&[5, 6]));
        assert_eq!(drain.fill(), 0.4);
    }
}
