//! Bytes to protobuf, with the checks that tell a whole file from half of one.

use super::pb;
use crate::engine::LoadError;
use prost::Message;

/// Decodes a model and refuses files that are cut short or are something else.
///
/// Protobuf has no end mark, so a file cut between two fields still decodes. Exporters write
/// `opset_import` behind the graph: a model without it is taken for a truncated one.
pub fn decode(bytes: &[u8]) -> Result<pb::ModelProto, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Malformed("the file is empty".into()));
    }
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
    fn other_files_are_refused() {
        for bytes in [&b""[..], b"{\"learner\": {}}", b"PK\x03\x04", &[0u8; 64]] {
            assert!(matches!(decode(bytes), Err(LoadError::Malformed(_))));
        }
    }
}
