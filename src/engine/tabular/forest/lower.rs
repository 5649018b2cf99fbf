//! A forest as tables for a device: the very nodes and leaves that the kernels here read.

use super::ensemble::{Aggregate, Set};
use super::leaves::Leaves;
use super::normal::Rounding;
use super::prepared::Forest;
use crate::engine::lowered::{self, Head, Nodes, NumberSet, Raw, Rows, Score, Tree};
use crate::engine::{Dim, RunError, Signature};
use crate::tensor::DType;

/// How rows of a request reach the device: what [`Forest::write`] does.
#[derive(Clone, Copy, Debug)]
pub enum Entrance {
    /// `f32` as it is.
    Same,
    /// `f64`, brought to `f32` without sending any row another way.
    Round(Rounding),
    /// What comes, as `f64`.
    Double,
}

impl Entrance {
    /// The raw row of this many columns.
    pub fn raw(self, width: usize) -> Raw {
        match self {
            Self::Same | Self::Round(_) => Raw::F32(width),
            Self::Double => Raw::F64(width),
        }
    }

    pub fn write_f32(self, values: &[f32], rows: &mut Rows<'_>) -> Result<(), RunError> {
        match rows {
            Rows::F32(to) => fill(to, values, |x| x),
            Rows::F64(to) => fill(to, values, f64::from),
        }
    }

    pub fn write_f64(self, values: &[f64], rows: &mut Rows<'_>) -> Result<(), RunError> {
        match (self, rows) {
            (Self::Round(rounding), Rows::F32(to)) => fill(to, values, |x| rounding.round(x)),
            (_, Rows::F32(to)) => fill(to, values, |x| x as f32),
            (_, Rows::F64(to)) => fill(to, values, |x| x),
        }
    }
}

fn fill<A: Copy, B>(to: &mut [B], from: &[A], turn: impl Fn(A) -> B) -> Result<(), RunError> {
    if to.len() != from.len() {
        return Err(RunError::Engine(format!("{} values for {} places of a batch", from.len(), to.len())));
    }
    to.iter_mut().zip(from).for_each(|(to, x)| *to = turn(*x));
    Ok(())
}

/// Nodes, root and depth of each tree, and the way of the rows to them.
type LoweredNodes<'a> = (Nodes, &'a [(u32, u32)], Entrance);

impl Forest {
    /// The tables, and how rows of `dtype` get to them.
    pub fn lower(&self, dtype: DType, head: Head) -> Result<(lowered::Forest, Entrance), String> {
        let (nodes, trees, entrance) = self.lower_nodes(dtype)?;
        let forest = lowered::Forest {
            nodes,
            trees: trees.iter().map(|(root, depth)| Tree { root: *root, depth: *depth }).collect(),
            leaves: self.leaves.lower(),
            aggregate: match self.aggregate {
                Aggregate::Sum => Score::Sum,
                Aggregate::Average => Score::Average,
                Aggregate::Min => Score::Min,
                Aggregate::Max => Score::Max,
            },
            base: self.base_values.clone(),
            targets: self.targets,
            features: self.features,
            head,
        };
        Ok((forest, entrance))
    }

    fn lower_nodes(&self, dtype: DType) -> Result<LoweredNodes<'_>, String> {
        let entrance = match (dtype, self.rounding) {
            (DType::F32, _) if self.compact.is_some() => Entrance::Same,
            (DType::F64, Some(rounding)) if self.compact.is_some() => Entrance::Round(rounding),
            (DType::F32 | DType::F64, _) => Entrance::Double,
            (other, _) => return Err(format!("trees over rows of {other} have no form for a device")),
        };
        match (entrance, &self.compact, &self.wide) {
            (Entrance::Same | Entrance::Round(_), Some(compact), _) => {
                let nodes = compact.nodes.iter().map(|node| [node.threshold, node.link]).collect();
                Ok((Nodes::Compact { nodes, shift: compact.format.shift }, &compact.trees, entrance))
            }
            (_, _, Some(wide)) => {
                let sets = wide.sets().iter().map(|set| match set {
                    Set::Bits(words) => NumberSet::Bits(words.clone()),
                    Set::Numbers(numbers) => NumberSet::Numbers(numbers.clone()),
                });
                Ok((Nodes::Wide { nodes: wide.lower(), sets: sets.collect() }, &wide.trees, Entrance::Double))
            }
            _ => Err(format!("the trees were not laid out for rows of {dtype}")),
        }
    }
}

impl Leaves {
    fn lower(&self) -> lowered::Leaves {
        match self {
            Self::Inline { targets } => lowered::Leaves::Inline { targets: targets.clone() },
            Self::Table { weights, targets } => {
                lowered::Leaves::Table { weights: weights.to_vec(), targets: targets.clone() }
            }
            Self::Rows(weights) => lowered::Leaves::Rows(weights.to_vec()),
            Self::NarrowRows(weights) => lowered::Leaves::NarrowRows(weights.to_vec()),
            Self::Sparse { ranges, votes } => lowered::Leaves::Sparse {
                ranges: ranges.iter().map(|(from, to)| [*from, *to]).collect(),
                votes: votes
                    .iter()
                    .map(|vote| lowered::Vote { weight: vote.weight, target: vote.target, unused: 0 })
                    .collect(),
            },
        }
    }
}

/// The columns of the one table `[rows, columns]` of floats that a signature takes.
pub fn one_table(signature: &Signature) -> Result<(DType, usize), String> {
    match &signature.inputs[..] {
        [input] if signature.batchable() => match input.dims[..] {
            [_, Dim::Fixed(width)] => Ok((input.dtype, width)),
            _ => Err(format!("the input has shape {}, expected [rows, columns]", input.shape_text())),
        },
        inputs => Err(format!("{} inputs, expected one table", inputs.len())),
    }
}
