//! From files on disk to versions in service.
//!
//! `source` lists what lies in the model directories, `watch` waits until it is quiet and decides
//! what should be loaded, `load` turns one version's files into a [`Version`]: read, imported,
//! checked against its golden cases, measured and warmed. Only then is it published, by one store
//! into the model's [`Slot`]. A request loads the slot once and keeps what it found: the version it
//! chose stays whole until the last such request has its answer.

mod control;
mod device;
mod digest;
mod directive;
mod events;
mod exposition;
mod features;
mod load;
mod loader;
mod manifest;
mod roles;
mod settings;
mod slot;
mod source;
mod stats;
mod status;
mod tracked;
mod triton;
mod upload;
mod version;
mod watch;
mod watched;

pub use control::{ControlError, Controlled, Verb};
pub use device::expose_device;
pub use directive::{Directive, Routing, Target};
pub use events::{Event, Moment, Side, What, Who};
pub use exposition::expose;
pub use features::{Features, Place};
pub use load::{Order, Tools, load};
pub use loader::LOADER_THREADS;
pub use manifest::{Card, Manifest, OutputKind, Versions};
pub use roles::Roles;
pub use settings::{Control, Settings};
pub use slot::{Catalog, Serving, Slot};
pub use source::{FoundModel, FoundVersion, ModelName, VersionNumber, find};
pub use stats::{CODES, PROTOCOLS, Protocol, VariantCells, VersionStats, nanoseconds};
pub use status::{ModelStatus, State, VersionStatus};
pub use triton::expose_as_triton;
pub use upload::{Upload, UploadError};
pub use version::{LoadFailure, Version};
pub use watch::{Readiness, Registry};

/// The manifest of a model as it lies on disk.
pub fn read_manifest(model: &FoundModel) -> Result<Manifest, String> {
    Manifest::read(model.manifest.as_ref())
}
