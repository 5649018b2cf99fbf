// One layer of a network as a matrix product in tiles, for networks too large for network.cuh, and
// the softmax behind it.
//
// A block computes DENSE_ROWS x DENSE_OUTPUTS elements, a thread 2 x 4 of them. An element's products
// are added in ascending order of the inputs, one fused multiply-add each, from the bias on.
#pragma once

#include "activation.cuh"

enum {
    DENSE_THREADS = 256,
    DENSE_DEPTH = 32,  // inputs of a tile
    DENSE_TALL = 2,    // rows of a thread
    DENSE_WIDE = 4,    // outputs of a thread
    DENSE_ACROSS = DENSE_OUTPUTS / DENSE_WIDE,
};

// Inputs of the tile in turn, each with its rows (one more, so that those who fill it meet in no
// bank) and its outputs.
struct DenseTile {
    float weights[DENSE_DEPTH][DENSE_OUTPUTS];
    float rows[DENSE_DEPTH][DENSE_ROWS + 1];
};

// What a thread fetches of a tile.
struct DenseAhead {
    float rows[DENSE_ROWS * DENSE_DEPTH / DENSE_THREADS];
    float weights[DENSE_OUTPUTS * DENSE_DEPTH / DENSE_THREADS];
};

// Past the edges there are zeros, which nobody asks for.
DEVICE void fetch_tile(const Dense& d, Tile tile, u32 first_output, u32 from, DenseAhead& ahead) {
    const u32 inputs = d.layer.inputs, outputs = d.layer.outputs;
#pragma unroll
    for (u32 i = 0; i < DENSE_ROWS * DENSE_DEPTH / DENSE_THREADS; i++) {
        const u32 at = threadIdx.x + i * DENSE_THREADS, row = at / DENSE_DEPTH, k = from + at % DENSE_DEPTH;
        ahead.rows[i] = row < tile.rows && k < inputs ? __ldg(d.from + (u64)(tile.first + row) * inputs + k) : 0.0f;
    }
#pragma unroll
    for (u32 i = 0; i < DENSE_OUTPUTS * DENSE_DEPTH / DENSE_THREADS; i++) {
        const u32 at = threadIdx.x + i * DENSE_THREADS, k = from + at / DENSE_OUTPUTS;
        const u32 output = first_output + at % DENSE_OUTPUTS;
        ahead.weights[i] = k < inputs && output < outputs ? __ldg(d.layer.weights + (u64)k * outputs + output) : 0.0f;
    }
}

DEVICE void put_tile(const DenseAhead& ahead, DenseTile& tile) {
#pragma unroll
    for (u32 i = 0; i < DENSE_ROWS * DENSE_DEPTH / DENSE_THREADS; i++) {
        const u32 at = threadIdx.x + i * DENSE_THREADS;
        tile.rows[at % DENSE_DEPTH][at / DENSE_DEPTH] = ahead.rows[i];
    }
#pragma unroll
    for (u32 i = 0; i < DENSE_OUTPUTS * DENSE_DEPTH / DENSE_THREADS; i++) {
        const u32 at = threadIdx.x + i * DENSE_THREADS;
        tile.weights[at / DENSE_OUTPUTS][at % DENSE_OUTPUTS] = ahead.weights[i];
    }
}

// Threads of a warp have two pairs of rows and all outputs of the tile.
DEVICE u32 dense_row() {
    return threadIdx.x / DENSE_ACROSS * DENSE_TALL;
}

DEVICE u32 dense_output() {
    return threadIdx.x % DENSE_ACROSS * DENSE_WIDE;
}

DEVICE void add_products(const DenseTile& tile, u32 depth, float (&sums)[DENSE_TALL][DENSE_WIDE]) {
#pragma unroll 8
    for (u32 k = 0; k < depth; k++) {
        const float4 four = *reinterpret_cast<const float4*>(&tile.weights[k][dense_output()]);
        const float weights[DENSE_WIDE] = {four.x, four.y, four.z, four.w};
#pragma unroll
        for (u32 i = 0; i < DENSE_TALL; i++) {
            const float x = tile.rows[k][dense_row() + i];
#pragma unroll
            for (u32 j = 0; j < DENSE_WIDE; j++) {
                sums[i][j] = fmaf(x, weights[j], sums[i][j]);
            }
        }
    }
}

// Grid: (rows / DENSE_ROWS, outputs / DENSE_OUTPUTS), both rounded up; blocks of DENSE_THREADS.
extern "C" __global__ void __launch_bounds__(DENSE_THREADS) dense(const Dense d) {
    __shared__ __align__(16) DenseTile tiles[2];
    const Tile tile = tile_of(d.count, DENSE_ROWS);
    const u32 first_output = blockIdx.y * DENSE_OUTPUTS, inputs = d.layer.inputs, outputs = d.layer.outputs;
    if (tile.rows == 0 || first_output >= outputs) {
        return;
    }
    float sums[DENSE_TALL][DENSE_WIDE];
#pragma unroll
    for (u32 j = 0; j < DENSE_WIDE; j++) {
        const u32 output = first_output + dense_output() + j;
        const float bias = d.layer.bias && output < outputs ? __ldg(d.layer.bias + output) : 0.0f;
#pragma unroll
        for (u32 i = 0; i < DENSE_TALL; i++) {
            sums[i][j] = bias;
        }
    }
    DenseAhead ahead;
    fetch_tile(d, tile, first_output, 0, ahead);
    // Two tiles in turn: who fills one is a barrier behind those who read it.
    for (u32 from = 0, side = 0; from < inputs; from += DENSE_DEPTH, side ^= 1) {
        put_tile(ahead, tiles[side]);
        __syncthreads();
        if (from + DENSE_DEPTH < inputs) {
            fetch_tile(d, tile, first_output, from + DENSE_DEPTH, ahead);
        }
        add_products(tiles[side], smaller(DENSE_DEPTH, inputs - from), sums);
    }
#pragma unroll
    for (u32 i = 0; i < DENSE_TALL; i++) {
#pragma unroll
        for (u32 j = 0; j < DENSE_WIDE; j++) {
            const u32 row = dense_row() + i, output = first_output + dense_output() + j;
            if (row < tile.rows && output < outputs) {
                d.to[(u64)(tile.first + row) * outputs + output] = activated(sums[i][j], d.layer.activation, d.layer.alpha, d.layer.beta);
            }
        }
    }
}

// A warp takes one row after the other, a grid apart. Blocks of whole warps.
extern "C" __global__ void __launch_bounds__(256) softmax_rows(const SoftmaxRows s) {
    const u32 warps = blockDim.x / 32, rows = __ldg(s.count);
    for (u32 row = blockIdx.x * warps + threadIdx.x / 32; row < rows; row += gridDim.x * warps) {
        float* values = s.rows + (u64)row * s.width;
        softmax_row(threadIdx.x % 32, s.width, s.log != 0, [&](u32 at) -> float& { return values[at]; });
    }
}
