//! One tree of an XGBoost file: arrays by node, turned into nodes as soon as the tree is read, so
//! that no more than one tree is held twice.

use crate::engine::tabular::forest::ensemble::{Node, Set, Split, Test, Tree, Vote};
use crate::engine::tabular::native::document::{Document, Fault};
use std::collections::HashMap;
use std::ops::Range;

/// The trees of a file in the order they stand, with what their leaves and splits name.
///
/// A node takes 32 bytes and a weight of a leaf 16 more until the layout replaces them.
#[derive(Default)]
pub struct Trees {
    pub trees: Vec<Tree>,
    pub votes: Vec<Vote>,
    /// The votes of each tree.
    pub ranges: Vec<Range<usize>>,
    /// The number that the file gives each tree.
    pub ids: Vec<i64>,
    pub sets: Vec<Set>,
    /// Words held by `sets` beyond what their lists account for.
    set_words: usize,
    /// Weights of a leaf, above 1 in trees that answer for all targets at once.
    pub leaf_size: usize,
}

/// XGBoost's own limit: whole numbers that an `f32` tells apart.
const MOST_CATEGORY: i64 = 1 << 24;
/// Words of a set that each category in its list accounts for.
const WORDS_PER_CATEGORY: usize = 4;
/// Words of all sets together beyond these, 16 MiB: a short list can name a high category.
const MOST_SET_WORDS: usize = 1 << 21;

/// The arrays as they are written.
#[derive(Default)]
struct Arrays {
    id: Option<i64>,
    nodes: Option<u64>,
    leaf_size: u64,
    left: Vec<i64>,
    right: Vec<i64>,
    feature: Vec<i64>,
    /// The threshold of a split, the weight of a leaf.
    condition: Vec<f32>,
    default_left: Vec<i64>,
    /// 1 where a node splits by categories.
    kind: Vec<i64>,
    categories: Vec<i64>,
    category_nodes: Vec<i64>,
    category_starts: Vec<i64>,
    category_counts: Vec<i64>,
    leaf_weights: Vec<f32>,
    base_weights: Vec<f32>,
}

/// Reads a tree and adds it.
pub fn read<D: Document>(document: &mut D, trees: &mut Trees) -> Result<(), Fault> {
    let place = format!("tree {}", trees.trees.len());
    let arrays = arrays(document).map_err(|fault| fault.at(&place))?;
    add(&arrays, trees).map_err(|words| Fault(words).at(&place))
}

fn arrays<D: Document>(document: &mut D) -> Result<Arrays, Fault> {
    let mut arrays = Arrays::default();
    let mut base_weights = None;
    document.object(|document, key| {
        match key {
            "id" => arrays.id = Some(document.integer()?),
            "tree_param" => params(document, &mut arrays)?,
            "left_children" => arrays.left = document.integers()?,
            "right_children" => arrays.right = document.integers()?,
            "split_indices" => arrays.feature = document.integers()?,
            "split_conditions" => arrays.condition = document.floats()?,
            "default_left" => arrays.default_left = document.integers()?,
            "split_type" => arrays.kind = document.integers()?,
            "categories" => arrays.categories = document.integers()?,
            "categories_nodes" => arrays.category_nodes = document.integers()?,
            "categories_segments" => arrays.category_starts = document.integers()?,
            "categories_sizes" => arrays.category_counts = document.integers()?,
            "leaf_weights" => arrays.leaf_weights = document.floats()?,
            "base_weights" => {
                base_weights = Some(document.fork());
                document.skip()?;
            }
            _ => document.skip()?,
        }
        Ok(())
    })?;
    // Before 3.1 the weights of leaves with several targets were only here.
    if let (true, true, Some(mut document)) = (arrays.leaf_size > 1, arrays.leaf_weights.is_empty(), base_weights) {
        arrays.base_weights = document.floats()?;
    }
    Ok(arrays)
}

