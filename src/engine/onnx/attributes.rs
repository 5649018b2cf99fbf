//! Typed reading of a node's attributes, with the attribute's name in every error.

use super::{constant, pb};
use crate::tensor::Tensor;
use std::collections::HashMap;
use std::sync::Arc;

/// The attributes of one node.
#[derive(Clone, Default)]
pub struct Attributes(HashMap<String, pb::AttributeProto>);

impl Attributes {
    pub fn new(protos: &[pb::AttributeProto]) -> Self {
        Self::of(protos.to_vec())
    }

    /// The same without a copy, which counts where attributes hold a forest.
    pub fn of(protos: Vec<pb::AttributeProto>) -> Self {
        Self(protos.into_iter().map(|proto| (proto.name.clone(), proto)).collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn int(&self, name: &str, default: i64) -> i64 {
        self.0.get(name).map_or(default, |proto| proto.i)
    }

    pub fn float(&self, name: &str, default: f32) -> f32 {
        self.0.get(name).map_or(default, |proto| proto.f)
    }

    pub fn string(&self, name: &str, default: &str) -> String {
        self.0.get(name).map_or_else(|| default.to_owned(), |proto| String::from_utf8_lossy(&proto.s).into_owned())
    }

    /// Empty where the attribute is absent.
    pub fn ints(&self, name: &str) -> &[i64] {
        self.0.get(name).map_or(&[], |proto| &proto.ints)
    }

    /// Empty where the attribute is absent.
    pub fn strings(&self, name: &str) -> Vec<Arc<str>> {
        self.0.get(name).map_or_else(Vec::new, |proto| {
            proto.strings.iter().map(|text| Arc::from(String::from_utf8_lossy(text))).collect()
        })
    }

    /// Texts as the file has them. Empty where the attribute is absent.
    pub fn byte_strings(&self, name: &str) -> &[Vec<u8>] {
        self.0.get(name).map_or(&[], |proto| &proto.strings)
    }

    /// Empty where the attribute is absent.
    pub fn floats(&self, name: &str) -> &[f32] {
        self.0.get(name).map_or(&[], |proto| &proto.floats)
    }

    /// A list that ONNX-ML lets a file give as floats or as a tensor of either precision
    /// (`name` or `name_as_tensor`), widened to `f64`.
    pub fn doubles(&self, name: &str) -> Result<Vec<f64>, String> {
        let floats = self.floats(name);
        if !floats.is_empty() {
            return Ok(floats.iter().map(|v| f64::from(*v)).collect());
        }
        let Some(tensor) = self.tensor(&format!("{name}_as_tensor"))? else { return Ok(Vec::new()) };
        if let Some(values) = tensor.as_slice::<f64>() {
            return Ok(values.to_vec());
        }
        match tensor.as_slice::<f32>() {
            Some(values) => Ok(values.iter().map(|v| f64::from(*v)).collect()),
            None => Err(format!("attribute '{name}_as_tensor' holds {}, expected FP32 or FP64", tensor.dtype())),
        }
    }

    /// A graph that the node holds.
    pub fn graph(&self, name: &str) -> Option<&pb::GraphProto> {
        self.0.get(name).and_then(|proto| proto.g.as_ref())
    }

    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, String> {
        match self.0.get(name).and_then(|proto| proto.t.as_ref()) {
            Some(proto) => constant::tensor(proto).map(Some).map_err(|words| format!("attribute '{name}': {words}")),
            None => Ok(None),
        }
    }
}
