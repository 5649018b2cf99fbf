//! Memory of the device, and memory of the host that the device reads and writes by itself.

use super::context::Context;
use super::error::{CudaError, Gate};
use bytemuck::Pod;
use cudarc::driver::sys;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// A piece of the device's memory. Freed when dropped, unless the device was given up.
#[derive(Debug)]
pub struct DeviceMemory {
    gate: Gate,
    address: u64,
    bytes: usize,
}

impl DeviceMemory {
    /// Memory of at least one byte, whatever it held before.
    pub fn new(context: &Context, bytes: usize) -> Result<Self, CudaError> {
        let mut address = 0;
        let (gate, bytes) = (context.gate().clone(), bytes.max(1));
        // SAFETY: the driver writes one address; the context is current on this thread.
        gate.call("cuMemAlloc", || unsafe { sys::cuMemAlloc_v2(&mut address, bytes) })?;
        Ok(Self { gate, address, bytes })
    }

    /// Memory that holds these values, once the context has [settled](Context::settle).
    pub fn of<T: Pod>(context: &Context, values: &[T]) -> Result<Self, CudaError> {
        let memory = Self::new(context, size_of_val(values))?;
        let bytes: &[u8] = bytemuck::cast_slice(values);
        let from = bytes.as_ptr().cast::<c_void>();
        if !bytes.is_empty() {
            // SAFETY: both sides hold as many bytes. The call returns when they are read, which may be
            // before they are written.
            memory.gate.call("cuMemcpyHtoD", || unsafe { sys::cuMemcpyHtoD_v2(memory.address, from, bytes.len()) })?;
        }
        Ok(memory)
    }

    /// Zeros everywhere, once the context has [settled](Context::settle).
    pub fn clear(&self) -> Result<(), CudaError> {
        // SAFETY: all of it is ours.
        self.gate.call("cuMemsetD8", || unsafe { sys::cuMemsetD8_v2(self.address, 0, self.bytes) })
    }

    pub fn address(&self) -> u64 {
        self.address
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        // SAFETY: allocated once, freed once. An error here has nobody to go to; one that breaks the
        // context shuts the gate, and the next call meets that.
        let _ = self.gate.call("cuMemFree", || unsafe { sys::cuMemFree_v2(self.address) });
    }
}

/// Memory of the host that the device reaches by itself, aligned for every number.
///
/// Who owns the slot that it belongs to may write it; the device reads it from the launch of the slot's
/// graph until its event. The two never overlap: a slot is handed over whole.
pub struct Pinned {
    gate: Gate,
    start: NonNull<c_void>,
    bytes: usize,
}

// SAFETY: plain memory, mapped into the process; who may use it when is the slot's affair.
unsafe impl Send for Pinned {}
// SAFETY: as above. Writing takes `&mut`.
unsafe impl Sync for Pinned {}

/// For memory that the processor only writes.
const WRITE_COMBINED: u32 = 4;

impl Pinned {
    /// Zeroed memory. `written`: the processor only writes it, in order, and never reads it.
    pub fn new(context: &Context, bytes: usize, written: bool) -> Result<Self, CudaError> {
        let mut start = ptr::null_mut();
        let (gate, bytes) = (context.gate().clone(), bytes.max(8).next_multiple_of(8));
        let flags = if written { WRITE_COMBINED } else { 0 };
        // SAFETY: the driver writes one pointer.
        gate.call("cuMemHostAlloc", || unsafe { sys::cuMemHostAlloc(&mut start, bytes, flags) })?;
        let start = NonNull::new(start).ok_or(CudaError::Useless("cuMemHostAlloc gave memory at address 0"))?;
        // SAFETY: `bytes` of it are ours from here on.
        unsafe { ptr::write_bytes(start.as_ptr().cast::<u8>(), 0, bytes) };
        Ok(Self { gate, start, bytes })
    }

    /// As many values as fit.
    pub fn slice<T: Pod>(&self) -> &[T] {
        // SAFETY: page-aligned, so aligned for any `T`; as many bytes as there are; any bits are a `T`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast::<T>(), self.bytes / size_of::<T>()) }
    }

    pub fn slice_mut<T: Pod>(&mut self) -> &mut [T] {
        // SAFETY: as above, and `&mut self` says that nobody else looks.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().cast::<T>(), self.bytes / size_of::<T>()) }
    }

    pub(super) fn start(&self) -> *mut c_void {
        self.start.as_ptr()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated once, freed once, when no graph that names it is in flight. After a loss the
        // gate keeps it: the device may still write there.
        let _ = self.gate.call("cuMemFreeHost", || unsafe { sys::cuMemFreeHost(self.start.as_ptr()) });
    }
}
