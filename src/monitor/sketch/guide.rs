//! From a number to its cell in a few nanoseconds, whatever the spread of the edges.
//!
//! A table of 1024 steps over the range of the edges says where to begin looking. Mostly no step
//! holds more than one edge, and then one comparison without a branch ends the search: branches that
//! depend on random numbers cost more than all the rest. Even steps serve even spreads. Where the
//! edges crowd together (lognormal amounts), the steps grow with the distance from a centre: the
//! position is read off the bits of `1 + distance / scale`, whose exponent and mantissa together are
//! a logarithm drawn in straight lines. Among several scales the one with the shortest search is
//! taken; if none is short, the edges are searched by halving.

/// Places of the edges: at most 127, then infinity, so that an index of 7 bits is always inside.
pub(super) const PADDED: usize = 128;
/// Steps of the table.
const STEPS: usize = 1024;
/// With more edges than this in a step, halving is quicker.
const MOST_COMPARED: usize = 3;

#[derive(Clone, Debug)]
pub(super) struct Guide {
    way: Way,
    /// The most edges in a step: after as many comparisons the search is over.
    compared: usize,
    /// By step: how many edges lie before everything in it.
    first: Box<[u8; STEPS]>,
}

/// How a number becomes a step.
#[derive(Clone, Copy, Debug)]
enum Way {
    Even { low: f64, scale: f64 },
    Bent { centre: f64, scale: f64, factor: f64, middle: f64 },
    Halving,
}

impl Guide {
    /// The guide with the shortest search for these edges, which increase.
    pub fn over(edges: &[f64]) -> Self {
        let guides = candidates(edges).into_iter().map(|way| Self::along(way, edges));
        match guides.min_by_key(|guide| guide.compared) {
            Some(guide) if guide.compared <= MOST_COMPARED => guide,
            _ => Self { way: Way::Halving, compared: 0, first: Box::new([0; STEPS]) },
        }
    }

    fn along(way: Way, edges: &[f64]) -> Self {
        let mut first = Box::new([0; STEPS]);
        let steps: Vec<usize> = edges.iter().map(|edge| way.step(*edge)).collect();
        for (step, place) in first.iter_mut().enumerate() {
            *place = steps.partition_point(|of_edge| *of_edge < step) as u8;
        }
        let compared = steps.chunk_by(|one, other| one == other).map(<[usize]>::len).max().unwrap_or(0);
        Self { way, compared, first }
    }

    /// How many of the edges are below `x`.
    #[inline(always)]
    pub fn cell(&self, padded: &[f64; PADDED], x: f64) -> usize {
        match self.way {
            Way::Even { low, scale } => self.search::<MOST_COMPARED>(padded, x, even(x, low, scale)),
            Way::Bent { centre, scale, factor, middle } => {
                self.search::<MOST_COMPARED>(padded, x, bent(x, centre, scale, factor, middle))
            }
            Way::Halving => halve(padded, x),
        }
    }

    /// Counts many at once: the way is chosen once, and the processor works on several numbers.
    pub fn count(&self, padded: &[f64; PADDED], values: &[f64], cells: &mut [u32]) {
        match self.way {
            Way::Even { low, scale } => self.tally(padded, values, cells, |x| even(x, low, scale)),
            Way::Bent { centre, scale, factor, middle } => {
                self.tally(padded, values, cells, |x| bent(x, centre, scale, factor, middle));
            }
            Way::Halving => tally(values, cells, |x| halve(padded, x)),
        }
    }

    #[inline(always)]
    fn tally(&self, padded: &[f64; PADDED], values: &[f64], cells: &mut [u32], step: impl Fn(f64) -> usize) {
        match self.compared {
            0 | 1 => tally(values, cells, |x| self.search::<1>(padded, x, step(x))),
            _ => tally(values, cells, |x| self.search::<MOST_COMPARED>(padded, x, step(x))),
        }
    }

    #[inline(always)]
    fn search<const COMPARED: usize>(&self, padded: &[f64; PADDED], x: f64, step: usize) -> usize {
        let mut cell = usize::from(self.first[step]);
        // The last place is infinity, so this never goes beyond.
        for _ in 0..COMPARED {
            cell += usize::from(padded[cell % PADDED] < x);
        }
        cell
    }
}

impl Way {
    fn step(self, x: f64) -> usize {
        match self {
            Self::Even { low, scale } => even(x, low, scale),
            Self::Bent { centre, scale, factor, middle } => bent(x, centre, scale, factor, middle),
            Self::Halving => 0,
        }
    }
}

#[inline(always)]
fn tally(values: &[f64], cells: &mut [u32], cell: impl Fn(f64) -> usize) {
    for x in values {
        if let Some(count) = cells.get_mut(cell(*x)) {
            *count = count.saturating_add(1);
        }
    }
}

#[inline(always)]
fn even(x: f64, low: f64, scale: f64) -> usize {
    whole((x - low) * scale)
}

