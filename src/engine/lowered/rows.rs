//! Rows on their way to a device.

use crate::engine::RunError;

/// What a raw row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Raw {
    F32(usize),
    F64(usize),
}

impl Raw {
    pub fn width(self) -> usize {
        match self {
            Self::F32(width) | Self::F64(width) => width,
        }
    }

    pub fn row_bytes(self) -> usize {
        match self {
            Self::F32(width) => 4 * width,
            Self::F64(width) => 8 * width,
        }
    }
}

/// Room for raw rows, in memory that the device reads.
pub enum Rows<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
}

impl Rows<'_> {
    /// Room of single precision, which most models take.
    pub fn singles(&mut self) -> Result<&mut [f32], RunError> {
        match self {
            Self::F32(values) => Ok(values),
            Self::F64(_) => Err(RunError::Engine("the device has room for FP64, the model writes FP32".into())),
        }
    }
}

/// One column of a finished row.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Column of the raw row.
    pub at: u32,
    /// `None` for a number; else the number of a category: 1 where the raw column is it, else 0.
    pub hot: Option<u32>,
    /// What is done to a number, in order.
    pub stages: Vec<Stage>,
}

/// What is done to a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Stage {
    /// `(x - offset) * scale`
    Affine { offset: f32, scale: f32 },
    /// The number that stands in for a missing one.
    Impute { missing: f32, by: f32 },
}
