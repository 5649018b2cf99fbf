//! A lowered model's tables in the device's memory.

use super::abi::{self, Address};
use super::driver::{Context, CudaError, DeviceMemory};
use super::exact::sums_exactly;
use crate::engine::lowered::{
    Activation, Body, Column, Forest, Layer, Leaves, Lowered, Network, Nodes, NumberSet, Stage, Tree,
};
use bytemuck::Pod;

/// Bytes of shared memory that the nodes of a group may take: every device has as many without asking.
const GROUP_BYTES: usize = 32 << 10;

/// Memory that belongs to a model, and where things lie in it.
pub struct Tables {
    memory: Vec<DeviceMemory>,
    pub assembly: Option<Assembly>,
    pub body: BodyTables,
}

/// Columns of finished rows.
pub struct Assembly {
    pub columns: Address,
    pub stages: Address,
    pub width: u32,
}

pub enum BodyTables {
    Forest(ForestTables),
    Network(NetworkTables),
}

pub struct ForestTables {
    pub nodes: Address,
    pub trees: Address,
    pub tree_count: u32,
    pub form: NodeForm,
    pub leaves: LeafTables,
    pub base: Address,
    /// Votes may be added in any order.
    pub exact: bool,
}

/// What is particular to a form of nodes.
pub enum NodeForm {
    Compact {
        shift: u32,
        /// Groups that fit into shared memory, and the bytes of the largest; `None` if a tree does not fit.
        groups: Option<Groups>,
    },
    Wide {
        sets: Address,
        set_words: Address,
    },
}

#[derive(Clone, Copy)]
pub struct Groups {
    pub address: Address,
    pub count: u32,
    pub bytes: u32,
}

#[derive(Default)]
pub struct LeafTables {
    pub form: u32,
    pub weights: Address,
    pub target_trees: Address,
    pub target_from: Address,
    pub ranges: Address,
    pub votes: Address,
}

pub struct NetworkTables {
    pub layers: Vec<abi::Layer>,
    pub address: Address,
    pub widest: u32,
}

impl Tables {
    /// Bytes that the tables of a model will take, nearly.
    pub fn bytes_of(lowered: &Lowered) -> usize {
        let columns = lowered.columns.len() * (size_of::<abi::Column>() + 2 * size_of::<abi::Stage>());
        columns
            + match &lowered.body {
                Body::Forest(forest) => forest_bytes(forest),
                Body::Network(network) => 4 * network.weights() + network.layers.len() * size_of::<abi::Layer>(),
            }
    }

    /// Uploads them; they are there once the context has [settled](Context::settle).
    pub fn upload(context: &Context, lowered: &Lowered) -> Result<Self, CudaError> {
        let mut up = Upload { context, memory: Vec::new() };
        let assembly = match lowered.columns.is_empty() {
            true => None,
            false => Some(up.assembly(&lowered.columns)?),
        };
        let body = match &lowered.body {
            Body::Forest(forest) => BodyTables::Forest(up.forest(forest)?),
            Body::Network(network) => BodyTables::Network(up.network(network)?),
        };
        Ok(Self { memory: up.memory, assembly, body })
    }

    pub fn bytes(&self) -> usize {
        self.memory.iter().map(DeviceMemory::bytes).sum()
    }

    /// Frees them, one after the other.
    pub fn dismantle(self, between: &mut dyn FnMut()) {
        for memory in self.memory {
            drop(memory);
            between();
        }
    }
}

fn forest_bytes(forest: &Forest) -> usize {
    let nodes = match &forest.nodes {
        Nodes::Compact { nodes, .. } => size_of_val(&nodes[..]),
        Nodes::Wide { nodes, sets } => {
            let words = |set: &NumberSet| match set {
                NumberSet::Bits(words) => size_of_val(&words[..]),
                NumberSet::Numbers(numbers) => size_of_val(&numbers[..]),
            };
            size_of_val(&nodes[..]) + sets.iter().map(words).sum::<usize>()
        }
    };
    let leaves = match &forest.leaves {
        Leaves::Inline { targets } => size_of_val(&targets[..]),
        Leaves::Table { weights, targets } => size_of_val(&weights[..]) + size_of_val(&targets[..]),
        Leaves::Rows(weights) => size_of_val(&weights[..]),
        Leaves::NarrowRows(weights) => size_of_val(&weights[..]),
        Leaves::Sparse { ranges, votes } => size_of_val(&ranges[..]) + size_of_val(&votes[..]),
    };
    nodes + leaves + 3 * size_of_val(&forest.trees[..]) + size_of_val(&forest.base[..])
}

