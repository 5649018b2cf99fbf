//! One tree of a LightGBM file: inner nodes first, leaves behind them.

use super::{float, list};
use crate::engine::tabular::forest::ensemble::{Node, Set, Split, Test, Tree, Vote};
use crate::engine::tabular::native::model::LeafLine;

/// The lines of a tree, as they stand; `None` where one is missing.
#[derive(Default)]
pub struct Lines<'a> {
    leaves: Option<&'a str>,
    categorical: Option<&'a str>,
    feature: Option<&'a str>,
    threshold: Option<&'a str>,
    decision: Option<&'a str>,
    left: Option<&'a str>,
    right: Option<&'a str>,
    value: Option<&'a str>,
    boundaries: Option<&'a str>,
    bits: Option<&'a str>,
    linear: Option<&'a str>,
    constants: Option<&'a str>,
    counts: Option<&'a str>,
    line_features: Option<&'a str>,
    line_weights: Option<&'a str>,
}

impl<'a> Lines<'a> {
    pub fn add(&mut self, line: &'a str) {
        let Some((key, value)) = line.split_once('=') else { return };
        let slot = match key {
            "num_leaves" => &mut self.leaves,
            "num_cat" => &mut self.categorical,
            "split_feature" => &mut self.feature,
            "threshold" => &mut self.threshold,
            "decision_type" => &mut self.decision,
            "left_child" => &mut self.left,
            "right_child" => &mut self.right,
            "leaf_value" => &mut self.value,
            "cat_boundaries" => &mut self.boundaries,
            "cat_threshold" => &mut self.bits,
            "is_linear" => &mut self.linear,
            "leaf_const" => &mut self.constants,
            "num_features" => &mut self.counts,
            "leaf_features" => &mut self.line_features,
            "leaf_coeff" => &mut self.line_weights,
            _ => return,
        };
        *slot = Some(value);
    }
}

/// A tree, with the linear models of its leaves where it has them.
pub struct Read {
    pub tree: Tree,
    pub lines: Vec<LeafLine>,
}

/// LightGBM's `kZeroThreshold`, an `f32` widened: numbers up to it are set to zero before the walk.
const ZERO: f64 = 1e-35f32 as f64;

/// Reads the lines of a tree that votes for `target`.
pub fn read(lines: &Lines<'_>, target: u32, votes: &mut Vec<Vote>, sets: &mut Vec<Set>) -> Result<Read, String> {
    let leaves = needed(lines.leaves, "num_leaves")?.trim().parse::<usize>();
    let leaves = leaves.map_err(|_| "num_leaves is no whole number")?;
    let values = floats(lines.value, "leaf_value", leaves)?;
    if leaves == 0 {
        return Err("it has no leaves".into());
    }
    let inner = leaves - 1;
    let mut nodes = if inner == 0 { Vec::new() } else { splits(lines, inner, sets)? };
    for (at, weight) in values.iter().enumerate() {
        let start = u32::try_from(votes.len()).map_err(|_| "all trees have more than 2^32 leaves")?;
        votes.push(Vote { target, weight: *weight });
        nodes.push(Node::Leaf { votes: start..start + 1, id: at as i64 });
    }
    let linear = lines.linear.is_some_and(|word| word.trim() != "0");
    let lines = if linear { leaf_lines(lines, &values)? } else { Vec::new() };
    Ok(Read { tree: Tree { nodes }, lines })
}

fn needed<'a>(line: Option<&'a str>, name: &str) -> Result<&'a str, String> {
    line.ok_or_else(|| format!("the line '{name}' is missing"))
}

fn of_length<T>(
    line: Option<&str>,
    name: &str,
    expected: usize,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let values = list(needed(line, name)?, parse).map_err(|words| format!("{name}: {words}"))?;
    match values.len() {
        got if got == expected => Ok(values),
        got => Err(format!("'{name}' has {got} entries, expected {expected}")),
    }
}

fn floats(line: Option<&str>, name: &str, expected: usize) -> Result<Vec<f64>, String> {
    of_length(line, name, expected, float)
}

fn integers(line: Option<&str>, name: &str, expected: usize) -> Result<Vec<i64>, String> {
    of_length(line, name, expected, |word| word.parse().ok())
}

