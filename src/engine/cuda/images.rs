//! The kernels as the driver takes them, compiled ahead for each architecture.
//!
//! `interop/cuda_images.py` makes them from `kernels/`, and checks in the gate that they are what the
//! sources say.

use super::driver::{Context, CudaError, Function, Module, Report};
use std::ffi::CStr;

/// A kernel of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    Assemble,
    Walk,
    WalkResident,
    WalkWide,
    Finish,
    Network,
    Dense,
    SoftmaxRows,
    DenseTf32,
    DenseBf16,
}

impl Kernel {
    const ALL: [Self; 10] = [
        Self::Assemble,
        Self::Walk,
        Self::WalkResident,
        Self::WalkWide,
        Self::Finish,
        Self::Network,
        Self::Dense,
        Self::SoftmaxRows,
        Self::DenseTf32,
        Self::DenseBf16,
    ];

    fn name(self) -> &'static CStr {
        match self {
            Self::Assemble => c"assemble",
            Self::Walk => c"walk",
            Self::WalkResident => c"walk_resident",
            Self::WalkWide => c"walk_wide",
            Self::Finish => c"finish",
            Self::Network => c"network",
            Self::Dense => c"dense",
            Self::SoftmaxRows => c"softmax_rows",
            Self::DenseTf32 => c"dense_tf32",
            Self::DenseBf16 => c"dense_bf16",
        }
    }
}

/// The least capability whose matrix units compute in TF32 and BF16.
pub const MATRIX_UNITS: (u32, u32) = (8, 0);

impl Kernel {
    /// The kernels that not every device has are the last ones.
    fn is_for(self, capability: (u32, u32)) -> bool {
        !matches!(self, Self::DenseTf32 | Self::DenseBf16) || has_matrix_units(capability)
    }
}

/// PTX is of the least capability, and has no such kernels either.
pub fn has_matrix_units(capability: (u32, u32)) -> bool {
    nearest(capability).is_some_and(|image| image.capability >= MATRIX_UNITS)
}

/// An image for devices of one major capability, from a minor one on.
struct Image {
    capability: (u32, u32),
    bytes: &'static [u8],
}

macro_rules! image {
    ($major:literal, $minor:literal, $file:literal) => {
        Image { capability: ($major, $minor), bytes: include_bytes!(concat!("images/", $file)) }
    };
}

static IMAGES: [Image; 7] = [
    image!(7, 5, "sm_75.cubin"),
    image!(8, 0, "sm_80.cubin"),
    image!(8, 6, "sm_86.cubin"),
    image!(8, 9, "sm_89.cubin"),
    image!(9, 0, "sm_90.cubin"),
    image!(10, 0, "sm_100.cubin"),
    image!(12, 0, "sm_120.cubin"),
];

/// For devices that are newer than all images: the driver compiles it.
const PTX: &[u8] = concat!(include_str!("images/compute_75.ptx"), "\0").as_bytes();
/// The least capability that anything here runs on.
pub const LEAST: (u32, u32) = (7, 5);

/// The image for a device: the highest of its major capability that is not above it.
fn nearest(capability: (u32, u32)) -> Option<&'static Image> {
    let fits = |image: &&Image| image.capability.0 == capability.0 && image.capability.1 <= capability.1;
    IMAGES.iter().rev().find(fits)
}

/// The same, or PTX for devices that are newer than all of them.
fn image_for(capability: (u32, u32)) -> Option<&'static [u8]> {
    nearest(capability).map(|image| image.bytes).or((capability >= LEAST).then_some(PTX))
}

/// All kernels, loaded.
pub struct Kernels(Vec<Function>);

/// Why there are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("compute capability {}.{} is below {}.{}, the least that is supported", .0.0, .0.1, LEAST.0, LEAST.1)]
    TooOld((u32, u32)),
    #[error("kernel {0} spills registers on this device")]
    Spills(&'static str),
    #[error("{0}")]
    Driver(#[from] CudaError),
}

impl Kernels {
    pub fn load(context: &Context, report: &Report) -> Result<Self, ImageError> {
        let image = image_for(report.capability).ok_or(ImageError::TooOld(report.capability))?;
        let module = Module::load(context, image)?;
        let mut functions = Vec::with_capacity(Kernel::ALL.len());
        for kernel in Kernel::ALL {
            if !kernel.is_for(report.capability) {
                continue;
            }
            let function = module.function(kernel.name())?;
            if module.local_bytes(function)? > 0 {
                return Err(ImageError::Spills(kernel.name().to_str().unwrap_or_default()));
            }
            functions.push(function);
        }
        Ok(Self(functions))
    }

    pub fn function(&self, kernel: Kernel) -> Function {
        self.0[kernel as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_gets_the_nearest_image_that_is_not_above_it() {
        // By place and not by content, which two images may share.
        let which = |capability| image_for(capability).map(|_| nearest(capability).map(|image| image.capability));
        assert_eq!(which((7, 0)), None);
        assert_eq!(which((7, 5)), Some(Some((7, 5))));
        assert_eq!(which((8, 7)), Some(Some((8, 6))));
        assert_eq!(which((8, 9)), Some(Some((8, 9))));
        assert_eq!(which((9, 0)), Some(Some((9, 0))));
        assert_eq!(which((11, 0)), Some(None), "PTX");
        assert_eq!(which((12, 1)), Some(Some((12, 0))));
    }

    #[test]
    fn functions_stand_in_the_order_of_the_kernels() {
        assert!(Kernel::ALL.iter().enumerate().all(|(at, kernel)| *kernel as usize == at));
    }
}
