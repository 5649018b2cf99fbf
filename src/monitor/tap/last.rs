//! Whether the collector is the last holder of a tap.
//!
//! This is the one handshake between threads in monitoring that is our own and has no lock. The rings are
//! a crate's, and handed over under a mutex; the level in use needs no order, since every row carries the
//! level that it was drawn at; counters only add; what is published is swapped whole. But the number that
//! stands in a version's records is given to another version once nobody holds its tap any more, and what
//! was written before must be seen before that: else it would be counted for the other one.

use crate::sync::primitive::fence;
use std::sync::atomic::Ordering::Acquire;

/// Whether one holder is left. What the others have written before they let go is then seen.
pub fn is_last(holders: impl FnOnce() -> usize) -> bool {
    if holders() != 1 {
        return false;
    }
    // The count of an `Arc` is read without order. Those who let go of one release what they wrote.
    fence(Acquire);
    true
}

#[cfg(all(test, tidegate_loom))]
mod loom_model {
    use super::*;
    use crate::sync::primitive::AtomicUsize;
    use loom::thread;
    use std::sync::Arc;
    use std::sync::atomic::Ordering::{Relaxed, Release};

    #[test]
    fn what_was_written_before_the_last_holder_went_is_seen() {
        loom::model(|| {
            // As `Arc` counts: one for the collector, one for each of two requests.
            let count = Arc::new(AtomicUsize::new(3));
            let rings = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
            let requests = [0, 1].map(|at| {
                let (count, rings) = (count.clone(), rings.clone());
                thread::spawn(move || {
                    // The one store by which a ring shows a record.
                    rings[at].store(1, Release);
                    count.fetch_sub(1, Release);
                })
            });
            if is_last(|| count.load(Relaxed)) {
                assert_eq!([rings[0].load(Relaxed), rings[1].load(Relaxed)], [1, 1], "a record is left behind");
            }
            for request in requests {
                request.join().expect("no panic");
            }
            assert!(is_last(|| count.load(Relaxed)));
        });
    }
}