fn params<D: Document>(document: &mut D, arrays: &mut Arrays) -> Result<(), Fault> {
    document.object(|document, key| {
        match key {
            "num_nodes" => arrays.nodes = Some(document.number_text()?),
            "size_leaf_vector" => arrays.leaf_size = document.number_text()?,
            _ => document.skip()?,
        }
        Ok(())
    })
}

fn add(arrays: &Arrays, trees: &mut Trees) -> Result<(), String> {
    arrays.check()?;
    let leaf_size = usize::try_from(arrays.leaf_size.max(1)).map_err(|_| "size_leaf_vector is too large")?;
    if !trees.trees.is_empty() && trees.leaf_size != leaf_size {
        return Err(format!("its leaves have {leaf_size} weights, those before it {}", trees.leaf_size));
    }
    trees.leaf_size = leaf_size;
    let sets = arrays.sets(trees)?;
    let from = trees.votes.len();
    let nodes = (0..arrays.left.len()).map(|at| arrays.node(at, leaf_size, &sets, &mut trees.votes));
    let nodes = nodes.collect::<Result<_, _>>()?;
    trees.ranges.push(from..trees.votes.len());
    trees.ids.push(arrays.id.unwrap_or(trees.trees.len() as i64));
    trees.trees.push(Tree { nodes });
    Ok(())
}

impl Arrays {
    fn check(&self) -> Result<(), String> {
        let nodes = self.left.len();
        let lengths = [
            ("right_children", self.right.len()),
            ("split_indices", self.feature.len()),
            ("split_conditions", self.condition.len()),
            ("default_left", self.default_left.len()),
        ];
        if let Some((name, got)) = lengths.into_iter().find(|(_, got)| *got != nodes) {
            return Err(format!("'{name}' has {got} entries, but 'left_children' has {nodes}"));
        }
        // Files from before categories were known have no types.
        if !(self.kind.is_empty() || self.kind.len() == nodes) {
            return Err(format!("'split_type' has {} entries, but 'left_children' has {nodes}", self.kind.len()));
        }
        match self.nodes {
            Some(told) if told != nodes as u64 => Err(format!("it has {nodes} nodes, but num_nodes is {told}")),
            _ => Ok(()),
        }
    }

    /// The set of each node that splits by categories.
    fn sets(&self, trees: &mut Trees) -> Result<HashMap<usize, u32>, String> {
        let count = self.category_nodes.len();
        if self.category_starts.len() != count || self.category_counts.len() != count {
            return Err("the lists of categories have different lengths".into());
        }
        let mut sets = HashMap::new();
        for ((node, start), size) in self.category_nodes.iter().zip(&self.category_starts).zip(&self.category_counts) {
            let range = usize::try_from(*start).ok().zip(usize::try_from(*size).ok());
            let range = range.and_then(|(start, size)| Some(start..start.checked_add(size)?));
            let members = range.and_then(|range| self.categories.get(range)).ok_or_else(|| {
                format!("node {node} names categories {start} and {size} more, but there are {}", self.categories.len())
            })?;
            let words = bits(members)?;
            trees.set_words += words.len().saturating_sub(WORDS_PER_CATEGORY * members.len());
            if trees.set_words > MOST_SET_WORDS {
                return Err("short lists with high categories take more than 16 MiB in all trees".into());
            }
            let at = u32::try_from(trees.sets.len()).map_err(|_| "too many sets of categories")?;
            sets.insert(usize::try_from(*node).map_err(|_| format!("node {node} is negative"))?, at);
            trees.sets.push(Set::Bits(words));
        }
        Ok(sets)
    }

