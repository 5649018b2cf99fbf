//! How large a part of the rows is sampled, so that the collector keeps within its budget.

use crate::monitor::tap::sample;

/// What the rate of the last seconds counts for, each second anew.
const MEMORY: f64 = 0.8;
/// Above its budget by this much, the sample is thinned at once; below, at the end of a pane.
const AT_ONCE: f64 = 2.0;

/// The rows per second of one version, and the level that follows.
#[derive(Clone, Debug, Default)]
pub struct Rate {
    seen: u64,
    per_second: f64,
}

/// What to do about a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    None,
    /// When the pane closes anyhow.
    Later(u8),
    /// Close the pane: the budget is far exceeded.
    Now(u8),
}

impl Rate {
    /// Takes note of how many rows there have been by now, `seconds` after the last time.
    pub fn note(&mut self, rows: u64, seconds: f64) {
        if seconds <= 0.0 {
            return;
        }
        let now = rows.saturating_sub(self.seen) as f64 / seconds;
        let remembered = MEMORY.powf(seconds);
        // A rise counts at once, a fall step by step: a pause between bursts is no reason to take more.
        self.per_second = now.max(remembered * self.per_second + (1.0 - remembered) * now);
        self.seen = rows;
    }

    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// The change that keeps `budget` rows per second, from the level in use.
    pub fn change(&self, level: u8, budget: f64) -> Change {
        let wanted = sample::level_for(self.per_second, budget);
        let taken = self.per_second / sample::weight(level);
        match wanted {
            _ if wanted == level => Change::None,
            _ if wanted > level && taken > AT_ONCE * budget => Change::Now(wanted),
            _ => Change::Later(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_thins_at_once_and_its_end_later() {
        let mut rate = Rate::default();
        rate.note(1000, 1.0);
        assert_eq!(rate.change(0, 1000.0), Change::None);
        rate.note(2500, 1.0);
        assert_eq!(rate.change(0, 1000.0), Change::Later(1));
        rate.note(102_500, 1.0);
        assert_eq!(rate.change(0, 1000.0), Change::Now(7));
        for _ in 0..60 {
            rate.note(102_500, 1.0);
        }
        assert_eq!(rate.change(7, 1000.0), Change::Later(0));
    }
}
