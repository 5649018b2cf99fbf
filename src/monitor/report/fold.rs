//! Many cells folded into few bins that can be drawn and read, and quantiles from cells.

use super::known::Known;
use super::model::Histogram;

/// Bins of a histogram.
const BINS: usize = 20;

/// Neighbouring cells of a numeric column joined into bins of about the same share of the reference,
/// or of the window where there is none. `edges` are one fewer than the cells of either side.
pub fn numeric(edges: &[f64], reference: Option<&Known>, current: &Known) -> Option<Histogram> {
    let cells = edges.len() + 1;
    let fits = |known: &&Known| known.cells.len() == cells;
    let reference = reference.filter(fits);
    let current = Some(current).filter(fits)?;
    let by = reference.unwrap_or(current);
    let total: f64 = by.cells.iter().sum();
    let few = cells <= BINS + 2;
    let mut histogram = Histogram::default();
    let (mut below, mut open, mut last) = (0.0, [0.0; 2], 0.0);
    for cell in 0..cells {
        let of = |known: Option<&Known>| known.and_then(|known| known.cells.get(cell)).copied().unwrap_or(0.0);
        below += of(Some(by));
        open = [open[0] + of(reference), open[1] + of(Some(current))];
        // How many twentieths lie below: a value that holds several of them closes one bin only.
        let place = if total > 0.0 { (below / total * BINS as f64 + 1e-9).floor() } else { 0.0 };
        let Some(edge) = edges.get(cell) else { break };
        // What is left after the last edge makes the last bin.
        if few || (place > last && histogram.cur.len() < BINS - 1) {
            last = place;
            histogram.edges.push(*edge);
            histogram.push(reference.is_some(), open);
            open = [0.0; 2];
        }
    }
    histogram.push(reference.is_some(), open);
    Some(histogram.with_missing(reference, current))
}

/// Values of a categorical column that are drawn.
const VALUES: usize = 12;

/// The values that are most frequent on either side, then all others. `values` are by cell.
pub fn categorical(values: &[Box<str>], reference: Option<&Known>, current: &Known) -> Option<Histogram> {
    let fits = |known: &&Known| known.cells.len() == values.len() + 1;
    let reference = reference.filter(fits);
    let current = Some(current).filter(fits)?;
    let count =
        |known: Option<&Known>, cell: usize| known.and_then(|known| known.cells.get(cell)).copied().unwrap_or(0.0);
    let share = |known: Option<&Known>, cell: usize| known.map_or(0.0, |known| known.share(count(Some(known), cell)));
    let weight = |cell: usize| share(reference, cell).max(share(Some(current), cell));
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| weight(*b).total_cmp(&weight(*a)));
    let (shown, rest) = order.split_at(order.len().min(VALUES));
    let mut histogram = Histogram::default();
    for cell in shown {
        histogram.values.push(values.get(*cell).map(|value| value.to_string()).unwrap_or_default());
        histogram.push(reference.is_some(), [count(reference, *cell), count(Some(current), *cell)]);
    }
    let others = rest.iter().copied().chain([values.len()]);
    let sum = |known: Option<&Known>| others.clone().map(|cell| count(known, cell)).sum::<f64>();
    let other = [sum(reference), sum(Some(current))];
    if other.iter().any(|count| *count > 0.0) {
        histogram.values.push("(all others)".into());
        histogram.push(reference.is_some(), other);
    }
    Some(histogram.with_missing(reference, current))
}

impl Histogram {
    fn push(&mut self, with_reference: bool, [reference, current]: [f64; 2]) {
        if with_reference {
            self.r#ref.push(reference);
        }
        self.cur.push(current);
    }

    fn with_missing(mut self, reference: Option<&Known>, current: &Known) -> Self {
        self.missing_ref = reference.map(Known::missing);
        self.missing_cur = current.missing();
        self
    }
}

