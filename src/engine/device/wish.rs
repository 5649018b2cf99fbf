//! What is asked of a device.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// `--device`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// The first GPU, if there is one.
    #[default]
    Auto,
    /// None.
    Cpu,
    /// The GPU of this number, or the first.
    Cuda(Option<usize>),
}

/// Whether a GPU must be there, for the process (`--gpu`) or for a model (`[device] gpu`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    #[default]
    Optional,
    Required,
    /// A model that stays on the CPU.
    Off,
    /// A model whose batches all go to the GPU, whatever they cost there, as long as it has room.
    Always,
}

/// What a model's networks are computed in on a GPU. Trees are exact always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    #[default]
    Fp32,
    /// Products of numbers with 10 bits behind the point, summed in FP32.
    Tf32,
    /// Products of numbers with 7 bits behind the point, summed in FP32.
    Bf16,
}

impl Precision {
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Tf32 => "tf32",
            Self::Bf16 => "bf16",
        }
    }

    /// How far answers may lie from the CPU's, as the length of the difference over that of the answers:
    /// some times what the rounding of one layer brings about.
    pub fn tolerance(self) -> f64 {
        match self {
            Self::Fp32 => 1e-5,
            Self::Tf32 => 5e-3,
            Self::Bf16 => 3e-2,
        }
    }
}

/// `--gpu-lost`: what becomes of the process when its GPU is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnLoss {
    /// The CPU takes over; the process says that it is degraded.
    #[default]
    Degrade,
    /// The process stops in order, for whoever starts it to start it anew.
    Exit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub wish: Wish,
    pub required: Use,
    pub on_loss: OnLoss,
    /// How long a batch may take before the GPU is given up, beside what batches before it take.
    pub watchdog: Duration,
    /// Rows that a batch on the GPU may have at most.
    pub most_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let watchdog = Duration::from_millis(500);
        Self { wish: Wish::default(), required: Use::default(), on_loss: OnLoss::default(), watchdog, most_rows: 8192 }
    }
}

/// Why a text is no wish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got '{got}'")]
pub struct UnknownWish {
    pub expected: &'static str,
    pub got: String,
}

fn unknown(expected: &'static str, got: &str) -> UnknownWish {
    UnknownWish { expected, got: got.to_owned() }
}

impl FromStr for Wish {
    type Err = UnknownWish;

    fn from_str(text: &str) -> Result<Self, UnknownWish> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(None)),
            _ => match text.strip_prefix("cuda:").map(str::parse) {
                Some(Ok(ordinal)) => Ok(Self::Cuda(Some(ordinal))),
                _ => Err(unknown("auto, cpu, cuda or cuda:NUMBER", text)),
            },
        }
    }
}

impl fmt::Display for Wish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(ordinal)) => write!(f, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for Use {
    type Err = UnknownWish;

    fn from_str(text: &str) -> Result<Self, UnknownWish> {
        match text {
            "optional" => Ok(Self::Optional),
            "required" => Ok(Self::Required),
            _ => Err(unknown("optional or required", text)),
        }
    }
}

impl FromStr for OnLoss {
    type Err = UnknownWish;

    fn from_str(text: &str) -> Result<Self, UnknownWish> {
        match text {
            "degrade" => Ok(Self::Degrade),
            "exit" => Ok(Self::Exit),
            _ => Err(unknown("degrade or exit", text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_read_as_they_are_written() {
        for text in ["auto", "cpu", "cuda", "cuda:3"] {
            assert_eq!(text.parse::<Wish>().map(|wish| wish.to_string()), Ok(text.to_owned()));
        }
        for text in ["gpu", "cuda:", "cuda:-1", "cuda:x", ""] {
            assert!(text.parse::<Wish>().expect_err("no wish").to_string().contains("cuda:NUMBER"), "{text}");
        }
    }
}
