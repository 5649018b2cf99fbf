// What every kernel uses of the device itself, and the rows that a block looks after.
//
// The host passes dynamic shared memory or does not: a kernel asks how much there is, and takes the
// way that fits. Without a device the same names come from tests/cuda/shim.h.
#pragma once

#include "abi.cuh"

#ifdef __CUDACC__

#define DEVICE static __device__ __forceinline__

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

// The rows of this block that the batch has.
struct Tile {
    u32 first;
    u32 rows;
};

DEVICE Tile tile_of(const u32* count, u32 row_tile) {
    const u32 first = blockIdx.x * row_tile, all = __ldg(count);
    return Tile{first, first < all ? smaller(row_tile, all - first) : 0};
}
