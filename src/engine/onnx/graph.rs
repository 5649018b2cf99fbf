//! A decoded graph in our own terms: named nodes, constants, and typed ends.

use super::{Attributes, constant, pb};
use crate::engine::{Dim, LoadError, TensorSpec};
use crate::tensor::{DType, Tensor};
use pb::tensor_shape_proto::dimension::Value as DimValue;
use pb::type_proto::Value as TypeValue;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Whose operator a node is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    Onnx,
    Ml,
    /// Operators beside the standard that exporters use because ONNX Runtime has them.
    Microsoft,
    Other(String),
}

impl Domain {
    pub fn of(text: &str) -> Self {
        match text {
            "" | "ai.onnx" => Self::Onnx,
            "ai.onnx.ml" => Self::Ml,
            "com.microsoft" => Self::Microsoft,
            other => Self::Other(other.to_owned()),
        }
    }
}

/// One operator call.
#[derive(Clone)]
pub struct Node {
    pub name: String,
    pub op: String,
    pub domain: Domain,
    /// Empty names stand for optional inputs left out.
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
    pub attributes: Attributes,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Domain::Onnx => f.write_str(&self.op),
            Domain::Ml => write!(f, "ai.onnx.ml.{}", self.op),
            Domain::Microsoft => write!(f, "com.microsoft.{}", self.op),
            Domain::Other(domain) => write!(f, "{domain}.{}", self.op),
        }
    }
}

/// A whole model, nodes in the file's (topological) order.
pub struct Graph {
    pub nodes: Vec<Node>,
    pub constants: HashMap<String, Tensor>,
    pub inputs: Vec<TensorSpec>,
    pub outputs: Vec<TensorSpec>,
    /// Version of the standard operator set.
    pub opset: i64,
}

impl Graph {
    pub fn new(proto: &pb::ModelProto) -> Result<Self, LoadError> {
        let nodes = proto.graph.iter().flat_map(|graph| &graph.node).cloned().collect();
        Self::with_nodes(nodes, proto)
    }

    /// The same with nodes that are taken out of the file and not copied.
    pub fn taken(proto: &mut pb::ModelProto) -> Result<Self, LoadError> {
        let nodes = proto.graph.as_mut().map(|graph| std::mem::take(&mut graph.node)).unwrap_or_default();
        Self::with_nodes(nodes, proto)
    }

    fn with_nodes(nodes: Vec<pb::NodeProto>, proto: &pb::ModelProto) -> Result<Self, LoadError> {
        let graph = proto.graph.as_ref().ok_or_else(|| LoadError::Malformed("the model has no graph".into()))?;
        let constants = constants(graph).map_err(LoadError::Unsupported)?;
        let is_input = |info: &&pb::ValueInfoProto| !constants.contains_key(&info.name);
        let inputs = ends(graph.input.iter().filter(is_input), "input")?;
        let outputs = ends(graph.output.iter(), "output")?;
        unique(&inputs, "inputs")?;
        unique(&outputs, "outputs")?;
        Ok(Self { nodes: nodes.into_iter().map(node).collect(), constants, inputs, outputs, opset: opset(proto) })
    }

    /// A graph that a node holds. Its ends are known by name alone: what they hold depends on the node.
    pub fn body(graph: &pb::GraphProto, opset: i64) -> Result<Self, String> {
        let named = |info: &pb::ValueInfoProto| TensorSpec::new(&info.name, DType::F32, vec![Dim::Any(None)]);
        let constants = constants(graph)?;
        let inputs = graph.input.iter().filter(|info| !constants.contains_key(&info.name)).map(named).collect();
        let outputs = graph.output.iter().map(named).collect();
        let nodes = graph.node.iter().cloned().map(node).collect();
        Ok(Self { nodes, constants, inputs, outputs, opset })
    }

    /// Distinct operators, in order of first use.
    pub fn operators(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        self.nodes.iter().map(ToString::to_string).filter(|name| seen.insert(name.clone())).collect()
    }
}

fn opset(proto: &pb::ModelProto) -> i64 {
    let standard = proto.opset_import.iter().find(|entry| Domain::of(&entry.domain) == Domain::Onnx);
    standard.map_or(1, |entry| entry.version)
}

fn constants(graph: &pb::GraphProto) -> Result<HashMap<String, Tensor>, String> {
    if !graph.sparse_initializer.is_empty() {
        return Err("sparse initializers are not supported".into());
    }
    graph.initializer.iter().map(|proto| Ok((proto.name.clone(), constant::tensor(proto)?))).collect()
}

fn node(proto: pb::NodeProto) -> Node {
    Node {
        domain: Domain::of(&proto.domain),
        name: proto.name,
        op: proto.op_type,
        inputs: proto.input,
        outputs: proto.output,
        attributes: Attributes::of(proto.attribute),
    }
}

fn ends<'a>(infos: impl Iterator<Item = &'a pb::ValueInfoProto>, side: &str) -> Result<Vec<TensorSpec>, LoadError> {
    infos
        .map(|info| spec(info, side).map_err(|words| LoadError::Unsupported(format!("{side} '{}' {words}", info.name))))
        .collect()
}

fn spec(info: &pb::ValueInfoProto, side: &str) -> Result<TensorSpec, String> {
    let Some(TypeValue::TensorType(tensor)) = info.r#type.as_ref().and_then(|ty| ty.value.as_ref()) else {
        return Err("is not a tensor but a map, a sequence or an optional value, which requests and answers cannot \
                    carry; have the converter take and give tables"
            .into());
    };
    let dtype = constant::dtype(tensor.elem_type)?;
    let dims = match (&tensor.shape, side) {
        (Some(shape), _) => shape.dim.iter().map(dim).collect(),
        // What comes out shows its shape; what goes in is checked against it.
        (None, "output") => vec![Dim::Any(None)],
        (None, _) => return Err("declares no shape: export the model with one".into()),
    };
    Ok(TensorSpec::new(&info.name, dtype, dims))
}

fn dim(proto: &pb::tensor_shape_proto::Dimension) -> Dim {
    match &proto.value {
        Some(DimValue::DimValue(n)) if *n > 0 => Dim::Fixed(usize::try_from(*n).unwrap_or(usize::MAX)),
        Some(DimValue::DimParam(name)) if !name.is_empty() && name != "?" && !name.starts_with("unk__") => {
            Dim::Any(Some(name.clone()))
        }
        _ => Dim::Any(None),
    }
}

fn unique(specs: &[TensorSpec], side: &str) -> Result<(), LoadError> {
    let mut seen = HashSet::new();
    match specs.iter().find(|spec| !seen.insert(&spec.name)) {
        Some(twice) => Err(LoadError::Malformed(format!("two {side} are named '{}'", twice.name))),
        None => Ok(()),
    }
}
