//! The walk with gathers of sixteen lanes.

use super::{Block, Lanes, STRIDE};
use crate::engine::tabular::forest::compact::Compact;
use std::arch::x86_64::{
    __m512i, _CMP_GE_OQ, _CMP_UNORD_Q, _mm_cvtsi32_si128, _mm512_add_epi32, _mm512_and_si512, _mm512_castsi512_ps,
    _mm512_cmp_ps_mask, _mm512_i32gather_epi32, _mm512_i32gather_ps, _mm512_load_si512, _mm512_mask_add_epi32,
    _mm512_set1_epi32, _mm512_srl_epi32, _mm512_store_si512, _mm512_test_epi32_mask,
};

/// Walks the lanes in use, sixteen or thirty-two.
///
/// # Safety
///
/// As for the portable walk; and the processor must have AVX-512F.
#[target_feature(enable = "avx512f")]
pub unsafe fn descend(forest: &Compact, block: Block<'_>, lanes: &mut Lanes, steps: u32) {
    // SAFETY: as the caller's.
    unsafe {
        match (lanes.used > 16, block.missing) {
            (false, false) => walk::<1, false>(forest, block.values, lanes, steps),
            (false, true) => walk::<1, true>(forest, block.values, lanes, steps),
            (true, false) => walk::<2, false>(forest, block.values, lanes, steps),
            (true, true) => walk::<2, true>(forest, block.values, lanes, steps),
        }
    }
}

/// `V` vectors of sixteen lanes.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn walk<const V: usize, const MISSING: bool>(forest: &Compact, values: &[f32], lanes: &mut Lanes, steps: u32) {
    let nodes = forest.nodes.as_ptr().cast::<i32>();
    // SAFETY: the arrays of `Lanes` are aligned to 64 bytes and 32 lanes long.
    let (mut at, rows): ([__m512i; V], [__m512i; V]) = unsafe {
        let load = |from: *const u32| _mm512_load_si512(from.cast());
        (
            std::array::from_fn(|v| load(lanes.at.as_ptr().add(16 * v))),
            std::array::from_fn(|v| load(lanes.rows.as_ptr().add(16 * v))),
        )
    };
    let shift = _mm_cvtsi32_si128(forest.format.shift as i32);
    let mask = _mm512_set1_epi32(forest.format.distance_mask() as i32);
    let flag = _mm512_set1_epi32(forest.format.missing_second() as i32);
    let one = _mm512_set1_epi32(1);
    let mut left = steps;
    while left > 0 {
        let mut inner = 0;
        for _ in 0..left.min(STRIDE) {
            inner = 0;
            for v in 0..V {
                // SAFETY: every place and column is in range, as the caller says; a node is two words.
                let (threshold, link, x) = unsafe {
                    let threshold = _mm512_castsi512_ps(_mm512_i32gather_epi32::<8>(at[v], nodes));
                    let link = _mm512_i32gather_epi32::<8>(at[v], nodes.add(1));
                    let column = _mm512_add_epi32(rows[v], _mm512_srl_epi32(link, shift));
                    (threshold, link, _mm512_i32gather_ps::<4>(column, values.as_ptr()))
                };
                let mut second = _mm512_cmp_ps_mask::<_CMP_GE_OQ>(x, threshold);
                if MISSING {
                    second |= _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(x, x) & _mm512_test_epi32_mask(link, flag);
                }
                inner |= _mm512_test_epi32_mask(link, mask);
                let next = _mm512_add_epi32(at[v], _mm512_and_si512(link, mask));
                at[v] = _mm512_mask_add_epi32(next, second, next, one);
            }
        }
        // Nobody stood on an inner node.
        if inner == 0 {
            break;
        }
        left -= left.min(STRIDE);
    }
    for (v, at) in at.iter().enumerate() {
        // SAFETY: as for the loads.
        unsafe { _mm512_store_si512(lanes.at.as_mut_ptr().add(16 * v).cast(), *at) };
    }
}
