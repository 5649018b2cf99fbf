// The layers of dense.cuh by the matrix units, with rows and weights rounded to tf32 or bf16 on their
// way into shared memory. Sums are fp32, in an order that is the hardware's own: the same in every batch,
// but not that of dense.cuh.
//
// The grid, the blocks and the parameters are those of `dense`. A warp computes 16 rows of 16 outputs.
// The layouts of the fragments are in the PTX manual, under mma.m16n8k8 and mma.m16n8k16: with
// group = lane / 4 and member = lane % 4, a thread has the sums of the rows group and group + 8, and of
// the outputs 2 member and 2 member + 1.
#pragma once

#include "dense.cuh"

// Compute capability 8.0 or higher.
#ifdef MATRIX_UNITS

#ifdef __CUDACC__

DEVICE u32 to_tf32(float x) {
    u32 bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}

DEVICE unsigned short to_bf16(float x) {
    unsigned short bits;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
    return bits;
}

DEVICE void mma_tf32(float (&sums)[4], const u32 (&rows)[4], const u32 (&weights)[2]) {
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(weights[0]), "r"(weights[1]));
}

DEVICE void mma_bf16(float (&sums)[4], const u32 (&rows)[4], const u32 (&weights)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(rows[0]), "r"(rows[1]), "r"(rows[2]), "r"(rows[3]), "r"(weights[0]), "r"(weights[1]));
}

#endif

// Both kinds of tiles have rows and outputs in words, so wide that the lanes of a warp, which ask for
// eight rows or outputs and four words of each, meet in no bank.
struct Tf32 {
    enum { DEPTH = 8 };  // inputs of one instruction
    struct Tile {
        u32 rows[DENSE_ROWS][DENSE_DEPTH + 4];
        u32 weights[DENSE_DEPTH][DENSE_OUTPUTS + 8];
    };

    DEVICE_MEMBER static void put_row(Tile& tile, u32 row, u32 k, float x) { tile.rows[row][k] = to_tf32(x); }
    DEVICE_MEMBER static void put_weight(Tile& tile, u32 k, u32 output, float x) {
        tile.weights[k][output] = to_tf32(x);
    }
    // Words of the fragment: the member's input and the fourth behind it.
    DEVICE_MEMBER static u32 row_word(const Tile& tile, u32 row, u32 from, u32 member, u32 half) {
        return tile.rows[row][from + member + 4 * half];
    }
    DEVICE_MEMBER static u32 weight_word(const Tile& tile, u32 from, u32 member, u32 half, u32 output) {
        return tile.weights[from + member + 4 * half][output];
    }
    DEVICE_MEMBER static void multiply(float (&sums)[4], const u32 (&rows)[4], const u32 (&weights)[2]) {
        mma_tf32(sums, rows, weights);
    }
};

// Two inputs side by side are a word, the first in its lower half.
struct Bf16 {
    enum { DEPTH = 16 };
    struct Tile {
        unsigned short rows[DENSE_ROWS][DENSE_DEPTH + 8];
        unsigned short weights[DENSE_DEPTH / 2][DENSE_OUTPUTS + 8][2];
    };

    DEVICE_MEMBER static void put_row(Tile& tile, u32 row, u32 k, float x) { tile.rows[row][k] = to_bf16(x); }
    DEVICE_MEMBER static void put_weight(Tile& tile, u32 k, u32 output, float x) {
        tile.weights[k / 2][output][k % 2] = to_bf16(x);
    }
    // The member's two inputs and the two that are eight behind them.
    DEVICE_MEMBER static u32 row_word(const Tile& tile, u32 row, u32 from, u32 member, u32 half) {
        return *reinterpret_cast<const u32*>(&tile.rows[row][from + 2 * member + 8 * half]);
    }
    DEVICE_MEMBER static u32 weight_word(const Tile& tile, u32 from, u32 member, u32 half, u32 output) {
        return *reinterpret_cast<const u32*>(&tile.weights[from / 2 + member + 4 * half][output]);
    }
    DEVICE_MEMBER static void multiply(float (&sums)[4], const u32 (&rows)[4], const u32 (&weights)[2]) {
        mma_bf16(sums, rows, weights);
    }
};

enum { WARP_ROWS = 16, WARP_PARTS = 2, PART_OUTPUTS = 8, WARPS_ACROSS = DENSE_OUTPUTS / (WARP_PARTS * PART_OUTPUTS) };

