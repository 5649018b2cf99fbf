// Finished rows from raw ones: scaling, imputation, one-hot; what ../../tabular/row/assemble.rs does.
#pragma once

#include "device.cuh"

// The CPU rounds after the subtraction and after the product, so both are asked for by name.
DEVICE float staged_value(float x, const Stage* stages, u32 count) {
    for (u32 at = 0; at < count; at++) {
        const Stage stage = stages[at];
        if (stage.kind == STAGE_AFFINE) {
            x = __fmul_rn(__fsub_rn(x, stage.a), stage.b);
        } else if (x == stage.a || (x != x && stage.a != stage.a)) {
            x = stage.b;
        }
    }
    return x;
}

// A thread takes one element after the other, a grid apart: any grid serves any number of rows.
// Capacity times width must be below 2^32.
extern "C" __global__ void __launch_bounds__(256) assemble(const Assemble a) {
    const u32 elements = __ldg(a.count) * a.width;
    for (u32 at = blockIdx.x * blockDim.x + threadIdx.x; at < elements; at += gridDim.x * blockDim.x) {
        const u32 row = at / a.width;
        const Column column = a.columns[at - row * a.width];
        const float x = __ldg(a.raw + (u64)row * a.raw_width + column.at);
        a.rows[at] = column.hot == HOT_NONE ? staged_value(x, a.stages + column.first_stage, column.stages)
                                            : (x == (float)column.hot ? 1.0f : 0.0f);
    }
}