#[inline(always)]
fn bent(x: f64, centre: f64, scale: f64, factor: f64, middle: f64) -> usize {
    let distance = x - centre;
    let bits = (1.0 + distance.abs() * scale).to_bits().wrapping_sub(ONE);
    // Below 2^62, so the conversion of a signed number, which is quick, will do.
    let far = (bits as i64 as f64) * factor;
    whole(middle + far.copysign(distance))
}

const ONE: u64 = 1.0f64.to_bits();

/// A number's nearest whole, kept within the table; increases with the number.
#[inline(always)]
fn whole(position: f64) -> usize {
    let low = if position > 0.0 { position } else { 0.0 };
    let kept = if low < (STEPS - 1) as f64 { low } else { (STEPS - 1) as f64 };
    // Added to 2^52, the nearest whole number stands in the lowest bits.
    (kept + 4_503_599_627_370_496.0).to_bits() as usize % STEPS
}

/// Seven halvings without a branch.
#[inline(always)]
fn halve(padded: &[f64; PADDED], x: f64) -> usize {
    let mut cell = 0;
    for width in [64, 32, 16, 8, 4, 2, 1] {
        cell += if padded[(cell + width - 1) % PADDED] < x { width } else { 0 };
    }
    cell
}

fn candidates(edges: &[f64]) -> Vec<Way> {
    let (Some(low), Some(high)) = (edges.first().copied(), edges.last().copied()) else {
        return vec![Way::Even { low: 0.0, scale: 0.0 }];
    };
    let mut ways = vec![Way::Even { low, scale: (STEPS - 1) as f64 / (high - low) }];
    let at = |share: f64| edges[((edges.len() - 1) as f64 * share) as usize];
    for (centre, spread) in
        [(at(0.5), at(0.75) - at(0.25)), (at(0.5), at(0.9) - at(0.1)), (low, at(0.5) - low), (0.0, at(0.6) - at(0.4))]
    {
        ways.extend([1.0, 8.0, 64.0, 4096.0].map(|sharper| Way::bent(low, high, centre, sharper / spread)));
    }
    ways.retain(|way| way.is_sound());
    ways
}

impl Way {
    /// The steps between `low` and `high` for a bend around `centre`.
    fn bent(low: f64, high: f64, centre: f64, scale: f64) -> Self {
        let far = |x: f64| {
            let bits = (1.0 + (x - centre).abs() * scale).to_bits().wrapping_sub(ONE);
            (bits as i64 as f64).copysign(x - centre)
        };
        let factor = (STEPS - 1) as f64 / (far(high) - far(low));
        Self::Bent { centre, scale, factor, middle: -far(low) * factor }
    }

    fn is_sound(self) -> bool {
        let sound = |numbers: &[f64]| numbers.iter().all(|number| number.is_finite());
        match self {
            Self::Even { low, scale } => sound(&[low, scale]) && scale >= 0.0,
            Self::Bent { centre, scale, factor, middle } => {
                sound(&[centre, scale, factor, middle]) && scale > 0.0 && factor > 0.0
            }
            Self::Halving => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantiles(of: impl Fn(f64) -> f64) -> Vec<f64> {
        (1..120).map(|at| of(f64::from(at) / 120.0)).collect()
    }

    /// The logistic law: near the normal one, and its quantiles are written in one line.
    fn logistic(share: f64) -> f64 {
        (share / (1.0 - share)).ln()
    }

    #[test]
    fn searches_are_short_whatever_the_spread() {
        let spreads: [(&str, Vec<f64>); 5] = [
            ("even", quantiles(|share| share)),
            ("bell", quantiles(logistic)),
            ("lognormal", quantiles(|share| (0.83 * logistic(share)).exp())),
            ("heavy on both sides", quantiles(|share| (logistic(share) * 2.0).sinh())),
            ("a time of day in seconds since 1970", quantiles(|share| 1.7e9 + 86_400.0 * share)),
        ];
        for (name, edges) in spreads {
            let guide = Guide::over(&edges);
            assert!(!matches!(guide.way, Way::Halving), "{name} has no guide");
            assert_eq!(guide.compared, 1, "{name}");
        }
    }

    #[test]
    fn clusters_far_apart_are_searched_by_halving() {
        let edges: Vec<f64> = (0..12)
            .flat_map(|cluster| (0..10).map(move |at| 10f64.powi(cluster * 3) * (1.0 + 1e-9 * f64::from(at))))
            .collect();
        let guide = Guide::over(&edges);
        assert!(matches!(guide.way, Way::Halving));
    }

    #[test]
    fn no_edge_or_one_is_enough() {
        for edges in [vec![], vec![3.0]] {
            let mut padded = [f64::INFINITY; PADDED];
            padded.iter_mut().zip(&edges).for_each(|(place, edge)| *place = *edge);
            let guide = Guide::over(&edges);
            assert_eq!(guide.cell(&padded, 4.0), edges.len());
            assert_eq!(guide.cell(&padded, -4.0), 0);
        }
    }
}
