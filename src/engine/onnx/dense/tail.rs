//! What classifiers put behind their probabilities: the other class's share, and the label.
//!
//! The device answers the last layer; these few steps are the host's, for each row as it is read.

use super::operands::Constants;
use crate::engine::RunError;
use crate::engine::onnx::Node;
use crate::tensor::{Data, Tensor};

/// What has been read of it.
#[derive(Default)]
pub struct Tail {
    /// The name of `1 - p`, where `p` is the one column.
    negative: Option<String>,
    /// The answers are `[1 - p, p]`.
    pub pair: bool,
    /// The name of the place of the largest share.
    index: Option<String>,
    /// The name of the label, and the classes it is one of.
    pub label: Option<(String, Tensor)>,
}

/// What a node did for the tail.
pub enum Taken {
    /// Nothing: it belongs to the chain.
    No,
    Yes,
    /// Its result is the chain's end from now on.
    End,
}

impl Tail {
    /// Takes a node that belongs here; `at` is the chain's end and `width` its columns.
    pub fn take(&mut self, node: &Node, constants: &Constants<'_>, at: &str, width: usize) -> Result<Taken, String> {
        let output = node.outputs.first().cloned().ok_or("it has no output")?;
        let inputs: Vec<&str> = node.inputs.iter().map(String::as_str).collect();
        let across = matches!(node.attributes.int("axis", 0), 1 | -1);
        match (node.op.as_str(), &inputs[..]) {
            ("Sub", [one, p]) if *p == at && width == 1 && constants.number(one) == Ok(1.0) => {
                self.negative = Some(output);
                Ok(Taken::Yes)
            }
            ("Concat", [negative, p]) if *p == at && self.negative.as_deref() == Some(negative) && across => {
                self.pair = true;
                Ok(Taken::End)
            }
            ("ArgMax", [shares]) if *shares == at && across && node.attributes.int("select_last_index", 0) == 0 => {
                self.index = Some(output);
                Ok(Taken::Yes)
            }
            ("ArrayFeatureExtractor", [classes, index]) if self.index.as_deref() == Some(index) => {
                let classes = constants.find(classes).ok_or_else(|| format!("'{classes}' is no constant"))?;
                match classes.data() {
                    Data::I64(_) | Data::Str(_) => self.label = Some((output, classes.clone())),
                    other => return Err(format!("labels of {}", other.dtype())),
                }
                Ok(Taken::Yes)
            }
            ("Reshape" | "Cast" | "Identity", [from, ..]) => match &mut self.label {
                Some((name, classes)) if name == from => {
                    let to = node.attributes.int("to", 0);
                    let same = matches!((to, classes.data()), (0, _) | (7, Data::I64(_)) | (8, Data::Str(_)));
                    *name = output;
                    if same { Ok(Taken::Yes) } else { Err("it turns the labels into another type".into()) }
                }
                _ => Ok(Taken::No),
            },
            _ => Ok(Taken::No),
        }
    }

    /// The shares of every row, from the last layer's.
    pub fn shares(&self, answers: &[f32]) -> Vec<f32> {
        match self.pair {
            true => answers.iter().flat_map(|p| [1.0 - p, *p]).collect(),
            false => answers.to_vec(),
        }
    }

    /// The label of every row.
    pub fn labels(&self, shares: &[f32], width: usize) -> Result<Option<Tensor>, RunError> {
        let Some((_, classes)) = &self.label else { return Ok(None) };
        let largest =
            |row: &[f32]| row.iter().enumerate().fold(0, |best, (at, x)| if *x > row[best] { at } else { best });
        let places: Vec<usize> = shares.chunks_exact(width.max(1)).map(largest).collect();
        let data = match classes.data() {
            Data::I64(classes) => Data::I64(places.iter().filter_map(|at| classes.get(*at).copied()).collect()),
            Data::Str(classes) => Data::Str(places.iter().filter_map(|at| classes.get(*at).cloned()).collect()),
            other => return Err(RunError::Engine(format!("labels of {}", other.dtype()))),
        };
        let tensor = Tensor::new([places.len()], data);
        tensor.map(Some).map_err(|error| RunError::Engine(error.to_string()))
    }
}
