//! A device beside the CPU: what is asked for, what was found, and models that may run on either.
//!
//! [`Device::open`] looks for one and never fails: what is not there is said by [`Status`], and the
//! CPU computes. A model that the device takes ([`Device::take`]) keeps its engine on the CPU, which
//! computes the batches that are faster there and takes over what the device fails.

mod status;
mod wish;

pub use status::{Counts, Readings, Row, Status, Where};
pub use wish::{OnLoss, Precision, Settings, UnknownWish, Use, Wish};

use super::conformance::{self, Case};
use super::{Format, Loaded, Prepared, lower};
use crate::tensor::Tensor;
use std::sync::Arc;

/// Somewhere else that models can be run.
pub trait Accelerator: Send + Sync {
    fn status(&self) -> Status;

    fn readings(&self) -> Readings;

    /// Makes no call to its driver any more, and waits a moment for the one that is on its way: a driver
    /// that is called while the process ends may end it otherwise. Models are the CPU's from then on.
    fn close(&self);

    /// Places a model. The error says why it stays on the CPU.
    fn place(&self, model: &Arc<dyn Prepared>, lowered: super::Lowered, work: Work<'_>) -> Result<Taken, String>;
}

/// What a model is placed for.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// Inputs to measure with.
    pub sample: &'a [Tensor],
    /// The device gets every batch that it has room for.
    pub always: bool,
    /// Only with inputs that are known to be of the model's kind, as golden cases have.
    pub precision: Precision,
}

/// A model that runs on the device and on the CPU.
pub struct Taken {
    pub model: Arc<dyn Prepared>,
    /// The same on the device alone, which fails where the device fails: to be checked by.
    pub alone: Arc<dyn Prepared>,
    pub at: Where,
}

/// What was found.
#[derive(Clone)]
pub enum Device {
    None(Status),
    Some(Arc<dyn Accelerator>),
}

impl Default for Device {
    fn default() -> Self {
        Self::None(Status::Off("no device was asked for".into()))
    }
}

impl Device {
    /// Looks for what is wished.
    pub fn open(settings: &Settings) -> Self {
        match settings.wish {
            Wish::Cpu => Self::None(Status::Off("the CPU alone was asked for".into())),
            #[cfg(feature = "cuda")]
            Wish::Auto | Wish::Cuda(_) => super::cuda::open(settings),
            #[cfg(not(feature = "cuda"))]
            Wish::Auto | Wish::Cuda(_) => Self::None(Status::Off("this program was built without CUDA".into())),
        }
    }

    pub fn status(&self) -> Status {
        match self {
            Self::None(status) => status.clone(),
            Self::Some(device) => device.status(),
        }
    }

    pub fn readings(&self) -> Option<Readings> {
        match self {
            Self::None(_) => None,
            Self::Some(device) => Some(device.readings()),
        }
    }

    /// To be called before the process ends; see [`Accelerator::close`].
    pub fn close(&self) {
        if let Self::Some(device) = self {
            device.close();
        }
    }

    /// Places a model that was loaded from these bytes, if it passes its golden cases there too. What
    /// stands in the way is told by [`Loaded::at`], and the model stays as it is.
    pub fn take(&self, loaded: Loaded, format: Format, bytes: &[u8], work: Work<'_>, cases: &[Case]) -> Loaded {
        let Self::Some(device) = self else {
            let reason = self.status().reason();
            return Loaded { at: Where::Cpu { reason }, ..loaded };
        };
        let place = |work: Work<'_>| {
            let lowered = lower(format, bytes, loaded.model.as_ref())?;
            let taken = device.place(&loaded.model, lowered, work)?;
            if work.precision == Precision::Fp32 {
                let golden = conformance::golden(taken.alone.as_ref(), cases);
                golden.map_err(|words| format!("on the device, golden.json: {words}"))?;
            }
            Ok(taken)
        };
        let taken = match work.precision {
            Precision::Fp32 => place(work),
            wished if cases.is_empty() => {
                Err(format!("device.precision = \"{}\" needs golden cases to be judged by", wished.name()))
            }
            _ => place(work),
        };
        match taken {
            Ok(Taken { model, at, .. }) => Loaded { model, at, ..loaded },
            Err(reason) => Loaded { at: Where::Cpu { reason: Some(reason) }, ..loaded },
        }
    }
}
