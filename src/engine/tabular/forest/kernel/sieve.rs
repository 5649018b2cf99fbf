//! The tests of small trees made for 32 rows at a time: see [`crate::engine::tabular::forest::bits`].
//!
//! Plain code over fixed arrays, compiled once for each instruction set: the compiler makes vectors
//! of it. Comparisons are exact, so all of them leave the same leaves.

use crate::engine::tabular::forest::bits::{Bits, ROWS, Span, Test, Tests};
use rkyv::{Archive, Deserialize, Serialize};
use std::ops::BitAndAssign;

/// The instruction set that the loop is compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Archive, Serialize, Deserialize)]
pub enum Sieve {
    Portable,
    Avx2,
    Avx512,
}

impl Sieve {
    /// Those that this processor can run.
    pub fn available() -> Vec<Self> {
        [Self::Portable, Self::Avx2, Self::Avx512].into_iter().filter(|sieve| sieve.runs_here()).collect()
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "bit sets, portable",
            Self::Avx2 => "bit sets, AVX2",
            Self::Avx512 => "bit sets, AVX-512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn runs_here(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Avx2 => std::is_x86_feature_detected!("avx2"),
            Self::Avx512 => std::is_x86_feature_detected!("avx512f") && std::is_x86_feature_detected!("avx512vl"),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn runs_here(self) -> bool {
        self == Self::Portable
    }

    /// Calls `then(tree, leaves)` for every tree with the leaf of each of [`ROWS`] rows, counted in
    /// its tree. `columns` holds the rows column by column.
    pub fn each_tree(self, bits: &Bits, columns: &[f32], then: &mut impl FnMut(usize, &Span, &[u32; ROWS])) {
        assert!(columns.len() >= bits.features * ROWS, "{} values", columns.len());
        match self {
            Self::Portable => all(bits, columns, then),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: only available ones are chosen.
            Self::Avx2 => unsafe { avx2(bits, columns, then) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Self::Avx512 => unsafe { avx512(bits, columns, then) },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => unreachable!("not available on this processor"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn avx2(bits: &Bits, columns: &[f32], then: &mut impl FnMut(usize, &Span, &[u32; ROWS])) {
    all(bits, columns, then);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl")]
fn avx512(bits: &Bits, columns: &[f32], then: &mut impl FnMut(usize, &Span, &[u32; ROWS])) {
    all(bits, columns, then);
}

#[inline(always)]
fn all(bits: &Bits, columns: &[f32], then: &mut impl FnMut(usize, &Span, &[u32; ROWS])) {
    match &bits.tests {
        Tests::Narrow(tests) => each(bits, &tests[..], columns, u32::trailing_zeros, u32::MAX, then),
        Tests::Wide(tests) => each(bits, &tests[..], columns, u64::trailing_zeros, u64::MAX, then),
    }
}

#[inline(always)]
fn each<M: Copy + BitAndAssign>(
    bits: &Bits,
    tests: &[Test<M>],
    columns: &[f32],
    first: impl Fn(M) -> u32,
    full: M,
    then: &mut impl FnMut(usize, &Span, &[u32; ROWS]),
) {
    for (tree, span) in bits.trees.iter().enumerate() {
        let mut left = [full; ROWS];
        for test in &tests[span.from as usize..span.turn as usize] {
            strike(test, columns, full, &mut left, |x, t| x >= t);
        }
        for test in &tests[span.turn as usize..span.to as usize] {
            // What is not below is above, and so is what is missing.
            strike(test, columns, full, &mut left, |x, t| !matches!(x.partial_cmp(&t), Some(std::cmp::Ordering::Less)));
        }
        then(tree, span, &left.map(&first));
    }
}

#[inline(always)]
fn strike<M: Copy + BitAndAssign>(
    test: &Test<M>,
    columns: &[f32],
    full: M,
    left: &mut [M; ROWS],
    second: impl Fn(f32, f32) -> bool,
) {
    let column: &[f32; ROWS] = columns[test.column as usize * ROWS..][..ROWS].try_into().expect("ROWS of them");
    for (left, x) in left.iter_mut().zip(column) {
        *left &= if second(*x, test.threshold) { test.keeps } else { full };
    }
}