struct Upload<'a> {
    context: &'a Context,
    memory: Vec<DeviceMemory>,
}

impl Upload<'_> {
    /// Where these values lie from now on; null for none.
    fn of<T: Pod>(&mut self, values: &[T]) -> Result<Address, CudaError> {
        if values.is_empty() {
            return Ok(0);
        }
        let memory = DeviceMemory::of(self.context, values)?;
        let address = memory.address();
        self.memory.push(memory);
        Ok(address)
    }

    fn assembly(&mut self, columns: &[Column]) -> Result<Assembly, CudaError> {
        let mut stages = Vec::new();
        let mut listed = Vec::with_capacity(columns.len());
        for column in columns {
            let first_stage = number(stages.len());
            stages.extend(column.stages.iter().map(stage));
            let hot = column.hot.unwrap_or(abi::HOT_NONE);
            listed.push(abi::Column { at: column.at, hot, first_stage, stages: number(column.stages.len()) });
        }
        let (columns, stages, width) = (self.of(&listed)?, self.of(&stages)?, number(listed.len()));
        Ok(Assembly { columns, stages, width })
    }

    fn forest(&mut self, forest: &Forest) -> Result<ForestTables, CudaError> {
        let (nodes, form) = match &forest.nodes {
            Nodes::Compact { nodes, shift } => {
                let groups = match groups(&forest.trees, nodes.len()) {
                    Some(groups) => Some(Groups {
                        address: self.of(&groups)?,
                        count: number(groups.len()),
                        bytes: 8 * groups.iter().map(|group| group.nodes).max().unwrap_or(0),
                    }),
                    None => None,
                };
                (self.of(nodes)?, NodeForm::Compact { shift: *shift, groups })
            }
            Nodes::Wide { nodes, sets } => {
                let (sets, words) = sets_and_words(sets);
                (self.of(nodes)?, NodeForm::Wide { sets: self.of(&sets)?, set_words: self.of(&words)? })
            }
        };
        Ok(ForestTables {
            nodes,
            trees: self.of(&forest.trees)?,
            tree_count: number(forest.trees.len()),
            form,
            leaves: self.leaves(&forest.leaves, forest.targets)?,
            base: self.of(&forest.base)?,
            exact: sums_exactly(forest),
        })
    }

    fn leaves(&mut self, leaves: &Leaves, targets: usize) -> Result<LeafTables, CudaError> {
        let mut tables = LeafTables::default();
        match leaves {
            Leaves::Inline { targets: of } => self.targets(of, targets, &mut tables)?,
            Leaves::Table { weights, targets: of } => {
                tables = LeafTables { form: 1, weights: self.of(weights)?, ..tables };
                self.targets(of, targets, &mut tables)?;
            }
            Leaves::Rows(weights) => tables = LeafTables { form: 2, weights: self.of(weights)?, ..tables },
            Leaves::NarrowRows(weights) => tables = LeafTables { form: 3, weights: self.of(weights)?, ..tables },
            Leaves::Sparse { ranges, votes } => {
                tables = LeafTables { form: 4, ranges: self.of(ranges)?, votes: self.of(votes)?, ..tables };
            }
        }
        Ok(tables)
    }

    /// Which trees vote for each target, where there are several targets.
    fn targets(&mut self, of: &[u32], targets: usize, tables: &mut LeafTables) -> Result<(), CudaError> {
        if targets > 1 {
            let mut trees: Vec<u32> = (0..number(of.len())).collect();
            trees.sort_by_key(|tree| of[*tree as usize]);
            let from = |target: usize| number(trees.partition_point(|tree| (of[*tree as usize] as usize) < target));
            tables.target_from = self.of(&(0..=targets).map(from).collect::<Vec<_>>())?;
            tables.target_trees = self.of(&trees)?;
        }
        Ok(())
    }

    fn network(&mut self, network: &Network) -> Result<NetworkTables, CudaError> {
        let layers = network.layers.iter().map(|layer| self.layer(layer)).collect::<Result<Vec<_>, _>>()?;
        let address = self.of(&layers)?;
        Ok(NetworkTables { layers, address, widest: number(network.widest()) })
    }

    fn layer(&mut self, layer: &Layer) -> Result<abi::Layer, CudaError> {
        let (activation, alpha, beta) = activation(layer.activation);
        Ok(abi::Layer {
            weights: self.of(&layer.weights)?,
            bias: self.of(&layer.bias)?,
            inputs: number(layer.inputs),
            outputs: number(layer.outputs),
            activation,
            alpha,
            beta,
            unused: 0,
        })
    }
}

