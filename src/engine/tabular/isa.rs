//! Plain loops, compiled once for each instruction set.
//!
//! The compiler makes vectors of them. It reorders no sum and joins no product with one, so whichever
//! runs gives the same bits.

#![allow(unsafe_code)] // what was compiled for an instruction set is called only where it was found

/// A loop over numbers, with all that it needs.
pub trait Loop {
    /// To be marked `#[inline(always)]`, as must be all that it calls: only what is inlined is compiled
    /// for the instruction set.
    fn run(self);
}

/// Runs a loop by the widest instructions that this processor has.
#[cfg(target_arch = "x86_64")]
pub fn widest(work: impl Loop) {
    if std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vl") {
        // SAFETY: the processor has them.
        return unsafe { avx512(work) };
    }
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: as above.
        return unsafe { avx2(work) };
    }
    work.run();
}

/// Runs a loop.
#[cfg(not(target_arch = "x86_64"))]
pub fn widest(work: impl Loop) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
fn avx512(work: impl Loop) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(work: impl Loop) {
    work.run();
}

/// Runs a loop by the instructions before the widest, where this processor has them, for tests that
/// compare.
#[cfg(test)]
pub fn narrower(work: impl Loop) {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has them.
        return unsafe { avx2(work) };
    }
    work.run();
}
