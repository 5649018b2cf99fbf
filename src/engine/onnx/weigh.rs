//! What a file's messages take once they are decoded, told before they are.
//!
//! An empty message has two bytes in a file and up to a thousand in memory, so a few megabytes could
//! ask for all the memory there is. Numbers, text and weights grow little and are not counted.

use super::pb;

/// Levels at which protobuf's decoder gives up.
const DEPTH: u32 = 100;

/// The messages that hold others, as far as they are read.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Tensor,
    Sparse,
    Annotation,
    Value,
    Type,
    TensorType,
    Shape,
    /// Text, or what holds nothing that counts.
    Plain,
}

/// Bytes of all messages and of the heads of all lists of text; `None` for what is no protobuf.
pub fn messages(file: &[u8]) -> Option<usize> {
    weigh(Kind::Model, file, DEPTH)
}

fn weigh(kind: Kind, mut message: &[u8], depth: u32) -> Option<usize> {
    let mut sum = 0usize;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let length = match tag & 7 {
            0 => {
                varint(&mut message)?;
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut message)?).ok()?,
            5 => 4,
            // Groups, which ONNX has none of.
            _ => return None,
        };
        let (field, rest) = message.split_at_checked(length)?;
        message = rest;
        if let (2, Some((kind, size))) = (tag & 7, field_of(kind, tag >> 3)) {
            let inside = match kind {
                Kind::Plain => 0,
                kind => weigh(kind, field, depth.checked_sub(1)?)?,
            };
            sum = sum.saturating_add(size).saturating_add(inside);
        }
    }
    Some(sum)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// What a numbered field holds, and the bytes of one such.
fn field_of(kind: Kind, field: u64) -> Option<(Kind, usize)> {
    let text = (Kind::Plain, size_of::<String>());
    let pair = (Kind::Plain, size_of::<pb::StringStringEntryProto>());
    let graph = (Kind::Graph, size_of::<pb::GraphProto>());
    let node = (Kind::Node, size_of::<pb::NodeProto>());
    let tensor = (Kind::Tensor, size_of::<pb::TensorProto>());
    let sparse = (Kind::Sparse, size_of::<pb::SparseTensorProto>());
    let of_type = (Kind::Type, size_of::<pb::TypeProto>());
    let opset = (Kind::Plain, size_of::<pb::OperatorSetIdProto>());
    Some(match (kind, field) {
        (Kind::Model, 7) | (Kind::Training, 1 | 2) | (Kind::Attribute, 6 | 11) => graph,
        (Kind::Model, 8) | (Kind::Function, 9) => opset,
        (Kind::Model, 20) => (Kind::Training, size_of::<pb::TrainingInfoProto>()),
        (Kind::Model, 25) => (Kind::Function, size_of::<pb::FunctionProto>()),
        (Kind::Graph, 1) | (Kind::Function, 7) => node,
        (Kind::Graph, 5) | (Kind::Attribute, 5 | 10) | (Kind::Sparse, 1 | 2) => tensor,
        (Kind::Graph, 15) | (Kind::Attribute, 22 | 23) => sparse,
        (Kind::Graph, 11..=13) => (Kind::Value, size_of::<pb::ValueInfoProto>()),
        (Kind::Graph, 14) => (Kind::Annotation, size_of::<pb::TensorAnnotation>()),
        (Kind::Node, 5) => (Kind::Attribute, size_of::<pb::AttributeProto>()),
        (Kind::Value, 2) | (Kind::Attribute, 15) => of_type,
        (Kind::Type, 1) => (Kind::TensorType, size_of::<pb::type_proto::Tensor>()),
        (Kind::TensorType, 2) => (Kind::Shape, size_of::<pb::TensorShapeProto>()),
        (Kind::Shape, 1) => (Kind::Plain, size_of::<pb::tensor_shape_proto::Dimension>()),
        (Kind::Model, 14) | (Kind::Training, 3 | 4) | (Kind::Tensor, 13) | (Kind::Annotation, 2) => pair,
        (Kind::Node, 1 | 2) | (Kind::Attribute, 9) | (Kind::Tensor, 6) | (Kind::Function, 4..=6) => text,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;

    #[test]
    fn messages_are_counted_at_every_level() {
        let attribute = pb::AttributeProto { strings: vec![b"LEAF".to_vec()], ..Default::default() };
        let node = pb::NodeProto { input: vec!["x".into()], attribute: vec![attribute; 3], ..Default::default() };
        let graph = pb::GraphProto { node: vec![node; 2], ..Default::default() };
        let file = pb::ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec();
        let text = size_of::<String>();
        let node = size_of::<pb::NodeProto>() + text + 3 * (size_of::<pb::AttributeProto>() + text);
        assert_eq!(messages(&file), Some(size_of::<pb::GraphProto>() + 2 * node));
    }

    #[test]
    fn what_is_no_protobuf_is_told() {
        for bytes in [&[0x3a, 5, 0][..], &[0x80], &[0xff; 11], &[0x3b, 0x3c]] {
            assert_eq!(messages(bytes), None, "{bytes:?}");
        }
    }
}