    /// A node. Indices that are out of range become ones that no ensemble has, so that its check
    /// refuses them where they are reached: nodes that pruning deleted hold anything.
    fn node(
        &self,
        at: usize,
        leaf_size: usize,
        sets: &HashMap<usize, u32>,
        votes: &mut Vec<Vote>,
    ) -> Result<Node, String> {
        let index = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        if self.left[at] == -1 {
            let start = vote_index(votes)?;
            self.leaf(at, leaf_size, votes)?;
            return Ok(Node::Leaf { votes: start..vote_index(votes)?, id: at as i64 });
        }
        let (left, right) = (index(self.left[at]), index(self.right[at]));
        let default_left = self.default_left[at] != 0;
        let feature = index(self.feature[at]);
        Ok(Node::Split(match self.kind.get(at) {
            None | Some(0) => {
                let test = Test::Less(f64::from(self.condition[at]));
                Split { feature, test, missing_yes: default_left, yes: left, no: right }
            }
            // Members go to the right.
            Some(1) => {
                let set = sets.get(&at).ok_or_else(|| format!("node {at} splits by categories, but has none"))?;
                Split { feature, test: Test::In(*set), missing_yes: !default_left, yes: right, no: left }
            }
            Some(other) => return Err(format!("node {at} has split_type {other}, expected 0 or 1")),
        }))
    }

    /// The weights of a leaf; their targets are put right once `tree_info` is known.
    fn leaf(&self, at: usize, leaf_size: usize, votes: &mut Vec<Vote>) -> Result<(), String> {
        if leaf_size == 1 {
            votes.push(Vote { target: 0, weight: f64::from(self.condition[at]) });
            return Ok(());
        }
        // A leaf's right child is its place among the leaves.
        let (weights, place) = match self.leaf_weights.is_empty() {
            true => (&self.base_weights, at),
            false => (&self.leaf_weights, usize::try_from(self.right[at]).unwrap_or(usize::MAX)),
        };
        let start = place.checked_mul(leaf_size);
        let range = start.and_then(|start| Some(start..start.checked_add(leaf_size)?));
        let weights = range
            .and_then(|range| weights.get(range))
            .ok_or_else(|| format!("leaf {at} wants weights {place} x {leaf_size}, but there are {}", weights.len()))?;
        votes.extend(weights.iter().zip(0..).map(|(w, target)| Vote { target, weight: f64::from(*w) }));
        Ok(())
    }
}

fn vote_index(votes: &[Vote]) -> Result<u32, String> {
    u32::try_from(votes.len()).map_err(|_| "the leaves of all trees have more than 2^32 weights".into())
}

/// Categories as bits.
fn bits(members: &[i64]) -> Result<Vec<u64>, String> {
    if let Some(wrong) = members.iter().find(|member| !(0..MOST_CATEGORY).contains(*member)) {
        return Err(format!("category {wrong} is not from 0 to {}", MOST_CATEGORY - 1));
    }
    let words = members.iter().max().map_or(0, |top| *top as usize / 64 + 1);
    let mut bits = vec![0u64; words];
    for member in members {
        bits[*member as usize / 64] |= 1 << (member % 64);
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Reader;

    fn add_stump(category: i64, trees: &mut Trees) -> Result<(), Fault> {
        let lists = r#""left_children": [1, -1, -1], "right_children": [2, -1, -1], "split_indices": [0, 0, 0],
            "split_conditions": [0, 1, 2], "default_left": [0, 0, 0], "split_type": [1, 0, 0],
            "categories_nodes": [0], "categories_segments": [0], "categories_sizes": [1]"#;
        let text = format!(r#"{{{lists}, "categories": [{category}]}}"#);
        read(&mut Reader::new(text.as_bytes(), 4), trees)
    }

    #[test]
    fn short_lists_with_high_categories_are_bounded() {
        let mut trees = Trees::default();
        (0..1_000).try_for_each(|_| add_stump(7, &mut trees)).expect("small sets are as long as their lists");
        (0..8).try_for_each(|_| add_stump(MOST_CATEGORY - 1, &mut trees)).expect("8 x 2 MiB");
        let error = add_stump(MOST_CATEGORY - 1, &mut trees).expect_err("2 MiB more").0;
        assert!(error.contains("high categories"), "{error}");
    }
}
