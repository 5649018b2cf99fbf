//! Finding devices, and the context that a thread works in.

use super::error::{CudaError, Gate};
use cudarc::driver::sys::{self, CUcontext, CUdevice, CUdevice_attribute as Attribute};
use std::ffi::CStr;
use std::ptr;

/// A device as the driver describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub ordinal: usize,
    pub name: String,
    /// Major and minor.
    pub capability: (u32, u32),
    pub memory_bytes: usize,
    pub multiprocessors: u32,
    /// Shared memory that a block may have without asking for more.
    pub shared_bytes: u32,
}

/// The driver's version (12040 for 12.4) and its devices; `None` where there is no library.
pub fn probe(gate: &Gate) -> Result<Option<(u32, Vec<Report>)>, CudaError> {
    // SAFETY: looks for a library by name, and lets it go again.
    if !unsafe { sys::is_culib_present() } {
        return Ok(None);
    }
    // SAFETY: the call takes no pointer.
    gate.call("cuInit", || unsafe { sys::cuInit(0) })?;
    let (mut version, mut count) = (0, 0);
    // SAFETY: the driver writes one integer.
    gate.call("cuDriverGetVersion", || unsafe { sys::cuDriverGetVersion(&mut version) })?;
    // SAFETY: as above.
    gate.call("cuDeviceGetCount", || unsafe { sys::cuDeviceGetCount(&mut count) })?;
    let reports = (0..count).map(|ordinal| report(gate, ordinal)).collect::<Result<_, _>>()?;
    Ok(Some((u32::try_from(version).unwrap_or(0), reports)))
}

fn report(gate: &Gate, ordinal: i32) -> Result<Report, CudaError> {
    let mut device: CUdevice = 0;
    // SAFETY: the driver writes one handle, which is a number.
    gate.call("cuDeviceGet", || unsafe { sys::cuDeviceGet(&mut device, ordinal) })?;
    let mut name = [0; 128];
    let length = i32::try_from(name.len()).unwrap_or(0);
    // SAFETY: the driver writes at most `length` bytes, the last of them a zero.
    gate.call("cuDeviceGetName", || unsafe { sys::cuDeviceGetName(name.as_mut_ptr(), length, device) })?;
    name[127] = 0;
    // SAFETY: the array ends with a zero.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_string_lossy().into_owned();
    let mut memory_bytes = 0;
    // SAFETY: the driver writes one number.
    gate.call("cuDeviceTotalMem", || unsafe { sys::cuDeviceTotalMem_v2(&mut memory_bytes, device) })?;
    let attribute = |attribute: Attribute| {
        let mut value = 0;
        // SAFETY: the driver writes one integer.
        gate.call("cuDeviceGetAttribute", || unsafe { sys::cuDeviceGetAttribute(&mut value, attribute, device) })
            .map(|()| u32::try_from(value).unwrap_or(0))
    };
    Ok(Report {
        ordinal: usize::try_from(ordinal).unwrap_or(0),
        name,
        capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        memory_bytes,
        multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_bytes: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK)?,
    })
}

/// The primary context of a device, current on the thread that opened it. It is never released: it
/// lasts as long as the process.
pub struct Context {
    gate: Gate,
}

impl Context {
    pub fn open(gate: &Gate, ordinal: usize) -> Result<Self, CudaError> {
        let (mut device, mut context): (CUdevice, CUcontext) = (0, ptr::null_mut());
        let ordinal = i32::try_from(ordinal).unwrap_or(i32::MAX);
        // SAFETY: the driver writes one handle.
        gate.call("cuDeviceGet", || unsafe { sys::cuDeviceGet(&mut device, ordinal) })?;
        // SAFETY: the driver writes one handle.
        gate.call("cuDevicePrimaryCtxRetain", || unsafe { sys::cuDevicePrimaryCtxRetain(&mut context, device) })?;
        // SAFETY: the context was made just now.
        gate.call("cuCtxSetCurrent", || unsafe { sys::cuCtxSetCurrent(context) })?;
        Ok(Self { gate: gate.clone() })
    }

    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Waits until memory that was written without a stream holds what was written: streams of ours
    /// do not wait for that by themselves.
    pub fn settle(&self) -> Result<(), CudaError> {
        // SAFETY: null stands for the default stream of the context, which is current on this thread.
        self.gate.call("cuStreamSynchronize", || unsafe { sys::cuStreamSynchronize(ptr::null_mut()) })
    }

    /// Free bytes of the device's memory.
    pub fn free_bytes(&self) -> Result<usize, CudaError> {
        let (mut free, mut total) = (0, 0);
        // SAFETY: the driver writes two numbers; the context is current on this thread.
        self.gate.call("cuMemGetInfo", || unsafe { sys::cuMemGetInfo_v2(&mut free, &mut total) })?;
        Ok(free)
    }
}