/// Quantiles: of the sketch where there is one, else within the cells, whose values are taken to be
/// spread evenly. `None` where nothing is known.
pub fn quantile(edges: &[f64], known: &Known, share: f64) -> Option<f64> {
    if let Some(quantiles) = &known.quantiles {
        return quantiles.quantile(share);
    }
    let (min, max) = (known.min?, known.max?);
    let total: f64 = known.cells.iter().sum();
    let rank = share * total;
    let mut below = 0.0;
    for (cell, count) in known.cells.iter().enumerate() {
        if *count > 0.0 && below + count >= rank {
            let edge = |at: Option<usize>, end: f64| at.and_then(|at| edges.get(at)).copied().unwrap_or(end);
            let (low, high) = (edge(cell.checked_sub(1), min).clamp(min, max), edge(Some(cell), max).clamp(min, max));
            return Some(low + (high - low) * ((rank - below) / count).clamp(0.0, 1.0));
        }
        below += count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(cells: Vec<f64>) -> Known {
        let rows = cells.iter().sum();
        Known { rows, n_eff: rows, cells, min: Some(0.0), max: Some(120.0), ..Known::default() }
    }

    #[test]
    fn many_cells_become_twenty_bins_of_equal_share() {
        let edges: Vec<f64> = (1..120).map(f64::from).collect();
        let mut current = vec![0.0; 120];
        current[119] = 7.0;
        let histogram = numeric(&edges, Some(&known(vec![10.0; 120])), &known(current)).expect("cells");
        assert_eq!(histogram.r#ref, vec![60.0; 20]);
        assert_eq!(histogram.edges.first(), Some(&6.0));
        assert_eq!(histogram.cur.last(), Some(&7.0));
        assert_eq!(histogram.edges.len() + 1, histogram.cur.len());
    }

    #[test]
    fn a_value_that_holds_more_than_its_share_has_a_bin_and_none_is_left_over() {
        let edges: Vec<f64> = (1..120).map(f64::from).collect();
        let mut cells = vec![1.0; 120];
        cells[0] = 500.0;
        let histogram = numeric(&edges, Some(&known(cells.clone())), &known(cells)).expect("cells");
        assert_eq!(histogram.r#ref.first(), Some(&500.0));
        assert_eq!(histogram.r#ref.iter().sum::<f64>(), 619.0);
        assert!(
            histogram.r#ref.len() <= 20 && histogram.r#ref.iter().skip(1).all(|count| *count > 2.0),
            "{histogram:?}"
        );
    }

    #[test]
    fn few_cells_and_sides_without_reference_stay_as_they_are() {
        let histogram = numeric(&[0.5, 1.5], None, &known(vec![1.0, 2.0, 3.0])).expect("cells");
        assert_eq!((histogram.edges, histogram.cur), (vec![0.5, 1.5], vec![1.0, 2.0, 3.0]));
        assert!(histogram.r#ref.is_empty());
        assert_eq!(numeric(&[0.5], None, &known(vec![1.0, 2.0, 3.0])), None);
    }

    #[test]
    fn the_values_of_either_side_are_told_and_the_rest_is_added_up() {
        let values: Vec<Box<str>> = (0..30).map(|at| format!("v{at}").into()).collect();
        let mut current = vec![0.0; 31];
        (current[29], current[30]) = (50.0, 4.0);
        let histogram = categorical(&values, Some(&known(vec![1.0; 31])), &known(current)).expect("cells");
        assert_eq!(histogram.values.first().map(String::as_str), Some("v29"));
        assert_eq!(
            (histogram.values.len(), histogram.cur.last(), histogram.r#ref.last()),
            (13, Some(&4.0), Some(&19.0))
        );
    }

    #[test]
    fn quantiles_lie_within_their_cells() {
        let known = known(vec![10.0, 0.0, 30.0]);
        assert_eq!(quantile(&[40.0, 80.0], &known, 0.125), Some(20.0));
        assert_eq!(quantile(&[40.0, 80.0], &known, 1.0), Some(120.0));
        assert_eq!(quantile(&[40.0, 80.0], &known, 0.625), Some(100.0));
        assert_eq!(quantile(&[], &Known::default(), 0.5), None);
    }
}
