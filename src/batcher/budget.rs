//! What may wait in the whole process, over all lanes.

use super::BatchError;
use crate::sync::primitive::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// Limits for the process. A lane has its own besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub rows: usize,
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 65_536, bytes: 256 << 20 }
    }
}

/// Rows and bytes that wait now. Every place that is taken is given back exactly once.
#[derive(Debug)]
pub struct Budget {
    limits: Limits,
    rows: AtomicUsize,
    bytes: AtomicUsize,
}

impl Budget {
    pub fn new(limits: Limits) -> Self {
        Self { limits, rows: AtomicUsize::new(0), bytes: AtomicUsize::new(0) }
    }

    /// Takes room for a request, or takes nothing and says which limit stands against it.
    pub fn take(&self, rows: usize, bytes: usize) -> Result<(), BatchError> {
        take(&self.rows, rows, self.limits.rows, "max_queued_rows", "rows")?;
        take(&self.bytes, bytes, self.limits.bytes, "max_queued_bytes", "bytes").inspect_err(|_| {
            self.rows.fetch_sub(rows, Relaxed);
        })
    }

    pub fn give_back(&self, rows: usize, bytes: usize) {
        self.rows.fetch_sub(rows, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
    }

    /// Rows and bytes waiting now.
    pub fn used(&self) -> (usize, usize) {
        (self.rows.load(Relaxed), self.bytes.load(Relaxed))
    }
}

fn take(
    used: &AtomicUsize,
    more: usize,
    limit: usize,
    limit_name: &'static str,
    unit: &'static str,
) -> Result<(), BatchError> {
    let fits = |used: usize| used.checked_add(more).filter(|sum| *sum <= limit);
    match used.fetch_update(Relaxed, Relaxed, fits) {
        Ok(_) => Ok(()),
        Err(_) if more > limit => Err(BatchError::TooLarge { limit_name, unit, limit, got: more }),
        Err(depth) => Err(BatchError::QueueFull { limit_name, unit, limit, depth }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_takes_nothing() {
        let budget = Budget::new(Limits { rows: 10, bytes: 100 });
        budget.take(6, 60).expect("room");
        assert!(matches!(
            budget.take(5, 1),
            Err(BatchError::QueueFull { limit_name: "max_queued_rows", depth: 6, .. })
        ));
        assert!(matches!(
            budget.take(1, 50),
            Err(BatchError::QueueFull { limit_name: "max_queued_bytes", depth: 60, .. })
        ));
        assert!(matches!(budget.take(11, 1), Err(BatchError::TooLarge { .. })));
        assert_eq!(budget.used(), (6, 60));
        budget.give_back(6, 60);
        assert_eq!(budget.used(), (0, 0));
    }
}

#[cfg(all(test, tidegate_loom))]
mod loom_model {
    use super::*;
    use loom::thread;
    use std::sync::Arc;

    fn within_limits(budget: &Budget) {
        let (rows, bytes) = budget.used();
        assert!(rows <= 10 && bytes <= 100, "{rows} rows, {bytes} bytes");
    }

    #[test]
    fn what_waits_stays_within_the_limits_and_all_is_given_back() {
        loom::model(|| {
            let budget = Arc::new(Budget::new(Limits { rows: 10, bytes: 100 }));
            // Any two are too many: by rows, or by bytes.
            let threads = [(6, 60), (3, 70)].map(|(rows, bytes)| {
                let budget = budget.clone();
                thread::spawn(move || {
                    let taken = budget.take(rows, bytes).is_ok();
                    within_limits(&budget);
                    if taken {
                        budget.give_back(rows, bytes);
                    }
                    taken
                })
            });
            within_limits(&budget);
            let taken = threads.map(|thread| thread.join().expect("no panic"));
            assert!(taken.contains(&true), "each was refused for the other's sake");
            assert_eq!(budget.used(), (0, 0));
        });
    }
}
