//! What is known of a device, and of where a model runs.

use serde::Serialize;
use std::time::Duration;

/// How it stands with the device that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Not looked for, and why.
    Off(String),
    /// No driver, or no device.
    Absent(String),
    /// A driver that is too old, or a library that is a stub.
    DriverTooOld(String),
    /// A device that our kernels do not run on.
    Unsupported(String),
    Ready,
    /// Given up, and why.
    Lost(String),
}

impl Status {
    pub const NAMES: [&str; 6] = ["off", "absent", "driver_too_old", "unsupported", "ready", "lost"];

    /// As the metric has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Off(_) => Self::NAMES[0],
            Self::Absent(_) => Self::NAMES[1],
            Self::DriverTooOld(_) => Self::NAMES[2],
            Self::Unsupported(_) => Self::NAMES[3],
            Self::Ready => Self::NAMES[4],
            Self::Lost(_) => Self::NAMES[5],
        }
    }

    /// Why there is no device, where there is none.
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Off(reason)
            | Self::Absent(reason)
            | Self::DriverTooOld(reason)
            | Self::Unsupported(reason)
            | Self::Lost(reason) => Some(reason.clone()),
            Self::Ready => None,
        }
    }
}

/// What a device has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub batches: u64,
    pub rows: u64,
    /// Batches that the CPU computed because the device failed them.
    pub rescued: u64,
    /// Batches that found no slot free and went to the CPU.
    pub turned_away: u64,
}

/// A device, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readings {
    /// `cuda:0`
    pub id: String,
    pub name: String,
    /// `9.0`
    pub capability: String,
    pub memory_bytes: usize,
    /// Of these, what our models hold.
    pub held_bytes: usize,
    pub counts: Counts,
}

/// Where a model's batches are computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// On the CPU alone; the reason where a device was there or asked for.
    Cpu { reason: Option<String> },
    /// On the CPU or the device, whichever was measured to be faster.
    Both { device: String, bytes: usize, table: Vec<Row> },
}

/// What a batch of so many rows takes on either side, measured at load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub rows: usize,
    #[serde(serialize_with = "nanoseconds", rename = "cpu_ns")]
    pub cpu: Duration,
    #[serde(serialize_with = "nanoseconds", rename = "device_ns")]
    pub device: Duration,
    #[serde(serialize_with = "nanoseconds", rename = "device_busy_ns")]
    pub device_busy: Duration,
}

fn nanoseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

impl Where {
    /// The device's id, or `cpu`.
    pub fn id(&self) -> &str {
        match self {
            Self::Cpu { .. } => "cpu",
            Self::Both { device, .. } => device,
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Cpu { reason } => reason.as_deref(),
            Self::Both { .. } => None,
        }
    }

    pub fn table(&self) -> &[Row] {
        match self {
            Self::Cpu { .. } => &[],
            Self::Both { table, .. } => table,
        }
    }
}
