// What layers do to their sums.
#pragma once

#include "device.cuh"

DEVICE float sigmoid(float x) {
    return 1.0f / (1.0f + expf(-x));
}

// All but the softmaxes, which look at a whole row. NaN stays NaN.
static __device__ __noinline__ float activated(float x, u32 activation, float alpha, float beta) {
    switch (activation) {
        case ACT_RELU: return x < 0.0f ? 0.0f : x;
        case ACT_LEAKY: return x < 0.0f ? alpha * x : x;
        case ACT_SIGMOID: return sigmoid(x);
        case ACT_TANH: return tanhf(x);
        case ACT_ELU: return x < 0.0f ? alpha * expm1f(x) : x;
        case ACT_GELU: return 0.5f * x * (1.0f + erff(x * 0.70710678118654752f));
        case ACT_GELU_TANH: return 0.5f * x * (1.0f + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
        case ACT_SOFTPLUS: return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x)));
        case ACT_SILU: return x * sigmoid(x);
        case ACT_CLIP: return x < alpha ? alpha : x > beta ? beta : x;
        default: return x;
    }
}

DEVICE bool is_softmax(u32 activation) {
    return activation == ACT_SOFTMAX || activation == ACT_LOG_SOFTMAX;
}

// Softmax over one row by one warp. A lane's numbers are 32 apart and the lanes are joined pair by
// pair: the order of the sum follows from the width alone.
template <class At>
DEVICE void softmax_row(u32 lane, u32 width, bool log, At at) {
    float top = -1.0f / 0.0f, sum = 0.0f;
    for (u32 i = lane; i < width; i += 32) {
        top = fmaxf(top, at(i));
    }
    for (u32 apart = 16; apart > 0; apart /= 2) {
        top = fmaxf(top, __shfl_xor_sync(ALL_LANES, top, apart));
    }
    for (u32 i = lane; i < width; i += 32) {
        sum += expf(at(i) - top);
    }
    for (u32 apart = 16; apart > 0; apart /= 2) {
        sum += __shfl_xor_sync(ALL_LANES, sum, apart);
    }
    const float log_sum = log ? logf(sum) : 0.0f;
    for (u32 i = lane; i < width; i += 32) {
        const float x = at(i) - top;
        at(i) = log ? x - log_sum : expf(x) / sum;
    }
}
