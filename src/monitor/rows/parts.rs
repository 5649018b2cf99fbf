//! Errors of rows over time: five minutes and hours, added up to windows.

use crate::monitor::drift::pca::Errors;
use crate::monitor::history::Span;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const FIVE: u64 = 5 * 60_000;
const HOUR: u64 = 60 * 60_000;
/// What is kept of either length: enough for the longest window beside the part that is filling.
const FIVES: usize = 13;
const HOURS: usize = 25;

/// What came during one part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Part {
    /// Milliseconds since 1970.
    start: u64,
    errors: Errors,
}

/// The last day, in bounded memory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    fives: VecDeque<Part>,
    hours: VecDeque<Part>,
}

impl Parts {
    /// Takes in an error.
    pub fn add(&mut self, now: u64, error: f64) {
        add(&mut self.hours, now, HOUR, HOURS, error);
        add(&mut self.fives, now, FIVE, FIVES, error);
    }

    /// What came lately.
    pub fn lately(&self, span: Span, now: u64) -> Errors {
        let (parts, length) = match span {
            Span::FiveMinutes | Span::Hour => (&self.fives, FIVE),
            Span::Day => (&self.hours, HOUR),
        };
        let from = now.saturating_sub(span.milliseconds());
        let mut whole = Errors::default();
        parts.iter().filter(|part| part.start + length > from).for_each(|part| whole.merge(&part.errors));
        whole
    }

    /// The last windows that have closed, the latest first; a day has none of its own.
    pub fn closed(&self, span: Span, now: u64) -> impl Iterator<Item = &Errors> {
        let (parts, length) = match span {
            Span::FiveMinutes => (Some(&self.fives), FIVE),
            Span::Hour => (Some(&self.hours), HOUR),
            Span::Day => (None, HOUR),
        };
        let parts = parts.into_iter().flat_map(|parts| parts.iter().rev());
        parts.filter(move |part| part.start + length <= now).map(|part| &part.errors)
    }
}

fn add(parts: &mut VecDeque<Part>, now: u64, length: u64, most: usize, error: f64) {
    let start = now / length * length;
    if parts.back().is_none_or(|part| part.start < start) {
        parts.push_back(Part { start, errors: Errors::default() });
        while parts.len() > most {
            parts.pop_front();
        }
    }
    // A clock that was put back adds to the part that is open.
    if let Some(part) = parts.back_mut() {
        part.errors.update(error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_sums_of_parts_and_no_row_is_in_two_closed_ones() {
        let mut parts = Parts::default();
        (0..600).for_each(|minute| parts.add(minute * 60_000, minute as f64));
        let now = 600 * 60_000;
        assert_eq!((parts.lately(Span::FiveMinutes, now).n, parts.lately(Span::Hour, now).n), (5.0, 60.0));
        assert_eq!(parts.lately(Span::Day, now).n, 600.0);
        let hours: Vec<f64> = parts.closed(Span::Hour, now).map(|errors| errors.mean).collect();
        assert_eq!((hours.len(), hours[0], hours[9]), (10, 569.5, 29.5));
        assert!(parts.closed(Span::Hour, now - 1).next().is_some_and(|errors| errors.mean == 509.5));
        assert_eq!(parts.closed(Span::Day, now).count(), 0);
        (0..100).for_each(|day| parts.add((26 + day) * 24 * HOUR, 0.0));
        assert!(parts.fives.len() <= FIVES && parts.hours.len() <= HOURS);
    }
}
