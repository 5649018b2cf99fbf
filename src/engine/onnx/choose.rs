//! Which engine runs a file, and the words for why.

use super::{Domain, Graph, Node, decode, dictionary, zipmap};
use crate::engine::cache::Place;
use crate::engine::device::Where;
use crate::engine::{Choice, Extras, LoadError, Loaded, Origin, tabular, tract};
use crate::tensor::{DType, Tensor};
use std::sync::Arc;

/// Prepares an ONNX file on the engine that suits it.
///
/// Operators of `ai.onnx.ml` go to [`tabular`]: tract lacks most of them and labels trees wrongly.
/// Everything else goes to [`tract`], whose matrix kernels are what dense networks need; where
/// tract refuses a graph that the tabular engine knows, that one takes it. `place` says where in the
/// cache the model belongs.
pub fn import(bytes: &[u8], place: Option<Place<'_>>) -> Result<Loaded, LoadError> {
    import_with(bytes, Extras::NONE, place)
}

/// The same with extras that every answer holds.
pub fn import_with(bytes: &[u8], always: Extras, place: Option<Place<'_>>) -> Result<Loaded, LoadError> {
    let mut proto = decode::decode(bytes)?;
    let labels = zipmap::remove(&mut proto);
    let columns = dictionary::remove(&mut proto, bytes);
    let ours = |domain: &str| matches!(Domain::of(domain), Domain::Ml | Domain::Microsoft);
    let tabular =
        !columns.is_empty() || proto.graph.iter().flat_map(|graph| &graph.node).any(|node| ours(&node.domain));
    // A large forest is held often enough: its attributes are not copied.
    let mut graph = if tabular { Graph::taken(&mut proto)? } else { Graph::new(&proto)? };
    for output in &mut graph.outputs {
        output.labels = labels.get(&output.name).cloned();
    }
    refuse_unknown_domains(&graph)?;
    if tabular {
        drop(proto);
        let node = graph.nodes.iter().find(|node| matches!(node.domain, Domain::Ml | Domain::Microsoft));
        let reason = node.map_or("the graph takes a dictionary".to_owned(), |node| format!("the graph uses {node}"));
        let program = tabular::Program::new(&graph, place)
            .and_then(|program| program.with_extras(always)?.with_dictionary(columns));
        return program.map(|program| loaded(program, reason)).map_err(LoadError::Unsupported);
    }
    if !always.is_empty() {
        let words = "output.extra asks for margins or leaves, but no operator of the graph asks trees";
        return Err(LoadError::Unsupported(words.into()));
    }
    dense(&proto, &graph)
}

fn loaded(program: tabular::Program, reason: String) -> Loaded {
    let origin = program.origin();
    Loaded {
        model: Arc::new(program),
        choice: Choice { engine: tabular::NAME, reason },
        origin,
        at: Where::Cpu { reason: None },
    }
}

fn dense(proto: &super::pb::ModelProto, graph: &Graph) -> Result<Loaded, LoadError> {
    let network = match distrusted(graph) {
        Some(reason) => Err(reason),
        None => tract::Network::new(proto, graph),
    };
    let refused = match network {
        Ok(network) => {
            let reason = format!("all operators are standard ONNX; {}", network.plans());
            return Ok(Loaded {
                model: Arc::new(network),
                choice: Choice { engine: tract::NAME, reason },
                origin: Origin::File,
                at: Where::Cpu { reason: None },
            });
        }
        Err(refused) => refused,
    };
    match tabular::Program::new(graph, None) {
        Ok(program) => {
            let reason = format!("tract refused the graph ({refused})");
            Ok(loaded(program, reason))
        }
        Err(ours) => Err(LoadError::Unsupported(format!("tract: {refused}; tabular: {ours}"))),
    }
}

/// What tract takes and then cannot run, or answers wrongly, as the node tests of the ONNX project show.
fn distrusted(graph: &Graph) -> Option<String> {
    if let Some(end) = graph.inputs.iter().chain(&graph.outputs).find(|end| !tract::takes(end.dtype)) {
        return Some(format!("'{}' is {}, which it has no elements for", end.name, end.dtype));
    }
    let standard = |node: &&Node| node.domain == Domain::Onnx;
    graph.nodes.iter().filter(standard).find_map(|node| match node.op.as_str() {
        "LpNormalization" => Some("its LpNormalization answers 0 for a norm of 0, where ONNX wants NaN".into()),
        "QLinearMatMul" if [2, 5, 7].iter().any(|at| dtype_of(graph, node, *at) != Some(DType::U8)) => {
            Some("its QLinearMatMul is right for UINT8 only, and this one has another type or none that is told".into())
        }
        _ => None,
    })
}

/// The element type of an operand that the file tells: a constant's or an input's.
fn dtype_of(graph: &Graph, node: &Node, operand: usize) -> Option<DType> {
    let name = node.inputs.get(operand)?;
    let input = graph.inputs.iter().find(|spec| spec.name == *name).map(|spec| spec.dtype);
    graph.constants.get(name).map(Tensor::dtype).or(input)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::TensorSpec;
    use crate::engine::onnx::Attributes;

    #[test]
    fn text_is_kept_from_tract() {
        assert!(distrusted(&graph("Identity", DType::Str)).is_some_and(|words| words.contains("BYTES")));
        assert_eq!(distrusted(&graph("Identity", DType::F32)), None);
    }

    fn graph(op: &str, dtype: DType) -> Graph {
        let names: Vec<String> = (0..8).map(|at| format!("in{at}")).collect();
        let node = Node {
            name: op.into(),
            op: op.into(),
            domain: Domain::Onnx,
            inputs: names.clone(),
            outputs: vec!["y".into()],
            attributes: Attributes::default(),
        };
        let inputs = names.iter().map(|name| TensorSpec::new(name, dtype, vec![])).collect();
        Graph { nodes: vec![node], constants: Default::default(), inputs, outputs: vec![], opset: 18 }
    }

    #[test]
    fn operators_that_tract_answers_wrongly_are_kept_from_it() {
        assert!(distrusted(&graph("LpNormalization", DType::F32)).is_some());
        assert!(distrusted(&graph("QLinearMatMul", DType::I8)).is_some());
        assert_eq!(distrusted(&graph("QLinearMatMul", DType::U8)), None);
        assert_eq!(distrusted(&graph("MatMul", DType::F32)), None);
    }
}
