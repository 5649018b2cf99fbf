//! How large the tensors of a network may be: tract takes memory on the file's word, while it reads
//! the file and when it runs.

use crate::engine::onnx::{Domain, Graph, Node};
use crate::tensor::{Data, Tensor};
use std::collections::HashMap;
use tract_onnx::prelude::*;

/// Elements of any tensor for one row.
pub const MOST_ELEMENTS: usize = 1 << 26;
/// Elements of a constant whose length the file tells by values.
const MOST_TOLD: f64 = (1u64 << 24) as f64;

/// Elements of the largest tensor that one row makes, where all other free axes have length one.
pub fn largest(model: &TypedModel) -> usize {
    let facts = model.nodes().iter().flat_map(|node| &node.outputs).map(|output| &output.fact.shape);
    let volume = |dims: &[TDim]| dims.iter().try_fold(1usize, |product, dim| product.checked_mul(length(dim)?));
    facts.map(|shape| volume(shape).unwrap_or(usize::MAX)).max().unwrap_or(0)
}

/// The length of an axis; `None` where it is none that a machine could hold.
fn length(dim: &TDim) -> Option<usize> {
    let one = |values: SymbolValues, symbol: Symbol| values.with(&symbol, 1);
    let values = dim.symbols().into_iter().fold(SymbolValues::default(), one);
    dim.maybe_eval_to_i64(&values).and_then(|length| usize::try_from(length).ok())
}

/// Refuses constants that a few bytes blow up, which are computed while the file is read.
pub fn check_told(graph: &Graph) -> Result<(), String> {
    let standard = |node: &&Node| node.domain == Domain::Onnx;
    let told: HashMap<&str, Tensor> = graph
        .nodes
        .iter()
        .filter(standard)
        .filter(|node| node.op == "Constant")
        .filter_map(|node| Some((node.outputs.first()?.as_str(), node.attributes.tensor("value").ok()??)))
        .collect();
    let known = |node: &Node, at: usize| {
        let name = node.inputs.get(at)?;
        graph.constants.get(name).or_else(|| told.get(name.as_str())).map(numbers)
    };
    for node in graph.nodes.iter().filter(standard) {
        let elements = match node.op.as_str() {
            "ConstantOfShape" => known(node, 0).map(|shape| volume(&shape)),
            "Expand" => known(node, 1).map(|shape| volume(&shape)),
            "Tile" => known(node, 1).map(|times| volume(&times) * known(node, 0).map_or(1, |all| all.len()) as f64),
            "Range" => known(node, 0).zip(known(node, 1)).zip(known(node, 2)).map(|((from, to), by)| {
                let first = |list: &[f64]| list.first().copied().unwrap_or(0.0);
                (first(&to) - first(&from)) / first(&by)
            }),
            _ => None,
        };
        if let Some(elements) = elements.filter(|elements| elements.is_nan() || *elements > MOST_TOLD) {
            return Err(format!("{node} (node '{}') makes a tensor of {elements} elements", node.name));
        }
    }
    Ok(())
}

fn volume(dims: &[f64]) -> f64 {
    dims.iter().map(|dim| dim.max(1.0)).product()
}

/// The values of those types that tell lengths.
fn numbers(tensor: &Tensor) -> Vec<f64> {
    match tensor.data() {
        Data::I64(values) => values.iter().map(|x| *x as f64).collect(),
        Data::I32(values) => values.iter().map(|x| f64::from(*x)).collect(),
        Data::F32(values) => values.iter().map(|x| f64::from(*x)).collect(),
        Data::F64(values) => values.to_vec(),
        _ => Vec::new(),
    }
}
