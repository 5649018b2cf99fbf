//! Plans for batches of known size, and which of them runs how many rows.
//!
//! A plan for any number of rows is up to 4 times slower than one for exactly so many, depending
//! on the network: convolutions and attention gain, small perceptrons do not. So a few sizes are
//! tried at load, and kept where they pay. A batch is cut into pieces of a plan's size, the last
//! one filled up, if that was measured to be faster than the plan for any number.

use std::time::{Duration, Instant};

/// Sizes that are tried beside a single row.
const SIZES: [usize; 3] = [4, 16, 64];
/// What a plan must save to be taken: a tenth.
const WORTH: f64 = 0.9;
/// Runs of a plan; the fastest counts.
const RUNS: usize = 3;
/// What trying may cost. Sizes that were not reached have no plan.
const TIME: Duration = Duration::from_millis(if cfg!(fuzzing) { 1 } else { 1500 });

/// How a batch is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the plan for any number of rows.
    Any,
    /// In pieces of this plan's size.
    Sized(usize),
}

/// Plans for known sizes, and what they cost.
#[derive(Clone, Debug)]
pub struct Sizes<P> {
    /// Rows of each plan, and the plan.
    pub plans: Vec<(usize, P)>,
    /// Seconds that each plan takes; empty where nothing was measured.
    own: Vec<f64>,
    /// Rows, and seconds of the plan for any number; empty where there is none.
    any: Vec<(usize, f64)>,
    /// There is a plan for any number of rows.
    free: bool,
}

impl<P> Sizes<P> {
    /// A plan for one row, or none, beside a plan for any number, or none: one of them at least.
    pub fn unmeasured(one: Option<P>, free: bool) -> Self {
        Self { plans: one.into_iter().map(|plan| (1, plan)).collect(), own: Vec::new(), any: Vec::new(), free }
    }

    /// Tries the sizes: `make` makes a plan for so many rows, `run` runs a plan, or the one for any
    /// number. Sizes above `most` are not tried. Keeps what pays.
    pub fn tried<E>(
        one: Option<P>,
        free: bool,
        most: usize,
        mut make: impl FnMut(usize) -> Result<P, E>,
        mut run: impl FnMut(Option<&P>, usize) -> Result<(), E>,
    ) -> Result<Self, E> {
        let began = Instant::now();
        let mut sizes = Self::unmeasured(None, free);
        let mut ready = one;
        for rows in [1].into_iter().chain(SIZES).take_while(|rows| *rows <= most && began.elapsed() < TIME) {
            if free {
                sizes.any.push((rows, fastest(|| run(None, rows))?));
            }
            // A size that tract cannot plan for has none.
            let plan = if rows == 1 { ready.take() } else { make(rows).ok() };
            if let Some(plan) = plan {
                sizes.own.push(fastest(|| run(Some(&plan), rows))?);
                sizes.plans.push((rows, plan));
            }
        }
        Ok(sizes.pruned())
    }

    /// Without the plans that no batch of a tried size would take. What lies between these is guessed,
    /// which is no reason to hold weights once more.
    fn pruned(mut self) -> Self {
        let taken: Vec<Way> = [1].into_iter().chain(SIZES).map(|rows| self.way(rows)).collect();
        let used: Vec<bool> = (0..self.plans.len()).map(|at| taken.contains(&Way::Sized(at))).collect();
        let (mut plans, mut own) = (used.iter(), used.iter());
        self.plans.retain(|_| *plans.next().unwrap_or(&true));
        self.own.retain(|_| *own.next().unwrap_or(&true));
        self
    }

    /// How a batch of so many rows is run.
    pub fn way(&self, rows: usize) -> Way {
        let cost = |(at, own): (usize, &f64)| (own * rows.div_ceil(self.plans[at].0) as f64, at);
        let best = self.own.iter().enumerate().map(cost).min_by(|a, b| a.0.total_cmp(&b.0));
        match best {
            Some((cost, at)) if !self.free || cost < WORTH * self.any_costs(rows) => Way::Sized(at),
            Some(_) => Way::Any,
            // Nothing was measured: a single row has its plan, all else goes where it can.
            None if !self.plans.is_empty() && (rows == 1 || !self.free) => Way::Sized(0),
            None => Way::Any,
        }
    }

    /// What the plan for any number of rows costs: between two measured sizes, or beyond the last.
    fn any_costs(&self, rows: usize) -> f64 {
        let Some(last) = self.any.len().checked_sub(1) else { return f64::INFINITY };
        let above = self.any.iter().position(|(size, _)| *size >= rows).unwrap_or(last).max(1).min(last);
        let ((from, low), (to, high)) = (self.any[above.saturating_sub(1)], self.any[above]);
        if to == from { high } else { low + (high - low) * (rows as f64 - from as f64) / (to - from) as f64 }
    }

