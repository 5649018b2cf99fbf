//! The launches that compute a batch: which kernels, over which grid, with which addresses.

use super::abi::{self, Address};
use super::driver::Dim;
use super::images::Kernel;
use super::tables::{BodyTables, ForestTables, NetworkTables, NodeForm, Tables, number};
use crate::engine::device::Precision;
use crate::engine::lowered::{Body, Forest, Head, HeadKind, Link, Score};

/// Threads of a block.
const THREADS: u32 = 256;
/// Shared memory that every device gives a block without asking.
const SHARED: u32 = 48 << 10;
/// Blocks of a walk that a multiprocessor holds, by their threads and registers.
const BLOCKS: u32 = 8;
/// Rows of a walk's block in shared memory take at most this.
const STAGED: u32 = 32 << 10;

/// One launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Launch {
    pub kernel: Kernel,
    pub dim: Dim,
    pub parameter: Vec<u64>,
}

/// Where a slot's batch lies on the device.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    pub count: Address,
    pub raw: Address,
    pub raw_width: u32,
    /// Finished rows, where they are not the raw ones.
    pub rows: Address,
    /// Leaves, or what stands between layers: two halves of `capacity` rows each.
    pub scratch: Address,
    pub scratch_half: u64,
    pub margins: Address,
    pub answers: Address,
    pub labels: Address,
    /// Rows that the launches are made for.
    pub capacity: u32,
    pub multiprocessors: u32,
}

/// How the body may be computed; which is faster is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nodes in global memory, or a kernel for each layer.
    Spread,
    /// Nodes in shared memory, or all layers in one kernel.
    Resident,
    /// A kernel for each layer, on the matrix units.
    Rounded(Precision),
}

/// The ways that a model has. Those of another precision give other bits, so they are taken alone.
pub fn ways(tables: &Tables, precision: Precision) -> Vec<Way> {
    if precision != Precision::Fp32 && matches!(tables.body, BodyTables::Network(_)) {
        return vec![Way::Rounded(precision)];
    }
    let resident = match &tables.body {
        BodyTables::Forest(ForestTables { form: NodeForm::Compact { groups, .. }, .. }) => groups.is_some(),
        BodyTables::Forest(_) => false,
        BodyTables::Network(network) => 8 * network.widest <= SHARED,
    };
    if resident { vec![Way::Spread, Way::Resident] } else { vec![Way::Spread] }
}

pub fn launches(tables: &Tables, body: &Body, places: &Places, way: Way) -> Vec<Launch> {
    let mut launches = Vec::new();
    let (rows, width) = match &tables.assembly {
        Some(assembly) => {
            let elements = places.capacity * assembly.width;
            let blocks = elements.div_ceil(THREADS).min(4 * places.multiprocessors.max(1));
            let parameter = abi::words(&abi::Assemble {
                count: places.count,
                raw: places.raw,
                rows: places.rows,
                columns: assembly.columns,
                stages: assembly.stages,
                raw_width: places.raw_width,
                width: assembly.width,
            });
            let dim = Dim { x: blocks, y: 1, threads: THREADS, shared: 0 };
            launches.push(Launch { kernel: Kernel::Assemble, dim, parameter });
            (places.rows, assembly.width)
        }
        None => (places.raw, places.raw_width),
    };
    match (&tables.body, body) {
        (BodyTables::Forest(tables), Body::Forest(forest)) => {
            launches.push(walk(tables, places, (rows, width), way));
            launches.push(finish(tables, forest, places));
        }
        (BodyTables::Network(tables), Body::Network(_)) => {
            launches.extend(network(tables, places, rows, way));
        }
        _ => unreachable!("tables are of their own shape"),
    }
    launches
}

/// The largest power of two that is no larger.
fn power_below(n: u32) -> u32 {
    1 << n.max(1).ilog2()
}

