//! ZipMap turns a row of scores into a dictionary, which no serving protocol can carry.
//!
//! Its output is served as the tensor that goes into it, one column per class, and the class
//! names are kept beside it. The rewrite is done on the protobuf so that every engine gains by it.

use super::pb;
use pb::type_proto::Value as TypeValue;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Class labels by the name of the output they belong to.
pub type Labels = HashMap<String, Arc<[Arc<str>]>>;

/// Replaces every ZipMap at the end of a graph by an identity and answers the labels it carried.
///
/// One whose output another operator takes stays: that operator wants the dictionary.
pub fn remove(proto: &mut pb::ModelProto) -> Labels {
    let mut labels = Labels::new();
    let Some(graph) = proto.graph.as_mut() else { return labels };
    let taken: HashSet<String> = graph.node.iter().flat_map(|node| node.input.iter().cloned()).collect();
    let is_last = |node: &&mut pb::NodeProto| {
        let is_zipmap = node.op_type == "ZipMap" && node.domain == "ai.onnx.ml";
        is_zipmap && !node.output.iter().any(|name| taken.contains(name))
    };
    for node in graph.node.iter_mut().filter(is_last) {
        let classes = classes(node);
        node.op_type = "Identity".into();
        node.domain = String::new();
        node.attribute.clear();
        let Some(output) = node.output.first() else { continue };
        if let Some(info) = graph.output.iter_mut().find(|info| info.name == *output) {
            info.r#type = Some(scores(classes.len()));
        }
        labels.insert(output.clone(), classes.into());
    }
    labels
}

fn classes(node: &pb::NodeProto) -> Vec<Arc<str>> {
    let attributes = super::Attributes::new(&node.attribute);
    let names = attributes.strings("classlabels_strings");
    if names.is_empty() {
        return attributes.ints("classlabels_int64s").iter().map(|id| Arc::from(id.to_string())).collect();
    }
    names
}

fn scores(columns: usize) -> pb::TypeProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let fixed = i64::try_from(columns).ok().map(Value::DimValue);
    let dims = [None, fixed].map(|value| Dimension { denotation: String::new(), value });
    pb::TypeProto {
        denotation: String::new(),
        value: Some(TypeValue::TensorType(pb::type_proto::Tensor {
            elem_type: pb::tensor_proto::DataType::Float as i32,
            shape: Some(pb::TensorShapeProto { dim: dims.to_vec() }),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Domain;
    use super::*;

    #[test]
    fn a_zipmap_becomes_a_score_tensor_with_labels() {
        let bytes = include_bytes!("../../../models/wine/1/model.onnx");
        let mut proto = super::super::decode::decode(bytes).expect("decodes");
        let labels = remove(&mut proto);
        let (output, classes) = labels.iter().next().expect("the wine model ends in a ZipMap");
        assert_eq!(classes.len(), 3);
        let graph = super::super::Graph::new(&proto).expect("all ends are tensors now");
        assert!(graph.outputs.iter().any(|spec| spec.name == *output && spec.dims.len() == 2));
        assert!(graph.nodes.iter().all(|node| node.domain != Domain::Ml || node.op != "ZipMap"));
    }

    #[test]
    fn a_zipmap_that_another_operator_takes_stays() {
        let bytes = include_bytes!("../../../models/wine/1/model.onnx");
        let mut proto = super::super::decode::decode(bytes).expect("decodes");
        let graph = proto.graph.as_mut().expect("a graph");
        let zipmap = graph.node.iter().find(|node| node.op_type == "ZipMap").expect("the wine model ends in one");
        let taker =
            pb::NodeProto { op_type: "DictVectorizer".into(), input: zipmap.output.clone(), ..Default::default() };
        graph.node.push(taker);
        assert!(remove(&mut proto).is_empty());
    }
}
