//! The distribution of scores that nobody knows beforehand, in cells that are the same everywhere.

/// Cells of width 0.05 from 0 to 1, and quarter octaves beyond, for either sign.
const UNIT_CELLS: usize = 20;
const OUTER_CELLS: usize = 64;
pub const CELLS: usize = UNIT_CELLS + 2 * OUTER_CELLS;

/// Cells that expect fewer are joined: their ratio would be noise.
const FEWEST: f64 = 5.0;

/// The cell of a finite score; NaN counts with the lowest.
pub fn cell(score: f64) -> usize {
    if (0.0..=1.0).contains(&score) {
        return ((score * UNIT_CELLS as f64) as usize).min(UNIT_CELLS - 1);
    }
    // A cast of a float to an integer takes what does not fit to the nearest that does.
    let outer = ((score.abs().log2() * 4.0).floor() + 16.0).max(0.0) as usize;
    let side = if score > 0.0 { UNIT_CELLS } else { UNIT_CELLS + OUTER_CELLS };
    side + outer.min(OUTER_CELLS - 1)
}

/// The population stability index of two sets of counts, less its expectation under no shift
/// (`(cells - 1) (1/n + 1/m)`); `None` where a side is empty.
pub fn shift(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (n, m) = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    if n == 0.0 || m == 0.0 {
        return None;
    }
    let (mut psi, mut used, mut rest) = (0.0, 0, (0.0, 0.0));
    let mut add = |r: f64, c: f64| {
        // Half a count each, so that an empty cell has a finite ratio.
        let (p, q) = ((r + 0.5) / (n + 0.5), (c + 0.5) / (m + 0.5));
        psi += (p - q) * (p / q).ln();
        used += 1;
    };
    for (r, c) in reference.iter().zip(current).map(|(r, c)| (*r as f64, *c as f64)) {
        if (r + c) * m.min(n) / (n + m) < FEWEST {
            rest = (rest.0 + r, rest.1 + c);
        } else {
            add(r, c);
        }
    }
    if rest.0 + rest.1 > 0.0 {
        add(rest.0, rest.1);
    }
    Some((psi - f64::from(used - 1) * (1.0 / n + 1.0 / m)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_has_a_cell() {
        let scores = [f64::NEG_INFINITY, -1e300, -1.0, -1e-300, 0.0, 0.5, 1.0, 1.0001, 300.0, 1e300, f64::INFINITY];
        assert!(scores.into_iter().chain([f64::NAN]).all(|score| cell(score) < CELLS));
        assert_eq!((cell(0.0), cell(0.049), cell(1.0)), (0, 0, UNIT_CELLS - 1));
        assert!(cell(100.0) < cell(120.0) && cell(-1.0) != cell(1.5));
    }

    #[test]
    fn the_index_is_known_and_chance_is_taken_off() {
        assert_eq!(shift(&[0, 0], &[1, 2]), None);
        assert_eq!(shift(&[500, 500], &[500, 500]), Some(0.0));
        // Halves against 0.8 and 0.2: 0.3 ln(0.8/0.5) + 0.3 ln(0.5/0.2) = 0.4159.
        let psi = shift(&[50_000, 50_000], &[80_000, 20_000]).expect("both sides");
        assert!((psi - 0.4159).abs() < 1e-3, "{psi}");
    }
}