fn walk(tables: &ForestTables, places: &Places, (rows, width): (Address, u32), way: Way) -> Launch {
    let (capacity, trees) = (places.capacity, tables.tree_count);
    match &tables.form {
        NodeForm::Compact { shift, groups } => {
            let resident = groups.filter(|_| way == Way::Resident);
            // A group's nodes are loaded once for all rows of a block: the more, the better.
            let row_tile = power_below(if resident.is_some() { 256 } else { 32 }).min(power_below(capacity));
            let tree_tile = spread(trees, capacity, row_tile, places.multiprocessors);
            let fits = |room: u32| 4 * row_tile.saturating_mul(width) <= room;
            let staged = match &resident {
                Some(groups) => fits(SHARED - groups.bytes),
                None => fits(STAGED),
            };
            let staged = if staged { 4 * row_tile * width } else { 0 };
            let parameter = abi::words(&abi::Walk {
                count: places.count,
                rows,
                nodes: tables.nodes,
                trees: tables.trees,
                groups: resident.map_or(0, |groups| groups.address),
                leaves: places.scratch,
                width,
                tree_count: trees,
                shift: *shift,
                capacity,
                row_tile,
                tree_tile,
            });
            let (kernel, y, shared) = match &resident {
                Some(groups) => (Kernel::WalkResident, groups.count, groups.bytes + staged),
                None => (Kernel::Walk, trees.div_ceil(tree_tile), staged),
            };
            let dim = Dim { x: capacity.div_ceil(row_tile), y, threads: THREADS, shared };
            Launch { kernel, dim, parameter }
        }
        NodeForm::Wide { sets, set_words } => {
            let row_tile = 32.min(power_below(capacity));
            let tree_tile = spread(trees, capacity, row_tile, places.multiprocessors);
            let parameter = abi::words(&abi::WalkWide {
                count: places.count,
                rows,
                nodes: tables.nodes,
                trees: tables.trees,
                sets: *sets,
                set_words: *set_words,
                leaves: places.scratch,
                width,
                tree_count: trees,
                capacity,
                row_tile,
                tree_tile,
                unused: 0,
            });
            let dim = Dim { x: capacity.div_ceil(row_tile), y: trees.div_ceil(tree_tile), threads: THREADS, shared: 0 };
            Launch { kernel: Kernel::WalkWide, dim, parameter }
        }
    }
}

/// Trees for a block: few enough that all multiprocessors have as many blocks as they hold, since a walk
/// waits for memory most of the time, and enough that each thread has a walk. A grid has at most 65,535
/// blocks in this direction.
fn spread(trees: u32, capacity: u32, row_tile: u32, multiprocessors: u32) -> u32 {
    let row_blocks = capacity.div_ceil(row_tile);
    let tree_blocks = (BLOCKS * multiprocessors.max(1)).div_ceil(row_blocks).max(1);
    let least = (THREADS / row_tile).max(1);
    trees.div_ceil(tree_blocks).max(least).max(trees.div_ceil(65_535)).min(trees.max(1))
}

fn finish(tables: &ForestTables, forest: &Forest, places: &Places) -> Launch {
    let targets = number(forest.targets);
    let Head { kind, link, labels } = forest.head;
    let row_tile = (THREADS / targets.max(1)).clamp(1, 32).min(power_below(places.capacity));
    let (link, scale, limit) = link_of(link);
    let (head, divisor, single, threshold) = match kind {
        HeadKind::Native { divisor, single } => (0, divisor, u32::from(single), 0.0),
        HeadKind::Scores => (1, 1.0, 0, 0.0),
        HeadKind::OneSided { threshold } => (2, 1.0, 0, threshold),
        HeadKind::Complement { threshold } => (3, 1.0, 0, threshold),
    };
    let leaves = &tables.leaves;
    let parameter = abi::words(&abi::Finish {
        count: places.count,
        leaves: places.scratch,
        weights: leaves.weights,
        target_trees: leaves.target_trees,
        target_from: leaves.target_from,
        ranges: leaves.ranges,
        votes: leaves.votes,
        base: tables.base,
        margins: places.margins,
        answers: places.answers,
        labels: if labels { places.labels } else { 0 },
        divisor,
        scale,
        limit,
        capacity: places.capacity,
        tree_count: tables.tree_count,
        targets,
        width: number(forest.head.width(forest.targets)),
        form: leaves.form,
        aggregate: match forest.aggregate {
            Score::Sum => 0,
            Score::Average => 1,
            Score::Min => 2,
            Score::Max => 3,
        },
        head,
        link,
        single,
        threshold,
        row_tile,
        exact: u32::from(tables.exact),
    });
    let dim = Dim { x: places.capacity.div_ceil(row_tile), y: 1, threads: THREADS, shared: 0 };
    Launch { kernel: Kernel::Finish, dim, parameter }
}

