//! The contract between a model and whoever runs it.

use super::device::Where;
use super::{Extras, Lowered, Signature, Words};
use crate::tensor::Tensor;
use std::sync::Arc;

/// A model made ready once and shared by all threads.
pub trait Prepared: Send + Sync {
    /// What goes in and what comes out.
    fn signature(&self) -> &Signature;

    /// The working memory of one thread. Making one may be slow: it happens at load.
    fn session(&self) -> Result<Box<dyn Session>, RunError>;

    /// Bytes that the prepared model holds, estimated from its weights.
    fn memory_bytes(&self) -> usize;

    /// How it computes, in words: a line for each step, and lines that say more indented.
    fn describe(&self) -> Vec<String> {
        Vec::new()
    }

    /// Names of the columns of a single wide input, where the file has them; else nothing.
    fn columns(&self) -> &[String] {
        &[]
    }

    /// Whether rows are dictionaries by column: what one does not name is 0, and what it names beside
    /// the columns is passed over.
    fn takes_dictionary(&self) -> bool {
        false
    }

    /// The words for the categories of a column of a single wide input, where the file has them.
    fn words(&self, column: usize) -> Option<&Words> {
        let _ = column;
        None
    }

    /// The model as a device can run it, or why it has no such form.
    fn lower(&self) -> Result<Lowered, String> {
        Err("its engine has no form for a device".into())
    }
}

/// One thread's state for one model.
pub trait Session: Send {
    /// Runs one batch.
    ///
    /// `inputs` are in the signature's order and have passed [`Signature::check`]; the answer has
    /// the signature's outputs in its order. Any number of rows is run without optimising again.
    /// A failed run leaves the session fit for the next one; a panicked one is thrown away.
    fn run(&mut self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RunError>;

    /// Runs the rows of several requests as one batch, which may be written from where they lie to
    /// where they are computed. Answers are of all rows together.
    fn run_parts(&mut self, parts: &[&[Tensor]], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        match parts {
            [inputs] => self.run_asked(inputs, extras),
            _ => self.run_asked(&gather(parts)?, extras),
        }
    }

    /// Runs one batch on the calling thread alone, without waiting for a device.
    fn run_here(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        self.run_asked(inputs, extras)
    }

    /// The same for a request that asks for some of [`Signature::extras`]: they stand behind the
    /// outputs, as [`Signature::answered`] lists them.
    fn run_asked(&mut self, inputs: &[Tensor], extras: Extras) -> Result<Vec<Tensor>, RunError> {
        match extras.is_empty() {
            true => self.run(inputs),
            false => Err(RunError::Engine("this model has no extra outputs".into())),
        }
    }
}

/// Stacks the inputs of several requests, in order.
fn gather(parts: &[&[Tensor]]) -> Result<Vec<Tensor>, RunError> {
    let inputs = parts.first().map_or(0, |part| part.len());
    let missing = || RunError::Engine("a part of the batch lacks an input".into());
    (0..inputs)
        .map(|at| {
            let tensors = parts.iter().map(|part| part.get(at).ok_or_else(missing)).collect::<Result<Vec<_>, _>>()?;
            match Tensor::stack(tensors) {
                Ok(Some(whole)) => Ok(whole),
                Ok(None) => Err(RunError::Engine("an empty batch".into())),
                Err(error) => Err(RunError::Engine(error.to_string())),
            }
        })
        .collect()
}

/// What a request asks of a model.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// In the signature's order.
    pub inputs: Vec<Tensor>,
    /// Some of [`Signature::extras`].
    pub extras: Extras,
}

impl From<Vec<Tensor>> for Asked {
    fn from(inputs: Vec<Tensor>) -> Self {
        Self { inputs, extras: Extras::NONE }
    }
}

/// Why a run gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The values cannot be computed with: the caller's mistake.
    #[error("{0}")]
    Input(String),
    /// The engine failed: ours.
    #[error("{0}")]
    Engine(String),
}

/// Which engine runs a model, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// `tabular` or `tract`.
    pub engine: &'static str,
    pub reason: String,
}

/// A prepared model beside the reason for its engine.
#[derive(Clone)]
pub struct Loaded {
    pub model: Arc<dyn Prepared>,
    pub choice: Choice,
    pub origin: Origin,
    /// Where its batches are computed.
    pub at: Where,
}

/// What a prepared model was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The model file alone.
    File,
    /// The cache, by the model file's digest.
    Cache,
}

/// Why a file cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    #[error("not a readable ONNX model: {0}")]
    Malformed(String),
    /// A file of a training library, which `kind` names.
    #[error("not a readable {kind} model: {words}")]
    Native { kind: &'static str, words: String },
    #[error("no engine runs this model: {0}")]
    Unsupported(String),
}

impl LoadError {
    pub fn native(kind: &'static str, words: String) -> Self {
        Self::Native { kind, words }
    }
}
