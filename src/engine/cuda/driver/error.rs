//! What a call may come back with, and the gate that all calls pass.

use cudarc::driver::sys::{self, CUresult};
use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CudaError {
    #[error("{call} failed with {name} ({code})")]
    Failed { call: &'static str, code: u32, name: String },
    /// The library lacks a function, as the stubs that come with a toolkit do.
    #[error("the driver's library has no {0}: is it a stub?")]
    Missing(&'static str),
    /// The driver did as asked, and what came of it is of no use.
    #[error("the driver's work cannot be used: {0}")]
    Useless(&'static str),
    /// The device was given up before.
    #[error("the device was given up before {0} was called")]
    Lost(&'static str),
}

const OUT_OF_MEMORY: u32 = 2;
const NOT_READY: u32 = 600;

impl CudaError {
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Failed { code, .. } => Some(*code),
            Self::Missing(_) | Self::Useless(_) | Self::Lost(_) => None,
        }
    }

    /// Whether the context can still be used after it. What is not known to leave it whole breaks it:
    /// a driver newer than this list may have new ways to fail.
    pub fn leaves_context_whole(&self) -> bool {
        match self.code() {
            // Bad arguments, no memory, no device; images that do not fit; names not found; captures
            // that were broken off; not ready.
            Some(code) => {
                matches!(code, 1 | OUT_OF_MEMORY | 3 | 34 | 100 | 101 | 200 | 209 | 218 | 222 | 300..=303 | 500 | NOT_READY | 801 | 803 | 804 | 900..=909)
            }
            None => matches!(self, Self::Missing(_) | Self::Useless(_)),
        }
    }
}

/// What all calls to a device pass. Once shut, it stays shut.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<State>);

#[derive(Debug, Default)]
struct State {
    shut: AtomicBool,
    /// Calls that have passed and not come back.
    inside: AtomicUsize,
}

/// A call on its way through the gate.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Gate {
    pub fn shut(&self) {
        self.0.shut.store(true, SeqCst);
    }

    pub fn is_shut(&self) -> bool {
        self.0.shut.load(SeqCst)
    }

    /// Shuts the gate and waits, for as long as `patience`, until no call is on its way any more.
    pub fn shut_and_wait(&self, patience: Duration) {
        const LOOK: Duration = Duration::from_millis(1);
        self.shut();
        let started = Instant::now();
        while self.0.inside.load(SeqCst) > 0 && started.elapsed() < patience {
            std::thread::sleep(LOOK);
        }
    }

    /// Makes a call; an error that breaks the context shuts the gate.
    pub fn call(&self, name: &'static str, call: impl FnOnce() -> CUresult) -> Result<(), CudaError> {
        self.ask(name, call).map(|_| ())
    }

    /// The same for calls that may say "not yet": answers whether it is done.
    pub fn ask(&self, name: &'static str, call: impl FnOnce() -> CUresult) -> Result<bool, CudaError> {
        // Counted before the look: whoever shuts the gate and then counts misses nobody.
        self.0.inside.fetch_add(1, SeqCst);
        let _inside = Inside(&self.0.inside);
        if self.is_shut() {
            return Err(CudaError::Lost(name));
        }
        // The bindings panic where the library lacks the function.
        let result = catch_unwind(AssertUnwindSafe(call)).map_err(|_| CudaError::Missing(name))?;
        match result as u32 {
            0 => Ok(true),
            NOT_READY => Ok(false),
            code => {
                let error = CudaError::Failed { call: name, code, name: name_of(result) };
                if !error.leaves_context_whole() {
                    self.shut();
                }
                Err(error)
            }
        }
    }
}

/// The driver's name for an error.
fn name_of(result: CUresult) -> String {
    let mut name = std::ptr::null();
    // SAFETY: the driver writes a pointer to a text that is never freed, or leaves the null there.
    let known = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: see above.
        let result = unsafe { sys::cuGetErrorName(result, &mut name) };
        result == CUresult::CUDA_SUCCESS && !name.is_null()
    }));
    match known {
        // SAFETY: as above; the text ends with a zero.
        Ok(true) => unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned(),
        _ => "an unknown error".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_context_is_never_called_again() {
        let gate = Gate::default();
        let failed = |code: CUresult| gate.call("cuTest", || code).expect_err("failed");
        assert_eq!(failed(CUresult::CUDA_ERROR_OUT_OF_MEMORY).code(), Some(OUT_OF_MEMORY));
        assert!(!gate.is_shut());
        assert_eq!(gate.ask("cuTest", || CUresult::CUDA_ERROR_NOT_READY), Ok(false));
        assert!(!failed(CUresult::CUDA_ERROR_ILLEGAL_ADDRESS).leaves_context_whole());
        let called = std::cell::Cell::new(false);
        let after = gate.call("cuTest", || {
            called.set(true);
            CUresult::CUDA_SUCCESS
        });
        assert_eq!((after, called.get()), (Err(CudaError::Lost("cuTest")), false));
    }

    #[test]
    fn who_shuts_the_gate_waits_for_the_call_that_is_inside() {
        let (gate, long) = (Gate::default(), Duration::from_secs(60));
        let (entered, inside) = std::sync::mpsc::channel();
        let (go_on, told) = std::sync::mpsc::channel();
        let own = gate.clone();
        let caller = std::thread::spawn(move || {
            own.call("cuTest", || {
                entered.send(()).expect("somebody waits");
                told.recv().expect("to be told");
                CUresult::CUDA_SUCCESS
            })
        });
        inside.recv().expect("it is inside");
        gate.shut_and_wait(Duration::from_millis(5));
        assert!(!caller.is_finished() && gate.is_shut(), "patience ends");
        go_on.send(()).expect("it waits");
        gate.shut_and_wait(long);
        assert_eq!(gate.0.inside.load(SeqCst), 0);
        assert_eq!(caller.join().expect("no panic"), Ok(()), "its result is its own");
    }
}