/// As the kernels number them, with their numbers.
fn link_of(link: Link) -> (u32, f64, f64) {
    match link {
        Link::None => (0, 0.0, 0.0),
        Link::Sigmoid { scale, limit } => (1, scale, limit),
        Link::Exp => (2, 0.0, 0.0),
        Link::Log1pExp => (3, 0.0, 0.0),
        Link::SignedSquare => (4, 0.0, 0.0),
        Link::Step => (5, 0.0, 0.0),
        Link::Softmax => (6, 0.0, 0.0),
        Link::Logistic => (7, 0.0, 0.0),
        Link::SoftmaxZero => (8, 0.0, 0.0),
    }
}

const SOFTMAX: u32 = 11;
const LOG_SOFTMAX: u32 = 12;

fn network(tables: &NetworkTables, places: &Places, rows: Address, way: Way) -> Vec<Launch> {
    if way == Way::Resident {
        let mut row_tile = 16.min(power_below(places.capacity)).min(power_below(SHARED / (8 * tables.widest)));
        // Rather a block on every multiprocessor than many rows in a block.
        while row_tile > 1 && places.capacity.div_ceil(row_tile) < places.multiprocessors {
            row_tile /= 2;
        }
        let parameter = abi::words(&abi::Network {
            count: places.count,
            rows,
            answers: places.answers,
            layers: tables.address,
            layer_count: number(tables.layers.len()),
            widest: tables.widest,
            row_tile,
            unused: 0,
        });
        let shared = 8 * row_tile * tables.widest;
        let dim = Dim { x: places.capacity.div_ceil(row_tile), y: 1, threads: THREADS, shared };
        return vec![Launch { kernel: Kernel::Network, dim, parameter }];
    }
    let mut launches = Vec::new();
    let mut from = rows;
    for (at, layer) in tables.layers.iter().enumerate() {
        let last = at + 1 == tables.layers.len();
        let to = if last { places.answers } else { places.scratch + (at as u64 % 2) * places.scratch_half };
        launches.extend(dense(*layer, places, (from, to), way));
        from = to;
    }
    launches
}

fn dense(layer: abi::Layer, places: &Places, (from, to): (Address, Address), way: Way) -> Vec<Launch> {
    let softmax = matches!(layer.activation, SOFTMAX | LOG_SOFTMAX);
    let plain = if softmax { abi::Layer { activation: 0, ..layer } } else { layer };
    let parameter = abi::words(&abi::Dense { count: places.count, from, to, layer: plain });
    let dim = Dim {
        x: places.capacity.div_ceil(abi::DENSE_ROWS),
        y: layer.outputs.div_ceil(abi::DENSE_OUTPUTS),
        threads: THREADS,
        shared: 0,
    };
    let kernel = match way {
        Way::Rounded(Precision::Tf32) => Kernel::DenseTf32,
        Way::Rounded(Precision::Bf16) => Kernel::DenseBf16,
        Way::Rounded(Precision::Fp32) | Way::Spread | Way::Resident => Kernel::Dense,
    };
    let mut launches = vec![Launch { kernel, dim, parameter }];
    if softmax {
        let log = u32::from(layer.activation == LOG_SOFTMAX);
        let parameter = abi::words(&abi::SoftmaxRows { count: places.count, rows: to, width: layer.outputs, log });
        let blocks = places.capacity.div_ceil(THREADS / 32);
        let dim = Dim { x: blocks, y: 1, threads: THREADS, shared: 0 };
        launches.push(Launch { kernel: Kernel::SoftmaxRows, dim, parameter });
    }
    launches
}
