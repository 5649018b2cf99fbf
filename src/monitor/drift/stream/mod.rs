//! Detectors for one stream of numbers, value by value: an error rate, a mean score, a share of nulls.
//!
//! They need no reference and no windows. [`Adwin`] has a bound on its false alarms and forgets what is
//! old by itself; [`PageHinkley`] is cheaper, and its threshold is in the units of the stream.

mod adwin;
mod page_hinkley;

pub use adwin::Adwin;
pub use page_hinkley::PageHinkley;

#[cfg(test)]
mod tests {
    use super::*;

    /// The stream of river's documentation: a thousand of 0 and 1, then a thousand of 4 to 7, by Python's
    /// `random.Random(12345).choices`; written down by `interop/drift_oracles.py --stream`.
    const STREAM: &str = include_str!("river_stream.txt");

    fn values() -> impl Iterator<Item = f64> {
        STREAM.chars().filter_map(|digit| digit.to_digit(10)).map(f64::from)
    }

    #[test]
    fn adwin_finds_the_change_where_river_does() {
        let mut adwin = Adwin::default();
        let found: Vec<usize> = values().enumerate().filter(|(_, x)| adwin.update(*x)).map(|(at, _)| at).collect();
        assert_eq!(found, [1023]);
    }

    #[test]
    fn page_hinkley_finds_the_change_where_river_does() {
        let mut detector = PageHinkley::default();
        let found: Vec<usize> = values().enumerate().filter(|(_, x)| detector.update(*x)).map(|(at, _)| at).collect();
        assert_eq!(found.first(), Some(&1006), "{found:?}");
    }
}
