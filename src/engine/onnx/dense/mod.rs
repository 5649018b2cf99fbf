//! Dense networks as layers for a device: a chain of matrix products, biases and activations from one
//! table to one table.
//!
//! What scales the rows before the first product becomes stages of their columns; batch normalization
//! is folded into the layer before it. Anything else is named, and the graph stays on the CPU whole.

mod chain;
mod operands;
mod tail;

use super::{Domain, Graph, Node, decode};
use crate::engine::lowered::{Body, Column, Ends, Lowered, Network, Raw, Rows, Stage};
use crate::engine::{Dim, RunError, TensorSpec};
use crate::tensor::{DType, Tensor, TensorError};
use chain::Chain;
use std::sync::Arc;
use tail::Tail;

/// Lowers a file; `None` where its operators are not those of a dense network, so that another form may
/// have a better reason.
pub fn lower_dense(bytes: &[u8]) -> Result<Lowered, Option<String>> {
    let proto = decode::decode(bytes).map_err(|_| None)?;
    let graph = Graph::new(&proto).map_err(|_| None)?;
    let around = |node: &Node| matches!(node.op.as_str(), "Scaler" | "Imputer" | "ArrayFeatureExtractor");
    if graph.nodes.iter().any(|node| node.domain == Domain::Ml && !around(node)) {
        return Err(None);
    }
    lower(&graph).map_err(Some)
}

fn lower(graph: &Graph) -> Result<Lowered, String> {
    let (input, width) = match &graph.inputs[..] {
        [input] => match (input.dtype, &input.dims[..]) {
            (DType::F32, [Dim::Any(_), Dim::Fixed(width)]) => (input, *width),
            _ => return Err(format!("input '{}' is no table of FP32 with a free number of rows", input.name)),
        },
        inputs => return Err(format!("{} inputs, expected one table", inputs.len())),
    };
    let mut chain = Chain::new(graph, input.name.clone(), width);
    for node in &graph.nodes {
        chain.add(node).map_err(|words| format!("operator {node} (node '{}'): {words}", node.name))?;
    }
    let Chain { at, layers, scaling, tail, .. } = chain;
    let Some(last) = layers.last() else { return Err("the graph has no matrix product".into()) };
    let width_out = if tail.pair { 2 } else { last.outputs };
    let outputs = graph.outputs.iter().map(|spec| answer(spec, &at, &tail, width_out)).collect::<Result<_, _>>()?;
    let columns = if scaling.iter().all(Vec::is_empty) { Vec::new() } else { columns(scaling) };
    let body = Body::Network(Network { layers });
    Ok(Lowered { raw: Raw::F32(width), columns, body, ends: Arc::new(Table { width: width_out, outputs, tail }) })
}

fn columns(scaling: Vec<Vec<Stage>>) -> Vec<Column> {
    let column =
        |(at, stages): (usize, Vec<Stage>)| Column { at: u32::try_from(at).unwrap_or(u32::MAX), hot: None, stages };
    scaling.into_iter().enumerate().map(column).collect()
}

/// What an output of the graph is.
#[derive(Clone, Copy)]
enum Answer {
    Shares,
    Label,
}

fn answer(spec: &TensorSpec, at: &str, tail: &Tail, width: usize) -> Result<Answer, String> {
    let table = match spec.dims[..] {
        [_, Dim::Fixed(own)] => own == width,
        [_, Dim::Any(_)] => true,
        _ => false,
    };
    match &tail.label {
        Some((label, classes)) if spec.name == *label && spec.dtype == classes.dtype() => {
            match classes.data().len() == width && spec.dims.len() == 1 {
                true => Ok(Answer::Label),
                false => Err(format!("there are {} labels for {width} classes", classes.data().len())),
            }
        }
        _ if spec.name == at && spec.dtype == DType::F32 && table => Ok(Answer::Shares),
        _ if spec.name == at => Err(format!("the output has shape {}, expected [rows, {width}]", spec.shape_text())),
        _ => Err(format!("output '{}' is not the last layer's", spec.name)),
    }
}

/// One table in; one table out, and the label of each row.
struct Table {
    /// Numbers in a row of the answer.
    width: usize,
    outputs: Vec<Answer>,
    tail: Tail,
}

impl Ends for Table {
    fn write(&self, inputs: &[Tensor], rows: &mut Rows<'_>) -> Result<(), RunError> {
        let values = inputs.first().and_then(Tensor::as_slice::<f32>);
        let values = values.ok_or_else(|| RunError::Engine("the input holds no FP32".into()))?;
        let to = rows.singles()?;
        if to.len() != values.len() {
            return Err(RunError::Engine(format!("{} values for {} places of a batch", values.len(), to.len())));
        }
        to.copy_from_slice(values);
        Ok(())
    }

    fn read(&self, answers: &[f32], _: &[u32]) -> Result<Vec<Tensor>, RunError> {
        let shares = self.tail.shares(answers);
        let rows = shares.len() / self.width.max(1);
        let mut labels = self.tail.labels(&shares, self.width)?;
        let shares = Tensor::of([rows, self.width], shares);
        let shares = shares.map_err(|error: TensorError| RunError::Engine(error.to_string()))?;
        let output = |answer: &Answer| match answer {
            Answer::Shares => Ok(shares.clone()),
            Answer::Label => labels.take().ok_or_else(|| RunError::Engine("a label is wanted twice".into())),
        };
        self.outputs.iter().map(output).collect()
    }
}

#[cfg(test)]
mod tests;
