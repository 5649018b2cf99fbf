// A whole network in one kernel: what stands between the layers never leaves the block.
//
// Activations lie input after input, the rows of the tile side by side. A thread computes one output
// of some rows: the weight is loaded once for all of them, and neighbours load neighbouring weights.
// However the rows are dealt out, each element is summed as dense.cuh does, to the same bits.
#pragma once

#include "activation.cuh"

// Some rows of one input.
template <u32 N>
struct Rows {
    float x[N];
};

template <u32 N>
DEVICE Rows<N> load_rows(const float* from) {
    Rows<N> rows;
    if constexpr (N % 4 == 0) {
#pragma unroll
        for (u32 i = 0; i < N; i += 4) {
            const float4 four = *reinterpret_cast<const float4*>(from + i);
            rows.x[i] = four.x, rows.x[i + 1] = four.y, rows.x[i + 2] = four.z, rows.x[i + 3] = four.w;
        }
    } else {
#pragma unroll
        for (u32 i = 0; i < N; i++) {
            rows.x[i] = from[i];
        }
    }
    return rows;
}

// One layer, `N` rows of an output to a thread.
template <u32 N>
DEVICE void compute_layer(const Layer& layer, u32 row_tile, const float* from, float* to) {
    const u32 outputs = layer.outputs;
    for (u32 item = threadIdx.x; item < outputs * (row_tile / N); item += blockDim.x) {
        const u32 part = item / outputs, output = item - part * outputs;
        const float bias = layer.bias ? __ldg(layer.bias + output) : 0.0f;
        Rows<N> sums;
#pragma unroll
        for (u32 i = 0; i < N; i++) {
            sums.x[i] = bias;
        }
        const float* weights = layer.weights + output;
        const float* inputs = from + part * N;
        // Few rows leave registers for more weights on their way.
#pragma unroll (N <= 2 ? 16 : 8)
        for (u32 k = 0; k < layer.inputs; k++) {
            const float weight = __ldg(weights + (u64)k * outputs);
            const Rows<N> x = load_rows<N>(inputs + k * row_tile);
#pragma unroll
            for (u32 i = 0; i < N; i++) {
                sums.x[i] = fmaf(x.x[i], weight, sums.x[i]);
            }
        }
#pragma unroll
        for (u32 i = 0; i < N; i++) {
            to[output * row_tile + part * N + i] = activated(sums.x[i], layer.activation, layer.alpha, layer.beta);
        }
    }
}

// As many rows to a thread as leave work for every thread.
DEVICE void run_layer(const Layer& layer, u32 row_tile, const float* from, float* to) {
    u32 rows = row_tile;
    while (rows > 1 && layer.outputs * (row_tile / rows) < blockDim.x) {
        rows /= 2;
    }
    switch (rows) {
        case 16: return compute_layer<16>(layer, row_tile, from, to);
        case 8: return compute_layer<8>(layer, row_tile, from, to);
        case 4: return compute_layer<4>(layer, row_tile, from, to);
        case 2: return compute_layer<2>(layer, row_tile, from, to);
        default: return compute_layer<1>(layer, row_tile, from, to);
    }
}

// Rows that are not there are zero: they are computed like the others, and dropped.
DEVICE void load_tile(const Network& n, Tile tile, u32 width, float* to) {
    const float* rows = n.rows + (u64)tile.first * width;
    const u32 there = tile.rows * width;
    copy_many<4>(n.row_tile * width, [&](u32 at) { return at < there ? __ldg(rows + at) : 0.0f; }, [&](u32 at, float x) {
        const u32 row = at / width;
        to[(at - row * width) * n.row_tile + row] = x;
    });
}

DEVICE void store_tile(const Network& n, Tile tile, u32 width, const float* from) {
    float* answers = n.answers + (u64)tile.first * width;
    for (u32 at = threadIdx.x; at < tile.rows * width; at += blockDim.x) {
        const u32 row = at / width;
        answers[at] = from[(at - row * width) * n.row_tile + row];
    }
}

// Blocks of whole warps; 8 * row_tile * widest bytes of dynamic shared memory.
extern "C" __global__ void __launch_bounds__(256, 2) network(const Network n) {
    const Tile tile = tile_of(n.count, n.row_tile);
    if (tile.rows == 0) {
        return;
    }
    float* from = reinterpret_cast<float*>(dynamic_shared());
    float* to = from + n.row_tile * n.widest;
    u32 width = n.layers[0].inputs;
    load_tile(n, tile, width, from);
    for (u32 at = 0; at < n.layer_count; at++) {
        const Layer layer = n.layers[at];
        // What this layer reads is written, and nobody reads what it writes over.
        __syncthreads();
        run_layer(layer, n.row_tile, from, to);
        width = layer.outputs;
        if (is_softmax(layer.activation)) {
            __syncthreads();
            for (u32 row = threadIdx.x / 32; row < tile.rows; row += blockDim.x / 32) {
                softmax_row(threadIdx.x % 32, width, layer.activation == ACT_LOG_SOFTMAX,
                            [&](u32 i) -> float& { return to[i * n.row_tile + row]; });
            }
        }
        float* written = to;
        to = from, from = written;
    }
    __syncthreads();
    store_tile(n, tile, width, from);
}
