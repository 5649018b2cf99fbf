//! Bytes to protobuf, with the checks that tell a whole file from half of one.

use super::{pb, weigh};
use crate::engine::LoadError;
use prost::Message;

/// Memory that a file's messages may take for each byte of it, and whatever its size. Small operators
/// with many attributes take about 15.
const MESSAGE_BYTES: usize = 24;
const MESSAGE_BASE: usize = 16 << 20;

/// Decodes a model and refuses files that are cut short or are something else.
///
/// Protobuf has no end mark, so a file cut between two fields still decodes. Exporters write
/// `opset_import` behind the graph: a model without it is taken for a truncated one.
pub fn decode(bytes: &[u8]) -> Result<pb::ModelProto, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Malformed("the file is empty".into()));
    }
    check_messages(bytes)?;
    let proto = pb::ModelProto::decode(bytes)
        .map_err(|error| LoadError::Malformed(format!("not a protobuf ONNX model, or cut short ({error})")))?;
    let nodes = proto.graph.as_ref().map_or(0, |graph| graph.node.len());
    if nodes == 0 {
        return Err(LoadError::Malformed("the model has no graph, or a graph without nodes".into()));
    }
    if proto.opset_import.is_empty() {
        return Err(LoadError::Malformed("opset_import is missing: the file looks cut short".into()));
    }
    Ok(proto)
}

fn check_messages(bytes: &[u8]) -> Result<(), LoadError> {
    let malformed = || LoadError::Malformed("not a protobuf ONNX model, or cut short".into());
    let needed = weigh::messages(bytes).ok_or_else(malformed)?;
    match needed <= bytes.len().saturating_mul(MESSAGE_BYTES).saturating_add(MESSAGE_BASE) {
        true => Ok(()),
        false => Err(LoadError::Malformed(format!(
            "the file has {} KiB, but its empty or nearly empty parts would take {} MiB of memory",
            bytes.len() >> 10,
            needed >> 20
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_file_is_never_taken_for_a_model() {
        let whole = include_bytes!("../../../models/wine/1/model.onnx");
        decode(whole).expect("the whole file decodes");
        let accepted = (0..whole.len()).filter(|&end| decode(&whole[..end]).is_ok()).collect::<Vec<_>>();
        // The trailing opset entries come last; a file that lost only some of those still has one.
        assert!(accepted.iter().all(|end| whole.len() - end < 64), "accepted cuts at {accepted:?} of {}", whole.len());
    }

    #[test]
    fn empty_parts_may_not_take_memory_without_end() {
        let node = pb::NodeProto { attribute: vec![Default::default(); 20_000], ..Default::default() };
        let graph = pb::GraphProto { node: vec![node], ..Default::default() };
        let file = pb::ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec();
        let error = decode(&file).expect_err("39 KiB that ask for 20 MiB").to_string();
        assert!(error.contains("nearly empty parts"), "{error}");
    }

    #[test]
    fn other_files_are_refused() {
        for bytes in [&b""[..], b"{\"learner\": {}}", b"PK\x03\x04", &[0u8; 64]] {
            assert!(matches!(decode(bytes), Err(LoadError::Malformed(_))));
        }
    }
}