/// Sizes were checked to be below 2^32 when the model was taken.
pub fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn stage(stage: &Stage) -> abi::Stage {
    match *stage {
        Stage::Affine { offset, scale } => abi::Stage { kind: 0, a: offset, b: scale },
        Stage::Impute { missing, by } => abi::Stage { kind: 1, a: missing, b: by },
    }
}

/// As the kernels number them, with their one or two numbers.
fn activation(activation: Activation) -> (u32, f32, f32) {
    match activation {
        Activation::None => (0, 0.0, 0.0),
        Activation::Relu => (1, 0.0, 0.0),
        Activation::LeakyRelu { alpha } => (2, alpha, 0.0),
        Activation::Sigmoid => (3, 0.0, 0.0),
        Activation::Tanh => (4, 0.0, 0.0),
        Activation::Elu { alpha } => (5, alpha, 0.0),
        Activation::Gelu => (6, 0.0, 0.0),
        Activation::GeluTanh => (7, 0.0, 0.0),
        Activation::Softplus => (8, 0.0, 0.0),
        Activation::Silu => (9, 0.0, 0.0),
        Activation::Clip { low, high } => (10, low, high),
        Activation::Softmax => (11, 0.0, 0.0),
        Activation::LogSoftmax => (12, 0.0, 0.0),
    }
}

/// Neighbouring trees as long as their nodes fit together. Trees lie in memory in their order.
fn groups(trees: &[Tree], nodes: usize) -> Option<Vec<abi::Group>> {
    let most = number(GROUP_BYTES / 8);
    let ends = trees.iter().skip(1).map(|tree| tree.root).chain([number(nodes)]);
    let mut groups: Vec<abi::Group> = Vec::new();
    for (at, (tree, end)) in trees.iter().zip(ends).enumerate() {
        let own = end.checked_sub(tree.root).filter(|own| *own <= most)?;
        match groups.last_mut() {
            Some(group) if group.nodes + own <= most => {
                group.trees += 1;
                group.nodes += own;
            }
            _ => groups.push(abi::Group { first_tree: number(at), trees: 1, first_node: tree.root, nodes: own }),
        }
    }
    Some(groups)
}

fn sets_and_words(sets: &[NumberSet]) -> (Vec<abi::Set>, Vec<u64>) {
    let mut words = Vec::new();
    let mut listed = Vec::with_capacity(sets.len());
    for set in sets {
        let first = words.len() as u64;
        let kind = match set {
            NumberSet::Bits(bits) => {
                words.extend(bits);
                0
            }
            NumberSet::Numbers(numbers) => {
                words.extend(numbers.iter().map(|x| x.to_bits()));
                1
            }
        };
        listed.push(abi::Set { kind, length: number(words.len() - first as usize), first });
    }
    (listed, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(root: u32) -> Tree {
        Tree { root, depth: 3 }
    }

    #[test]
    fn groups_hold_neighbours_that_fit_and_leave_no_node_out() {
        let most = number(GROUP_BYTES / 8);
        let groups_of = |roots: &[u32], nodes: u32| {
            let trees: Vec<Tree> = roots.iter().copied().map(tree).collect();
            let shape = |group: abi::Group| (group.first_tree, group.trees, group.first_node, group.nodes);
            groups(&trees, nodes as usize).map(|groups| groups.into_iter().map(shape).collect::<Vec<_>>())
        };
        assert_eq!(groups_of(&[0, 10, 20], 30), Some(vec![(0, 3, 0, 30)]));
        assert_eq!(groups_of(&[0, 10, most + 5], most + 9), Some(vec![(0, 1, 0, 10), (1, 2, 10, most - 1)]));
        assert_eq!(groups_of(&[0, most], 2 * most), Some(vec![(0, 1, 0, most), (1, 1, most, most)]));
        assert_eq!(groups_of(&[0, 10], most + 11), None, "a tree of its own does not fit");
    }
}
