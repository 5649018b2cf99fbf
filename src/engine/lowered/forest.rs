//! Trees as tables.

use bytemuck::{Pod, Zeroable};

/// A forest, laid out.
pub struct Forest {
    pub nodes: Nodes,
    /// In the order in which their votes are summed.
    pub trees: Vec<Tree>,
    pub leaves: Leaves,
    pub aggregate: Score,
    /// Added to each target's score; empty means zero.
    pub base: Vec<f64>,
    pub targets: usize,
    /// Columns of a row.
    pub features: usize,
    pub head: Head,
}

/// Where a tree begins, and how many steps its longest walk takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Tree {
    pub root: u32,
    pub depth: u32,
}

/// The nodes of all trees, each tree's side by side.
pub enum Nodes {
    /// Two words a node, threshold and link, over rows of `f32`; `shift` bits lie below a link's column.
    Compact { nodes: Vec<[u32; 2]>, shift: u32 },
    /// Over rows of `f64`, with the sets that nodes name.
    Wide { nodes: Vec<WideNode>, sets: Vec<NumberSet> },
}

/// A node of the wide form.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct WideNode {
    pub number: f64,
    pub column: u32,
    pub distance: u32,
}

/// A set of categories or of numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum NumberSet {
    /// Bit `n` says whether category `n` is a member.
    Bits(Vec<u64>),
    /// In ascending order.
    Numbers(Vec<f64>),
}

/// What a leaf's payload says.
pub enum Leaves {
    /// The weight itself, as `f32`, for the target of its tree.
    Inline {
        targets: Vec<u32>,
    },
    /// The place of the weight, for the target of its tree.
    Table {
        weights: Vec<f64>,
        targets: Vec<u32>,
    },
    /// The place of a row of weights, one for each target.
    Rows(Vec<f64>),
    NarrowRows(Vec<f32>),
    /// The place of a range of votes.
    Sparse {
        ranges: Vec<[u32; 2]>,
        votes: Vec<Vote>,
    },
}

/// A weight for a target.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct Vote {
    pub weight: f64,
    pub target: u32,
    pub unused: u32,
}

/// How votes become scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Score {
    Sum,
    Average,
    Min,
    Max,
}

/// From scores to the answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Head {
    pub kind: HeadKind,
    pub link: Link,
    /// Whether the class of a row is answered.
    pub labels: bool,
}

/// What the scores of a row stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum HeadKind {
    /// As the training libraries have it: scores are divided and linked, and where `single` rounded to
    /// `f32` before the class is found. A single score of a model with classes stands for class 1 of two.
    Native { divisor: f64, single: bool },
    /// Linked scores; the class is found before.
    Scores,
    /// One score for two classes: `[-x, x]` linked; class 1 above the threshold.
    OneSided { threshold: f32 },
    /// One probability for two classes: `[1 - p, p]`; class 1 above the threshold.
    Complement { threshold: f32 },
}

/// What is done to scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Link {
    None,
    /// `1 / (1 + exp(min(-scale x, limit)))`
    Sigmoid {
        scale: f64,
        limit: f64,
    },
    Exp,
    Log1pExp,
    SignedSquare,
    Step,
    Softmax,
    /// ONNX's LOGISTIC, which mirrors at zero.
    Logistic,
    SoftmaxZero,
}

impl Head {
    /// Numbers in a row of the answer.
    pub fn width(&self, targets: usize) -> usize {
        match self.kind {
            HeadKind::OneSided { .. } | HeadKind::Complement { .. } => 2,
            HeadKind::Native { .. } if self.labels && targets == 1 => 2,
            HeadKind::Native { .. } | HeadKind::Scores => targets,
        }
    }
}
