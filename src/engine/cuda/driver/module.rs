//! Kernels.

use super::context::Context;
use super::error::{CudaError, Gate};
use super::graph::Stream;
use cudarc::driver::sys::{self, CUfunction, CUfunction_attribute as Attribute, CUmodule};
use std::ffi::{CStr, c_void};
use std::ptr;

/// A loaded image. It stays loaded: its functions are used until the process ends.
pub struct Module {
    gate: Gate,
    module: CUmodule,
}

impl Module {
    /// Loads a cubin, or PTX text that ends with a zero.
    pub fn load(context: &Context, image: &[u8]) -> Result<Self, CudaError> {
        let (gate, mut module) = (context.gate().clone(), ptr::null_mut());
        let start = image.as_ptr().cast::<c_void>();
        // SAFETY: a cubin tells its own length, and PTX ends with a zero.
        gate.call("cuModuleLoadData", || unsafe { sys::cuModuleLoadData(&mut module, start) })?;
        Ok(Self { gate, module })
    }

    pub fn function(&self, name: &CStr) -> Result<Function, CudaError> {
        let mut function = ptr::null_mut();
        // SAFETY: the module is loaded, and the name ends with a zero.
        self.gate.call("cuModuleGetFunction", || unsafe {
            sys::cuModuleGetFunction(&mut function, self.module, name.as_ptr())
        })?;
        Ok(Function(function))
    }

    /// Bytes of local memory that a thread of the kernel takes: spilled registers.
    pub fn local_bytes(&self, function: Function) -> Result<u32, CudaError> {
        let mut value = 0;
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES;
        // SAFETY: the driver writes one integer.
        self.gate
            .call("cuFuncGetAttribute", || unsafe { sys::cuFuncGetAttribute(&mut value, attribute, function.0) })?;
        Ok(u32::try_from(value).unwrap_or(0))
    }
}

/// A kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function(CUfunction);

/// How many blocks there are in both directions, threads in a block, and bytes that they share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dim {
    pub x: u32,
    pub y: u32,
    pub threads: u32,
    pub shared: u32,
}

impl Stream {
    /// Launches a kernel whose one parameter is a structure of these bytes.
    pub fn launch(&self, function: Function, dim: Dim, parameter: &[u64]) -> Result<(), CudaError> {
        let Dim { x, y, threads, shared } = dim;
        let mut parameters = [parameter.as_ptr().cast_mut().cast::<c_void>()];
        let (none, stream) = (ptr::null_mut(), self.raw());
        // SAFETY: the driver copies the structure, whose size it knows from the kernel; the caller's
        // structures mirror those of the kernels, and are as large.
        self.gate().call("cuLaunchKernel", || unsafe {
            sys::cuLaunchKernel(function.0, x, y, 1, threads, 1, 1, shared, stream, parameters.as_mut_ptr(), none)
        })
    }
}
