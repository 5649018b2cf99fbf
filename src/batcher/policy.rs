//! When to cut a batch and what goes into it: a pure function of the queue, the limits and the time.

use smallvec::SmallVec;
use std::time::{Duration, Instant};

/// What the decision needs to know of a waiting request.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    pub rows: usize,
    /// Only requests of the same key (the shape of a row) can share a batch.
    pub key: u64,
    pub arrived: Instant,
    pub deadline: Instant,
}

/// The limits the decision obeys.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_rows: usize,
    pub max_delay: Duration,
    /// Whether requests may be merged at all.
    pub merge: bool,
    /// Estimated time to compute a batch, kept free before the earliest deadline.
    pub compute: Duration,
}

/// Why a batch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Computed on the caller's thread, without a queue.
    Inline,
    /// A worker was free and nothing more waited.
    Idle,
    /// The next request would not fit.
    Full,
    /// The longest wait allowed was over.
    Delay,
    /// Waiting longer would have cost a deadline.
    Deadline,
}

/// What to do with the queue now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing is waiting.
    Empty,
    /// Leave it until then, unless more arrives.
    Wait(Instant),
    /// Compute these, by index, in order.
    Cut(SmallVec<[usize; 16]>, CloseReason),
}

/// Decides over live requests in order of arrival. Expired ones are the caller's to leave out.
pub fn decide(now: Instant, pending: &[Pending], limits: &Limits) -> Decision {
    let Some(head) = pending.first() else { return Decision::Empty };
    let (batch, full) = fill(pending, head, limits);
    if full || !limits.merge || limits.max_delay.is_zero() {
        return Decision::Cut(batch, if full { CloseReason::Full } else { CloseReason::Idle });
    }
    let patience = head.arrived.checked_add(limits.max_delay).unwrap_or(now);
    let earliest = batch.iter().map(|at| pending[*at].deadline).min().unwrap_or(patience);
    let latest_start = earliest.checked_sub(limits.compute).unwrap_or(now);
    match (now >= latest_start, now >= patience) {
        (true, _) => Decision::Cut(batch, CloseReason::Deadline),
        (false, true) => Decision::Cut(batch, CloseReason::Delay),
        (false, false) => Decision::Wait(patience.min(latest_start)),
    }
}

/// The head and those behind it that may and do fit beside it; whether one was left out for want of room.
fn fill(pending: &[Pending], head: &Pending, limits: &Limits) -> (SmallVec<[usize; 16]>, bool) {
    let mut batch = SmallVec::from_slice(&[0]);
    if !limits.merge {
        return (batch, false);
    }
    let mut rows = head.rows;
    for (at, request) in pending.iter().enumerate().skip(1) {
        if request.key != head.key {
            continue;
        }
        if rows + request.rows > limits.max_rows {
            return (batch, true);
        }
        rows += request.rows;
        batch.push(at);
    }
    let full = rows >= limits.max_rows;
    (batch, full)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limits(max_rows: usize, delay_ms: u64, merge: bool) -> Limits {
        Limits { max_rows, max_delay: Duration::from_millis(delay_ms), merge, compute: Duration::from_millis(1) }
    }

    fn requests(base: Instant) -> impl Strategy<Value = Vec<Pending>> {
        let one = (1usize..50, 0u64..3, 0u64..20, 1u64..100).prop_map(move |(rows, key, age, left)| Pending {
            rows,
            key,
            arrived: base - Duration::from_millis(age),
            deadline: base + Duration::from_millis(left),
        });
        proptest::collection::vec(one, 0..40)
    }

    proptest! {
        /// Whatever waits: a batch starts with the oldest, keeps order and kind, and respects the limit.
        #[test]
        fn a_batch_is_the_oldest_and_its_kin(
            pending in requests(Instant::now()), max_rows in 1usize..100, delay in 0u64..10, merge: bool,
        ) {
            let now = Instant::now();
            let limits = limits(max_rows, delay, merge);
            match decide(now, &pending, &limits) {
                Decision::Empty => prop_assert!(pending.is_empty()),
                Decision::Wait(until) => {
                    prop_assert!(delay > 0 && until > now);
                    prop_assert!(until <= pending[0].arrived + limits.max_delay);
                }
                Decision::Cut(batch, _) => {
                    prop_assert_eq!(batch[0], 0);
                    prop_assert!(batch.windows(2).all(|pair| pair[0] < pair[1]));
                    prop_assert!(batch.iter().all(|at| pending[*at].key == pending[0].key));
                    let rows: usize = batch.iter().map(|at| pending[*at].rows).sum();
                    prop_assert!(batch.len() == 1 || rows <= max_rows);
                    prop_assert!(merge || batch.len() == 1);
                }
            }
        }

        /// Without a delay nothing ever waits for company.
        #[test]
        fn no_delay_means_no_waiting(pending in requests(Instant::now()), max_rows in 1usize..100) {
            let decision = decide(Instant::now(), &pending, &limits(max_rows, 0, true));
            prop_assert!(!matches!(decision, Decision::Wait(_)));
        }

        /// Nobody is left behind who would have fitted before the first who did not.
        #[test]
        fn a_batch_is_as_full_as_order_allows(pending in requests(Instant::now()), max_rows in 1usize..100) {
            let now = Instant::now();
            if let Decision::Cut(batch, reason) = decide(now, &pending, &limits(max_rows, 0, true)) {
                let left: Vec<usize> = (1..pending.len())
                    .filter(|at| pending[*at].key == pending[0].key && !batch.contains(at)).collect();
                if let Some(first) = left.first() {
                    let rows: usize = batch.iter().map(|at| pending[*at].rows).sum();
                    prop_assert!(rows + pending[*first].rows > max_rows);
                    prop_assert_eq!(reason, CloseReason::Full);
                }
            }
        }
    }

    #[test]
    fn a_delay_ends_for_the_earliest_deadline() {
        let now = Instant::now();
        let ms = Duration::from_millis;
        let request = |left: u64| Pending { rows: 1, key: 0, arrived: now, deadline: now + ms(left) };
        let limits = limits(8, 10, true);
        assert_eq!(decide(now, &[request(100)], &limits), Decision::Wait(now + ms(10)));
        assert_eq!(decide(now, &[request(100), request(5)], &limits), Decision::Wait(now + ms(4)));
        assert!(matches!(
            decide(now + ms(4), &[request(100), request(5)], &limits),
            Decision::Cut(_, CloseReason::Deadline)
        ));
        assert!(matches!(decide(now + ms(10), &[request(100)], &limits), Decision::Cut(_, CloseReason::Delay)));
    }
}
