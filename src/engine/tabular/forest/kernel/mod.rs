//! The walk itself: up to 32 lanes, each a row in a tree, go down together.
//!
//! The lanes' loads do not depend on each other, so the processor overlaps them; nothing branches
//! on a row's values. All variants go to the same leaves: which runs is a matter of time alone.

#![allow(unsafe_code)] // indices are checked once, by `Compact::is_sound` and `Lanes::check`, not at each step

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;
mod sieve;

use super::compact::Compact;
use rkyv::{Archive, Deserialize, Serialize};

pub use sieve::Sieve;

/// Lanes of one walk.
pub const LANES: usize = 32;
/// Steps between two looks at whether all lanes rest on leaves.
const STRIDE: u32 = 4;

/// How a walk is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Kernel {
    /// Plain code, eight lanes at a time.
    Portable8,
    /// Plain code, sixteen lanes at a time.
    Portable16,
    /// Gathers of eight.
    Avx2,
    /// Gathers of sixteen.
    Avx512,
}

impl Kernel {
    /// Those that this processor can run.
    pub fn available() -> Vec<Self> {
        let all = [Self::Portable8, Self::Portable16, Self::Avx2, Self::Avx512];
        all.into_iter().filter(|kernel| kernel.runs_here()).collect()
    }

    /// The one with most lanes to an instruction here.
    pub fn widest() -> Self {
        [Self::Avx512, Self::Avx2].into_iter().find(|kernel| kernel.runs_here()).unwrap_or(Self::Portable16)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Portable8 => "portable, 8 lanes",
            Self::Portable16 => "portable, 16 lanes",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn runs_here(self) -> bool {
        match self {
            Self::Portable8 | Self::Portable16 => true,
            Self::Avx2 => std::is_x86_feature_detected!("avx2"),
            Self::Avx512 => std::is_x86_feature_detected!("avx512f"),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn runs_here(self) -> bool {
        matches!(self, Self::Portable8 | Self::Portable16)
    }

    /// Walks the first `used` lanes to their leaves. The kernel must be an [`Kernel::available`] one.
    pub fn descend(self, forest: &Compact, block: Block<'_>, lanes: &mut Lanes, steps: u32) {
        lanes.check(forest, block.values);
        match self {
            // SAFETY: `check` has seen that the lanes start inside, and every soundly made forest
            // leads from one inside place to another, within the columns of a row.
            Self::Portable8 => unsafe { portable::descend::<8>(forest, block, lanes, steps) },
            // SAFETY: as above.
            Self::Portable16 => unsafe { portable::descend::<16>(forest, block, lanes, steps) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above; and only available kernels are chosen.
            Self::Avx2 => unsafe { avx2::descend(forest, block, lanes, steps) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512 => unsafe { avx512::descend(forest, block, lanes, steps) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => unreachable!("not available on this processor"),
        }
    }
}

/// Rows as the kernels read them.
#[derive(Clone, Copy)]
pub struct Block<'a> {
    /// Row after row, each [`Compact::stride`] wide, its last column NaN.
    pub values: &'a [f32],
    /// Whether any other column is NaN.
    pub missing: bool,
}

/// Where each lane stands, and where its row begins.
#[repr(align(64))]
pub struct Lanes {
    pub at: [u32; LANES],
    pub rows: [u32; LANES],
    pub used: usize,
}

impl Lanes {
    /// Lanes that are not used rest where lane 0 starts, so that whole vectors can be walked.
    fn check(&mut self, forest: &Compact, values: &[f32]) {
        let (nodes, last) = (forest.nodes.len(), values.len().checked_sub(forest.stride()));
        let last = last.expect("at least one row");
        assert!((1..=LANES).contains(&self.used), "{} lanes", self.used);
        let (root, row) = (self.at[0], self.rows[0]);
        self.at[self.used..].fill(root);
        self.rows[self.used..].fill(row);
        // The largest of them tells of all, without a branch for each.
        let largest = |places: &[u32; LANES]| places.iter().fold(0, |largest, place| largest.max(*place)) as usize;
        let inside = largest(&self.at) < nodes && largest(&self.rows) <= last;
        assert!(inside && i32::try_from(values.len()).is_ok(), "a lane starts outside");
    }
}
