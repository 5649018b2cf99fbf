//! DictVectorizer turns a dictionary into a row, and no serving protocol carries a dictionary as a tensor.
//!
//! Its input is served as the row itself: a table with a column for each word of the vocabulary, which
//! columns have for their names. The rewrite is done on the protobuf, so that every engine gains by it.
//! What that protobuf does not know are dictionaries: their types are read from the file once more.

use super::{Attributes, pb};
use pb::type_proto::Value as TypeValue;
use prost::Message;
use std::collections::{HashMap, HashSet};

/// Replaces every DictVectorizer of an input by an identity, and the input's type by a table's. Answers
/// the columns' names, where the graph's one input became a table. `bytes` are the file.
pub fn remove(proto: &mut pb::ModelProto, bytes: &[u8]) -> Vec<String> {
    let Some(graph) = proto.graph.as_mut() else { return Vec::new() };
    if !graph.node.iter().any(vectorizes) {
        return Vec::new();
    }
    let dictionaries = dictionaries(bytes);
    let alone = graph.input.len() == 1;
    let mut columns = Vec::new();
    for info in &mut graph.input {
        let takers = |node: &&mut pb::NodeProto| node.input.contains(&info.name);
        let mut takers: Vec<&mut pb::NodeProto> = graph.node.iter_mut().filter(takers).collect();
        let Some(elements) = dictionaries.get(&info.name) else { continue };
        let Some(words) = words(&takers) else { continue };
        info.r#type = Some(table_type(*elements, words.len()));
        for node in &mut takers {
            node.op_type = "Identity".into();
            node.domain = String::new();
            node.attribute.clear();
        }
        if alone {
            columns = words;
        }
    }
    columns
}

fn vectorizes(node: &pb::NodeProto) -> bool {
    node.op_type == "DictVectorizer" && node.domain == "ai.onnx.ml"
}

/// The words of the table that an input can be: all that takes it is DictVectorizers of one vocabulary,
/// in which no word stands twice.
fn words(takers: &[&mut pb::NodeProto]) -> Option<Vec<String>> {
    let (first, rest) = takers.split_first()?;
    let words = vocabulary(first);
    let alike = takers.iter().all(|node| vectorizes(node)) && rest.iter().all(|node| vocabulary(node) == words);
    let distinct = words.iter().collect::<HashSet<_>>().len() == words.len();
    (alike && distinct && !words.is_empty()).then_some(words)
}

/// The elements of each input that is a dictionary of numbers.
fn dictionaries(bytes: &[u8]) -> HashMap<String, i32> {
    let graph = File::decode(bytes).ok().and_then(|file| file.graph).unwrap_or_default();
    let elements = |input: Input| Some((input.name, input.kind?.map?.value?.tensor?.elements));
    graph.inputs.into_iter().filter_map(elements).collect()
}

/// The parts of a model file that lead to the types of its inputs, by the numbers of `onnx.proto`.
#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, optional, tag = "7")]
    graph: Option<Inputs>,
}

#[derive(Clone, PartialEq, Message)]
struct Inputs {
    #[prost(message, repeated, tag = "11")]
    inputs: Vec<Input>,
}

#[derive(Clone, PartialEq, Message)]
struct Input {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    kind: Option<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(message, optional, tag = "1")]
    tensor: Option<Elements>,
    #[prost(message, optional, boxed, tag = "5")]
    map: Option<Box<Map>>,
}

#[derive(Clone, PartialEq, Message)]
struct Elements {
    #[prost(int32, tag = "1")]
    elements: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Map {
    #[prost(message, optional, boxed, tag = "2")]
    value: Option<Box<Type>>,
}

fn vocabulary(node: &pb::NodeProto) -> Vec<String> {
    let attributes = Attributes::new(&node.attribute);
    let texts = attributes.strings("string_vocabulary");
    match texts.is_empty() {
        true => attributes.ints("int64_vocabulary").iter().map(i64::to_string).collect(),
        false => texts.iter().map(ToString::to_string).collect(),
    }
}

fn table_type(elements: i32, columns: usize) -> pb::TypeProto {
    use pb::tensor_shape_proto::{Dimension, dimension::Value};
    let fixed = i64::try_from(columns).ok().map(Value::DimValue);
    let dim = [None, fixed].map(|value| Dimension { denotation: String::new(), value }).to_vec();
    let shape = Some(pb::TensorShapeProto { dim });
    let value = Some(TypeValue::TensorType(pb::type_proto::Tensor { elem_type: elements, shape }));
    pb::TypeProto { denotation: String::new(), value }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pb::tensor_proto::DataType;

    fn vectorizer(input: &str, words: &[&str]) -> pb::NodeProto {
        let vocabulary = pb::AttributeProto {
            name: "string_vocabulary".into(),
            strings: words.iter().map(|word| word.as_bytes().to_vec()).collect(),
            ..Default::default()
        };
        pb::NodeProto {
            op_type: "DictVectorizer".into(),
            domain: "ai.onnx.ml".into(),
            input: vec![input.into()],
            output: vec![format!("row of {input}")],
            attribute: vec![vocabulary],
            ..Default::default()
        }
    }

    /// A model whose inputs are dictionaries of floats, and its file.
    fn model(inputs: &[&str], nodes: Vec<pb::NodeProto>) -> (pb::ModelProto, Vec<u8>) {
        let tensor = |elements| Type { tensor: Some(Elements { elements }), map: None };
        let map = || Map { value: Some(Box::new(tensor(DataType::Float as i32))) };
        let kind = || Some(Type { tensor: None, map: Some(Box::new(map())) });
        let inputs = inputs.iter().map(|name| Input { name: name.to_string(), kind: kind() }).collect();
        let bytes = File { graph: Some(Inputs { inputs }) }.encode_to_vec();
        let mut proto = pb::ModelProto::decode(&bytes[..]).expect("the same numbers");
        proto.graph.as_mut().expect("a graph").node = nodes;
        (proto, bytes)
    }

    #[test]
    fn a_dictionary_becomes_a_table_of_its_words() {
        let (mut proto, bytes) = model(&["x"], vec![vectorizer("x", &["red", "size"])]);
        assert_eq!(remove(&mut proto, &bytes), ["red", "size"]);
        let graph = super::super::Graph::new(&proto).expect("all ends are tensors now");
        assert_eq!((graph.inputs[0].shape_text(), graph.nodes[0].op.as_str()), ("[-1,2]".to_owned(), "Identity"));
    }

    #[test]
    fn what_is_no_row_of_one_vocabulary_stays() {
        let other = pb::NodeProto { op_type: "CastMap".into(), domain: "ai.onnx.ml".into(), ..vectorizer("x", &["a"]) };
        for nodes in [
            vec![vectorizer("x", &["a"]), vectorizer("x", &["b"])],
            vec![vectorizer("x", &["a"]), other],
            vec![vectorizer("x", &["a", "a"])],
            vec![vectorizer("x", &[])],
            vec![],
        ] {
            let (mut proto, bytes) = model(&["x"], nodes.clone());
            assert!(remove(&mut proto, &bytes).is_empty());
            assert_eq!(proto.graph.expect("a graph").node, nodes);
        }
        let (mut two, bytes) = model(&["x", "y"], vec![vectorizer("x", &["a"]), vectorizer("y", &["b"])]);
        assert!(remove(&mut two, &bytes).is_empty(), "two tables have no common names");
        assert!(super::super::Graph::new(&two).is_ok());
    }
}
