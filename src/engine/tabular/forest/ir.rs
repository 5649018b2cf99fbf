//! The parsed form of a tree ensemble, whatever file it came from.
//!
//! All branch modes are brought to one test, `x < threshold`, so that one comparison serves them
//! and the leaf is exact on every machine: `x <= t` is `x < next_up(t)`, and `>` and `>=` are the
//! same tests with the children swapped. A missing value (NaN) fails every comparison and follows
//! [`TreeNode::MISSING_TRUE`]. A leaf points at itself, so a walk may take more steps than a tree
//! is deep and still end at the leaf.

/// One node, 16 bytes. The children of an inner node are adjacent: true at `child`, false behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TreeNode {
    pub threshold: f32,
    pub feature: u32,
    pub child: u32,
    flags: u32,
}

impl TreeNode {
    const INNER: u32 = 1;
    const MISSING_TRUE: u32 = 2;

    pub fn inner(threshold: f32, feature: u32, child: u32, missing_true: bool) -> Self {
        let missing = if missing_true { Self::MISSING_TRUE } else { 0 };
        Self { threshold, feature, child, flags: Self::INNER | missing }
    }

    pub fn leaf(own_index: u32) -> Self {
        Self { threshold: 0.0, feature: 0, child: own_index, flags: 0 }
    }

    /// The index of the node behind this one, for a feature's value. No branch depends on `x`.
    #[inline]
    pub fn next(&self, x: f32) -> u32 {
        let missing = x.is_nan() & (self.flags & Self::MISSING_TRUE != 0);
        let goes_true = (x < self.threshold) | missing;
        self.child + (self.flags & Self::INNER & u32::from(!goes_true))
    }
}

/// What the leaves add to which target.
#[derive(Clone, Debug)]
pub enum Leaves {
    /// One target: the weight of each node, zero for inner ones.
    One(Vec<f32>),
    /// Several: node to leaf number, leaf to its range of weights.
    Many { leaf: Vec<u32>, ranges: Vec<(u32, u32)>, weights: Vec<(u32, f32)> },
}

/// How the trees' votes become a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

/// A tree ensemble. Made by [`super::parse`], which upholds that every index is in range.
#[derive(Clone, Debug)]
pub struct Forest {
    pub nodes: Vec<TreeNode>,
    /// Root and depth of each tree, shallow trees first.
    pub trees: Vec<(u32, u32)>,
    pub leaves: Leaves,
    pub targets: usize,
    pub aggregate: Aggregate,
    /// Added to each target's score; empty where the file gives none.
    pub base_values: Vec<f64>,
    /// Columns a row must have.
    pub features: usize,
}

impl Forest {
    pub fn memory_bytes(&self) -> usize {
        let leaves = match &self.leaves {
            Leaves::One(values) => values.len() * size_of::<f32>(),
            Leaves::Many { leaf, ranges, weights } => leaf.len() * 4 + ranges.len() * 8 + weights.len() * 8,
        };
        self.nodes.len() * size_of::<TreeNode>() + leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_stays_where_it_is() {
        let leaf = TreeNode::leaf(7);
        for x in [f32::NEG_INFINITY, -1.0, 0.0, 1.0, f32::INFINITY, f32::NAN] {
            assert_eq!(leaf.next(x), 7);
        }
    }

    #[test]
    fn missing_values_follow_their_flag() {
        assert_eq!(TreeNode::inner(0.5, 0, 10, false).next(f32::NAN), 11);
        assert_eq!(TreeNode::inner(0.5, 0, 10, true).next(f32::NAN), 10);
        assert_eq!(TreeNode::inner(0.5, 0, 10, true).next(0.5), 11);
        assert_eq!(TreeNode::inner(0.5, 0, 10, true).next(0.4), 10);
    }
}
