//! The walk with gathers of eight lanes.

use super::{Block, LANES, Lanes, STRIDE};
use crate::engine::tabular::forest::compact::Compact;
use std::arch::x86_64::{
    __m256i, _CMP_GE_OQ, _CMP_UNORD_Q, _mm_cvtsi32_si128, _mm256_add_epi32, _mm256_and_si256, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmp_ps, _mm256_cmpeq_epi32, _mm256_i32gather_epi32, _mm256_i32gather_ps,
    _mm256_load_si256, _mm256_or_si256, _mm256_set1_epi32, _mm256_setzero_si256, _mm256_srl_epi32, _mm256_store_si256,
    _mm256_sub_epi32, _mm256_testz_si256,
};

/// Walks the lanes in use, sixteen at a time.
///
/// # Safety
///
/// As for the portable walk; and the processor must have AVX2.
#[target_feature(enable = "avx2")]
pub unsafe fn descend(forest: &Compact, block: Block<'_>, lanes: &mut Lanes, steps: u32) {
    for from in (0..lanes.used.min(LANES)).step_by(16) {
        // SAFETY: as the caller's.
        unsafe {
            match block.missing {
                false => walk::<false>(forest, block.values, lanes, from, steps),
                true => walk::<true>(forest, block.values, lanes, from, steps),
            }
        }
    }
}

/// Two vectors of eight lanes, from lane `from`, a multiple of 16.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn walk<const MISSING: bool>(forest: &Compact, values: &[f32], lanes: &mut Lanes, from: usize, steps: u32) {
    let nodes = forest.nodes.as_ptr().cast::<i32>();
    // SAFETY: the arrays of `Lanes` are aligned to 64 bytes and 32 lanes long.
    let (mut at, rows): ([__m256i; 2], [__m256i; 2]) = unsafe {
        let load = |first: *const u32| _mm256_load_si256(first.add(from).cast());
        (
            std::array::from_fn(|v| load(lanes.at.as_ptr().add(8 * v))),
            std::array::from_fn(|v| load(lanes.rows.as_ptr().add(8 * v))),
        )
    };
    let shift = _mm_cvtsi32_si128(forest.format.shift as i32);
    let mask = _mm256_set1_epi32(forest.format.distance_mask() as i32);
    let flag = _mm256_set1_epi32(forest.format.missing_second() as i32);
    let mut left = steps;
    while left > 0 {
        let mut inner = _mm256_setzero_si256();
        for _ in 0..left.min(STRIDE) {
            inner = _mm256_setzero_si256();
            for (at, rows) in at.iter_mut().zip(&rows) {
                // SAFETY: every place and column is in range, as the caller says; a node is two words.
                let (threshold, link, x) = unsafe {
                    let threshold = _mm256_castsi256_ps(_mm256_i32gather_epi32::<8>(nodes, *at));
                    let link = _mm256_i32gather_epi32::<8>(nodes.add(1), *at);
                    let column = _mm256_add_epi32(*rows, _mm256_srl_epi32(link, shift));
                    (threshold, link, _mm256_i32gather_ps::<4>(values.as_ptr(), column))
                };
                // All ones, which is -1, where the second child is taken.
                let mut second = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GE_OQ>(x, threshold));
                if MISSING {
                    let missing = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(x, x));
                    let wanted = _mm256_cmpeq_epi32(_mm256_and_si256(link, flag), flag);
                    second = _mm256_or_si256(second, _mm256_and_si256(missing, wanted));
                }
                let distance = _mm256_and_si256(link, mask);
                inner = _mm256_or_si256(inner, distance);
                *at = _mm256_sub_epi32(_mm256_add_epi32(*at, distance), second);
            }
        }
        if _mm256_testz_si256(inner, inner) == 1 {
            break;
        }
        left -= left.min(STRIDE);
    }
    for (v, at) in at.iter().enumerate() {
        // SAFETY: as for the loads.
        unsafe { _mm256_store_si256(lanes.at.as_mut_ptr().add(from + 8 * v).cast(), *at) };
    }
}
