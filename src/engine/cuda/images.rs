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
const MATRIX_UNITS: (u32, u32) = (8, 0);

impl Kernel {
    /// The kernels that not every image has are the last ones.
    fn is_in(self, image: &Image) -> bool {
        !matches!(self, Self::DenseTf32 | Self::DenseBf16) || image.capability >= MATRIX_UNITS
    }
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

/// The least capability that anything here runs on.
const LEAST: (u32, u32) = (7, 5);
/// For devices that no image is for: the driver compiles it.
static PTX: Image = Image { capability: LEAST, bytes: concat!(include_str!("images/compute_75.ptx"), "\0").as_bytes() };

/// The image for a device: the highest of its major capability that is not above it.
fn nearest(capability: (u32, u32)) -> Option<&'static Image> {
    let fits = |image: &&Image| image.capability.0 == capability.0 && image.capability.1 <= capability.1;
    IMAGES.iter().rev().find(fits)
}

/// What to try, one after the other: an image that is near is not always one for the device, as
/// NVIDIA's embedded ones have capabilities among the others'.
fn images_for(capability: (u32, u32)) -> impl Iterator<Item = &'static Image> {
    nearest(capability).into_iter().chain((capability >= LEAST).then_some(&PTX))
}

/// What the driver says of an image that is not for the device.
const OTHER_DEVICES: [u32; 2] = [200, 209];

/// All kernels that the device has an image of, loaded.
pub struct Kernels(Vec<Function>);

/// Why there are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error("compute capability {}.{} is below {}.{}, the least that is supported", .0.0, .0.1, LEAST.0, LEAST.1)]
    TooOld((u32, u32)),
    #[error("{0}")]
    Driver(#[from] CudaError),
}

impl Kernels {
    pub fn load(context: &Context, report: &Report) -> Result<Self, ImageError> {
        let mut last = ImageError::TooOld(report.capability);
        for image in images_for(report.capability) {
            match Self::of(context, image) {
                Err(error) if error.code().is_some_and(|code| OTHER_DEVICES.contains(&code)) => last = error.into(),
                loaded => return Ok(loaded?),
            }
        }
        Err(last)
    }

    fn of(context: &Context, image: &Image) -> Result<Self, CudaError> {
        let module = Module::load(context, image.bytes)?;
        let mut functions = Vec::with_capacity(Kernel::ALL.len());
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_in(image)) {
            let function = module.function(kernel.name())?;
            let spilled = module.local_bytes(function)?;
            if spilled > 0 {
                // The images are checked for it; what a driver makes of PTX is its own affair.
                tracing::warn!(kernel = ?kernel, bytes = spilled, "the kernel spills registers on this GPU, which slows it down");
            }
            functions.push(function);
        }
        Ok(Self(functions))
    }

    pub fn have_matrix_units(&self) -> bool {
        self.0.len() == Kernel::ALL.len()
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
        let which = |capability| {
            let name = |image: &Image| if std::ptr::eq(image, &raw const PTX) { (0, 0) } else { image.capability };
            images_for(capability).map(name).collect::<Vec<_>>()
        };
        let ptx = (0, 0);
        assert_eq!(which((7, 0)), []);
        assert_eq!(which((7, 5)), [(7, 5), ptx]);
        assert_eq!(which((8, 7)), [(8, 6), ptx]);
        assert_eq!(which((8, 9)), [(8, 9), ptx]);
        assert_eq!(which((9, 0)), [(9, 0), ptx]);
        assert_eq!(which((11, 0)), [ptx]);
        assert_eq!(which((12, 1)), [(12, 0), ptx]);
    }

    #[test]
    fn functions_stand_in_the_order_of_the_kernels() {
        assert!(Kernel::ALL.iter().enumerate().all(|(at, kernel)| *kernel as usize == at));
    }
}
