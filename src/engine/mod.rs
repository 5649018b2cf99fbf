//! Engines: from the bytes of a model file to something that turns rows into answers.
//!
//! A model is *prepared* once and shared ([`Prepared`]); each thread that runs it holds a
//! [`Session`] of its own. [`import`] reads a file by its [`Format`] and chooses who runs it, and
//! says why: [`tabular`] runs the operators of `ai.onnx.ml` and the plain ones around them, and the
//! trees in files of the training libraries; [`tract`] runs dense networks. Where there is a GPU ([`device`]), it may compute a model's batches
//! beside its engine. Every engine has to
//! pass the one suite in [`conformance`].

pub mod cache;
pub mod conformance;
mod contract;
#[cfg(feature = "cuda")]
mod cuda;
pub mod device;
mod extras;
mod format;
pub mod golden;
pub mod lowered;
pub mod onnx;
mod signature;
pub mod tabular;
pub mod tract;
mod words;

pub use contract::{Asked, Choice, LoadError, Loaded, Origin, Prepared, RunError, Session};
pub use extras::Extras;
pub use format::{Format, Options, import, lower};
pub use lowered::Lowered;
pub use signature::{BatchAxis, Dim, InputError, Signature, TensorSpec};
pub use words::{Unknown, Words};
