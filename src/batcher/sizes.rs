//! How often batches of each size were computed, and how long they took.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Sizes that have cells of their own: most batches are small.
const SMALL: usize = 64;
/// Larger sizes that are told apart; batches of still others are counted in the totals alone.
const LARGE: usize = 1024;

/// Successful batches by their number of rows.
#[derive(Debug)]
pub struct Sizes {
    small: [Cell; SMALL],
    large: Mutex<BTreeMap<usize, (u64, u64)>>,
    count: AtomicU64,
}

#[derive(Debug, Default)]
struct Cell {
    count: AtomicU64,
    ns: AtomicU64,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { small: std::array::from_fn(|_| Cell::default()), large: Mutex::default(), count: AtomicU64::new(0) }
    }
}

impl Sizes {
    pub(super) fn add(&self, rows: usize, compute: Duration) {
        let ns = u64::try_from(compute.as_nanos()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Relaxed);
        if let Some(cell) = rows.checked_sub(1).and_then(|at| self.small.get(at)) {
            cell.count.fetch_add(1, Relaxed);
            cell.ns.fetch_add(ns, Relaxed);
            return;
        }
        let mut large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        if large.len() < LARGE || large.contains_key(&rows) {
            let (count, sum) = large.entry(rows).or_default();
            *count += 1;
            *sum = sum.saturating_add(ns);
        }
    }

    /// Batches of all sizes.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Rows, batches of so many rows and the nanoseconds they took together, by size.
    pub fn list(&self) -> Vec<(usize, u64, u64)> {
        let read = |(at, cell): (usize, &Cell)| (at + 1, cell.count.load(Relaxed), cell.ns.load(Relaxed));
        let mut all: Vec<_> = self.small.iter().enumerate().map(read).filter(|(_, count, _)| *count > 0).collect();
        let large = self.large.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(large.iter().map(|(rows, (count, ns))| (*rows, *count, *ns)));
        // Only a batch without rows is larger than none and comes before one of one row.
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_its_own_count_and_time() {
        let sizes = Sizes::default();
        for (rows, us) in [(1, 5), (64, 10), (65, 20), (1, 7), (65, 1)] {
            sizes.add(rows, Duration::from_micros(us));
        }
        assert_eq!(sizes.list(), [(1, 2, 12_000), (64, 1, 10_000), (65, 2, 21_000)]);
        assert_eq!(sizes.count(), 5);
    }

    #[test]
    fn endless_sizes_take_bounded_room() {
        let sizes = Sizes::default();
        (0..10_000).for_each(|rows| sizes.add(rows, Duration::ZERO));
        assert_eq!(sizes.list().len(), SMALL + LARGE);
        assert_eq!(sizes.count(), 10_000);
    }
}
