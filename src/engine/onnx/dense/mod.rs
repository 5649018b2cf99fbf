//! Dense networks as layers for a device: a chain of matrix products, biases and activations from one
//! table to one table.
//!
//! What scales the rows before the first product becomes stages of their columns; batch normalization
//! is folded into the layer before it. Anything else is named, and the graph stays on the CPU whole.

mod chain;
mod operands;

use super::{Domain, Graph, decode};
use crate::engine::lowered::{Body, Column, Ends, Lowered, Network, Raw, Rows, Stage};
use crate::engine::{Dim, RunError};
use crate::tensor::{DType, Tensor, TensorError};
use chain::Chain;
use std::sync::Arc;

/// Lowers a file; `None` where its operators are not those of a dense network, so that another form may
/// have a better reason.
pub fn lower_dense(bytes: &[u8]) -> Result<Lowered, Option<String>> {
    let proto = decode::decode(bytes).map_err(|_| None)?;
    let graph = Graph::new(&proto).map_err(|_| None)?;
    if graph.nodes.iter().any(|node| node.domain == Domain::Ml) {
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
    let output = match &graph.outputs[..] {
        [output] if output.name == chain.at && output.dtype == DType::F32 => output,
        _ => return Err("the graph has other outputs than the last layer's".into()),
    };
    let Chain { layers, scaling, .. } = chain;
    let Some(last) = layers.last() else { return Err("the graph has no matrix product".into()) };
    let answer = last.outputs;
    if !matches!(output.dims[..], [_, Dim::Fixed(n)] if n == answer) && !matches!(output.dims[..], [_, Dim::Any(_)]) {
        return Err(format!("the output has shape {}, expected [rows, {answer}]", output.shape_text()));
    }
    let columns = if scaling.iter().all(Vec::is_empty) { Vec::new() } else { columns(scaling) };
    let body = Body::Network(Network { layers });
    Ok(Lowered { raw: Raw::F32(width), columns, body, ends: Arc::new(Table { width: answer }) })
}

fn columns(scaling: Vec<Vec<Stage>>) -> Vec<Column> {
    let column =
        |(at, stages): (usize, Vec<Stage>)| Column { at: u32::try_from(at).unwrap_or(u32::MAX), hot: None, stages };
    scaling.into_iter().enumerate().map(column).collect()
}

/// One table in, one table out.
struct Table {
    width: usize,
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
        let rows = answers.len() / self.width.max(1);
        let broken = |error: TensorError| RunError::Engine(error.to_string());
        Ok(vec![Tensor::of([rows, self.width], answers.to_vec()).map_err(broken)?])
    }
}

#[cfg(test)]
mod tests;