    /// The sizes in words, with how much faster each is than the plan for any number where it gains most.
    pub fn words(&self) -> String {
        let size = |(at, (rows, _)): (usize, &(usize, P))| match self.gain(at) {
            Some((batch, gain)) if batch == *rows => format!("{rows} ({gain:.1} times as fast)"),
            Some((batch, gain)) => format!("{rows} ({gain:.1} times as fast for {batch} rows)"),
            None => rows.to_string(),
        };
        self.plans.iter().enumerate().map(size).collect::<Vec<_>>().join(", ")
    }

    /// The measured size for which a plan is taken and gains most, and how many times as fast it is.
    fn gain(&self, at: usize) -> Option<(usize, f64)> {
        let own = self.own.get(at)?;
        let taken = self.any.iter().filter(|(rows, _)| self.way(*rows) == Way::Sized(at));
        let gains = taken.map(|(rows, any)| (*rows, any / (own * rows.div_ceil(self.plans[at].0) as f64)));
        gains.max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

fn fastest<E>(mut run: impl FnMut() -> Result<(), E>) -> Result<f64, E> {
    let mut best = f64::INFINITY;
    for _ in 0..RUNS {
        let began = Instant::now();
        run()?;
        best = best.min(began.elapsed().as_secs_f64());
    }
    Ok(best)
}

#[cfg(test)]
impl<P> Sizes<P> {
    /// Plans with their rows and seconds, beside a plan for any number that takes a second a row.
    pub fn with(plans: Vec<(usize, f64, P)>) -> Self {
        let own = plans.iter().map(|(_, own, _)| *own).collect();
        let plans = plans.into_iter().map(|(rows, _, plan)| (rows, plan)).collect();
        Self { plans, own, any: [1, 4, 16, 64].map(|rows| (rows, rows as f64)).to_vec(), free: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_takes_what_is_cheapest() {
        let sizes = Sizes::with(vec![(1, 0.7, 'a'), (4, 1.5, 'b'), (16, 15.0, 'c'), (64, 16.0, 'd')]);
        let letters = |rows: usize| match sizes.way(rows) {
            Way::Sized(at) => sizes.plans[at].1,
            Way::Any => '-',
        };
        // One row alone; two fill the plan for four; nine and 65 take pieces of it; 44 fill the largest.
        assert_eq!([1, 2, 4, 9, 40, 44, 64, 65, 130].map(letters), ['a', 'a', 'b', 'b', 'b', 'd', 'd', 'b', 'd']);
        let kept: Vec<char> = sizes.pruned().plans.into_iter().map(|(_, plan)| plan).collect();
        assert_eq!(kept, ['a', 'b', 'd'], "nobody takes the plan for 16");
    }

    #[test]
    fn plans_are_kept_and_shown_by_what_they_gain_where_it_was_measured() {
        let plans = Sizes::with(vec![(1, 0.9, ()), (4, 1.7, ()), (16, 6.5, ()), (64, 10.0, ())]);
        let sizes = Sizes { any: vec![(1, 1.0), (4, 1.8), (16, 16.0), (64, 64.0)], ..plans };
        // Eight rows would be two pieces of four, as far as one can guess; no size that was tried gains so.
        assert_eq!(
            [1, 4, 8, 16, 64].map(|rows| sizes.way(rows)),
            [Way::Any, Way::Any, Way::Sized(1), Way::Sized(2), Way::Sized(3)]
        );
        assert_eq!(sizes.pruned().words(), "16 (2.5 times as fast), 64 (6.4 times as fast)");
        // Single rows in turn may beat the plan for any number where one alone does not.
        let single = Sizes { any: vec![(1, 1.0), (4, 5.0)], ..Sizes::with(vec![(1, 0.95, ())]) };
        assert_eq!(single.pruned().words(), "1 (1.3 times as fast for 4 rows)");
    }

    #[test]
    fn plans_that_save_too_little_are_not_taken() {
        let sizes = Sizes::with(vec![(4, 3.9, ())]);
        assert_eq!([1, 4, 100].map(|rows| sizes.way(rows)), [Way::Any; 3]);
        assert!(sizes.pruned().words().is_empty());
    }

    #[test]
    fn without_measurements_one_row_has_its_plan() {
        let both = Sizes::unmeasured(Some(()), true);
        assert_eq!([1, 2].map(|rows| both.way(rows)), [Way::Sized(0), Way::Any]);
        let one = Sizes::unmeasured(Some(()), false);
        assert_eq!([1, 2].map(|rows| one.way(rows)), [Way::Sized(0); 2]);
        assert_eq!(Sizes::<()>::unmeasured(None, true).way(1), Way::Any);
    }

    #[test]
    fn a_size_that_cannot_be_planned_is_left_out() {
        let make = |rows: usize| if rows == 16 { Err("no") } else { Ok(rows) };
        let mut runs = Vec::new();
        let sizes = Sizes::tried(Some(1), false, 99, make, |plan, rows| {
            runs.push((plan.copied(), rows));
            Ok(())
        });
        sizes.expect("tried");
        runs.dedup();
        assert_eq!(runs, [(Some(1), 1), (Some(4), 4), (Some(64), 64)]);
    }
}