fn splits(lines: &Lines<'_>, inner: usize, sets: &mut Vec<Set>) -> Result<Vec<Node>, String> {
    let feature = integers(lines.feature, "split_feature", inner)?;
    let threshold = floats(lines.threshold, "threshold", inner)?;
    let left = integers(lines.left, "left_child", inner)?;
    let right = integers(lines.right, "right_child", inner)?;
    let decision = match lines.decision {
        Some(_) => integers(lines.decision, "decision_type", inner)?,
        None => vec![0; inner],
    };
    let first_set = sets.len();
    let categorical = lines.categorical.unwrap_or("0").trim() != "0";
    let count = if categorical { add_sets(lines, sets)? } else { 0 };
    let mut nodes = Vec::with_capacity(2 * inner + 1);
    for at in 0..inner {
        let kind = Kind::new(decision[at]).map_err(|words| format!("node {at}: {words}"))?;
        let (test, missing_yes) = match kind.categorical && categorical {
            true => {
                // The threshold is the place of the set.
                let set = (threshold[at] >= 0.0 && threshold[at] < count as f64).then_some(threshold[at] as usize);
                let set = set.ok_or_else(|| format!("node {at} names set {}, but there are {count}", threshold[at]))?;
                let set = u32::try_from(first_set + set).map_err(|_| "too many sets of categories")?;
                (Test::In(set), false)
            }
            false => kind.test(threshold[at]),
        };
        let feature = u32::try_from(feature[at]).unwrap_or(u32::MAX);
        let (yes, no) = (child(left[at], inner), child(right[at], inner));
        nodes.push(Node::Split(Split { feature, test, missing_yes, yes, no }));
    }
    Ok(nodes)
}

/// Children from 0 on are inner nodes; `-1 - n` is leaf `n`. What is out of range becomes a place that
/// no ensemble has, for its check to refuse.
fn child(link: i64, inner: usize) -> u32 {
    let place =
        if link >= 0 { Some(link) } else { i64::try_from(inner).ok().and_then(|inner| inner.checked_add(!link)) };
    place.and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX)
}

/// The bits of `decision_type`.
struct Kind {
    categorical: bool,
    default_left: bool,
    missing: Missing,
}

#[derive(Clone, Copy, PartialEq)]
enum Missing {
    None,
    Zero,
    NaN,
}

impl Kind {
    fn new(bits: i64) -> Result<Self, String> {
        let missing = match bits >> 2 & 3 {
            0 => Missing::None,
            1 => Missing::Zero,
            2 => Missing::NaN,
            _ => return Err(format!("decision_type {bits} names no kind of missing values")),
        };
        Ok(Self { categorical: bits & 1 != 0, default_left: bits & 2 != 0, missing })
    }

    /// The test of a numeric split, and whether a missing value passes it.
    ///
    /// LightGBM sets numbers of at most [`ZERO`] to 0 before the walk. A threshold in that range is
    /// moved to its end, which sends all of these the way that 0 goes.
    fn test(&self, t: f64) -> (Test, bool) {
        let moved = match t {
            t if (-ZERO..0.0).contains(&t) => (-ZERO).next_down(),
            t if (0.0..ZERO).contains(&t) => ZERO,
            t => t,
        };
        match self.missing {
            // NaN counts as 0 where training met none.
            Missing::None => (Test::LessOrEqual(moved), t >= 0.0),
            Missing::NaN => (Test::LessOrEqual(moved), self.default_left),
            Missing::Zero => (Test::LessOrEqualZeroMissing(t), self.default_left),
        }
    }
}

/// The sets of a tree: 32 bits to a word in the file, 64 here. Answers how many there are.
fn add_sets(lines: &Lines<'_>, sets: &mut Vec<Set>) -> Result<usize, String> {
    let boundaries = list(needed(lines.boundaries, "cat_boundaries")?, |word| word.parse::<usize>().ok())?;
    let words = list(needed(lines.bits, "cat_threshold")?, |word| word.parse::<u32>().ok())?;
    // Sets may not overlap, or a short file could ask for much memory.
    if boundaries.windows(2).any(|pair| pair[0] > pair[1]) || boundaries.last().is_some_and(|end| *end > words.len()) {
        return Err(format!("cat_boundaries do not rise from 0 to at most {}", words.len()));
    }
    for pair in boundaries.windows(2) {
        let pairs = words[pair[0]..pair[1]].chunks(2);
        let joined = pairs.map(|pair| u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32);
        sets.push(Set::Bits(joined.collect()));
    }
    Ok(boundaries.len().saturating_sub(1))
}

/// The linear models of the leaves.
fn leaf_lines(lines: &Lines<'_>, values: &[f64]) -> Result<Vec<LeafLine>, String> {
    let constants = floats(lines.constants, "leaf_const", values.len())?;
    let counts = of_length(lines.counts, "num_features", values.len(), |word| word.parse::<usize>().ok())?;
    let features = list(lines.line_features.unwrap_or(""), |word| word.parse::<u32>().ok())?;
    let weights = list(lines.line_weights.unwrap_or(""), float)?;
    let mut terms = features.iter().copied().zip(weights.iter().copied());
    let mut leaves = Vec::with_capacity(values.len());
    for ((constant, count), value) in constants.into_iter().zip(counts).zip(values) {
        let terms: Vec<(u32, f64)> = terms.by_ref().take(count).collect();
        if terms.len() < count {
            return Err("leaf_features and leaf_coeff are shorter than num_features says".into());
        }
        leaves.push(LeafLine { constant, terms, value: *value });
    }
    match features.len() == weights.len() && terms.next().is_none() {
        true => Ok(leaves),
        false => Err("leaf_features and leaf_coeff are longer than num_features says".into()),
    }
}
