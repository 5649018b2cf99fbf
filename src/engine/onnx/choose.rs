//! Which engine runs a file, and the words for why.

use super::{Domain, Graph, decode, zipmap};
use crate::engine::{Choice, LoadError, Loaded, tabular, tract};
use std::sync::Arc;

/// Prepares an ONNX file on the engine that suits it.
///
/// Operators of `ai.onnx.ml` go to [`tabular`]: tract lacks most of them and labels trees wrongly.
/// Everything else goes to [`tract`], whose matrix kernels are what dense networks need; where
/// tract refuses a graph that the tabular engine knows, that one takes it.
pub fn import(bytes: &[u8]) -> Result<Loaded, LoadError> {
    let mut proto = decode::decode(bytes)?;
    let labels = zipmap::remove(&mut proto);
    let mut graph = Graph::new(&proto)?;
    for output in &mut graph.outputs {
        output.labels = labels.get(&output.name).cloned();
    }
    refuse_unknown_domains(&graph)?;
    if let Some(node) = graph.nodes.iter().find(|node| matches!(node.domain, Domain::Ml | Domain::Microsoft)) {
        let reason = format!("the graph uses {node}");
        let model = Arc::new(tabular::Program::new(&graph).map_err(LoadError::Unsupported)?);
        return Ok(Loaded { model, choice: Choice { engine: tabular::NAME, reason } });
    }
    dense(&proto, &graph)
}

fn dense(proto: &super::pb::ModelProto, graph: &Graph) -> Result<Loaded, LoadError> {
    let refused = match tract::Network::new(proto, graph) {
        Ok(network) => {
            let reason = format!("all operators are standard ONNX; {}", network.plans());
            return Ok(Loaded { model: Arc::new(network), choice: Choice { engine: tract::NAME, reason } });
        }
        Err(refused) => refused,
    };
    match tabular::Program::new(graph) {
        Ok(program) => {
            let reason = format!("tract refused the graph ({refused})");
            Ok(Loaded { model: Arc::new(program), choice: Choice { engine: tabular::NAME, reason } })
        }
        Err(ours) => Err(LoadError::Unsupported(format!("tract: {refused}; tabular: {ours}"))),
    }
}

fn refuse_unknown_domains(graph: &Graph) -> Result<(), LoadError> {
    match graph.nodes.iter().find(|node| matches!(node.domain, Domain::Other(_))) {
        Some(node) => Err(LoadError::Unsupported(format!(
            "operator {node} (node '{}') belongs to a domain other than ai.onnx, ai.onnx.ml and com.microsoft",
            node.name
        ))),
        None => Ok(()),
    }
}
