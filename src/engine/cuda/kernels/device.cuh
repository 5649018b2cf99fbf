// What every kernel uses of the device itself, and the rows that a block looks after.
//
// The host passes dynamic shared memory or does not: a kernel asks how much there is, and takes the
// way that fits. Without a device the same names come from tests/cuda/shim.h.
#pragma once

#include "abi.cuh"

#ifdef __CUDACC__

#define DEVICE static __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__

#if __CUDA_ARCH__ >= 800
#define MATRIX_UNITS
#endif

extern __shared__ __align__(16) unsigned char dynamic_shared_start[];

DEVICE unsigned char* dynamic_shared() {
    return dynamic_shared_start;
}

DEVICE u32 dynamic_shared_bytes() {
    u32 bytes;
    asm("mov.u32 %0, %%dynamic_smem_size;" : "=r"(bytes));
    return bytes;
}

#endif

#define ALL_LANES 0xffffffffu

DEVICE u32 smaller(u32 a, u32 b) {
    return a < b ? a : b;
}

// Passes what `load` gives for 0 to `count` to `store`, by all threads of the block. Each has `N` loads
// on their way before it stores the first: one after the other, each would be waited for.
template <u32 N, class Load, class Store>
DEVICE void copy_many(u32 count, Load load, Store store) {
    for (u32 first = threadIdx.x; first < count; first += N * blockDim.x) {
        decltype(load(0u)) ahead[N];
#pragma unroll
        for (u32 i = 0; i < N; i++) {
            const u32 at = first + i * blockDim.x;
            ahead[i] = load(at < count ? at : first);
        }
#pragma unroll
        for (u32 i = 0; i < N; i++) {
            const u32 at = first + i * blockDim.x;
            if (at < count) {
                store(at, ahead[i]);
            }
        }
    }
}

// The rows of this block that the batch has.
struct Tile {
    u32 first;
    u32 rows;
};

DEVICE Tile tile_of(const u32* count, u32 row_tile) {
    const u32 first = blockIdx.x * row_tile, all = __ldg(count);
    return Tile{first, first < all ? smaller(row_tile, all - first) : 0};
}