// Where a thread's sums belong: of its `i`th sum in its warp's `part`th set of outputs.
DEVICE u32 sum_row(u32 i) {
    return threadIdx.x / 32 / WARPS_ACROSS * WARP_ROWS + threadIdx.x % 32 / 4 + 8 * (i / 2);
}

DEVICE u32 sum_output(u32 part, u32 i) {
    return (threadIdx.x / 32 % WARPS_ACROSS * WARP_PARTS + part) * PART_OUTPUTS + threadIdx.x % 4 * 2 + i % 2;
}

template <class Precision>
DEVICE void put_rounded(const DenseAhead& ahead, typename Precision::Tile& tile) {
#pragma unroll
    for (u32 i = 0; i < DENSE_ROWS * DENSE_DEPTH / DENSE_THREADS; i++) {
        const u32 at = threadIdx.x + i * DENSE_THREADS;
        Precision::put_row(tile, at / DENSE_DEPTH, at % DENSE_DEPTH, ahead.rows[i]);
    }
#pragma unroll
    for (u32 i = 0; i < DENSE_OUTPUTS * DENSE_DEPTH / DENSE_THREADS; i++) {
        const u32 at = threadIdx.x + i * DENSE_THREADS;
        Precision::put_weight(tile, at / DENSE_OUTPUTS, at % DENSE_OUTPUTS, ahead.weights[i]);
    }
}

// Past the last input there are zeros, which change no sum.
template <class Precision>
DEVICE void multiply_tile(const typename Precision::Tile& tile, float (&sums)[WARP_PARTS][4]) {
    const u32 member = threadIdx.x % 4, row = sum_row(0);
#pragma unroll
    for (u32 from = 0; from < DENSE_DEPTH; from += Precision::DEPTH) {
        const u32 rows[4] = {
            Precision::row_word(tile, row, from, member, 0), Precision::row_word(tile, row + 8, from, member, 0),
            Precision::row_word(tile, row, from, member, 1), Precision::row_word(tile, row + 8, from, member, 1)};
#pragma unroll
        for (u32 part = 0; part < WARP_PARTS; part++) {
            // Of weights, a thread has one output: its group's.
            const u32 output = sum_output(part, 0) - threadIdx.x % 4 * 2 + threadIdx.x % 32 / 4;
            const u32 weights[2] = {Precision::weight_word(tile, from, member, 0, output),
                                    Precision::weight_word(tile, from, member, 1, output)};
            Precision::multiply(sums[part], rows, weights);
        }
    }
}

template <class Precision>
DEVICE void dense_rounded(const Dense& d, typename Precision::Tile (&tiles)[2]) {
    const Tile tile = tile_of(d.count, DENSE_ROWS);
    const u32 first_output = blockIdx.y * DENSE_OUTPUTS, inputs = d.layer.inputs, outputs = d.layer.outputs;
    if (tile.rows == 0 || first_output >= outputs) {
        return;
    }
    float sums[WARP_PARTS][4];
#pragma unroll
    for (u32 i = 0; i < 4 * WARP_PARTS; i++) {
        const u32 output = first_output + sum_output(i / 4, i % 4);
        sums[i / 4][i % 4] = d.layer.bias && output < outputs ? __ldg(d.layer.bias + output) : 0.0f;
    }
    DenseAhead ahead;
    fetch_tile(d, tile, first_output, 0, ahead);
    for (u32 from = 0, side = 0; from < inputs; from += DENSE_DEPTH, side ^= 1) {
        put_rounded<Precision>(ahead, tiles[side]);
        __syncthreads();
        if (from + DENSE_DEPTH < inputs) {
            fetch_tile(d, tile, first_output, from + DENSE_DEPTH, ahead);
        }
        multiply_tile<Precision>(tiles[side], sums);
    }
#pragma unroll
    for (u32 i = 0; i < 4 * WARP_PARTS; i++) {
        const u32 row = sum_row(i % 4), output = first_output + sum_output(i / 4, i % 4);
        if (row < tile.rows && output < outputs) {
            d.to[(u64)(tile.first + row) * outputs + output] =
                activated(sums[i / 4][i % 4], d.layer.activation, d.layer.alpha, d.layer.beta);
        }
    }
}

extern "C" __global__ void __launch_bounds__(DENSE_THREADS) dense_tf32(const Dense d) {
    __shared__ __align__(16) Tf32::Tile tiles[2];
    dense_rounded<Tf32>(d, tiles);
}

extern "C" __global__ void __launch_bounds__(DENSE_THREADS) dense_bf16(const Dense d) {
    __shared__ __align__(16) Bf16::Tile tiles[2];
    dense_rounded<Bf16>(d, tiles);
}

#endif
