// From the margins of a row to its answer: ../../tabular/native/link.rs and
// ../../tabular/ops/{ensemble,scores}.rs, in `double` and step by step in their order.
//
// One thread does this for a row, which is short: one copy of a long function and no unrolled loops
// keep the code small.
#pragma once

#include "device.cuh"

static __device__ __noinline__ double exponential(double x) {
    return exp(x);
}

DEVICE double logistic_of_size(double x) {
    return 1.0 / (1.0 + exponential(-fabs(x)));
}

DEVICE double logistic(double x) {
    const double v = logistic_of_size(x);
    return x < 0.0 ? 1.0 - v : v;
}

// What is done to each number for itself.
static __device__ __noinline__ double linked(u32 link, double scale, double limit, double x) {
    switch (link) {
        case LINK_SIGMOID: return 1.0 / (1.0 + exponential(fmin(-scale * x, limit)));
        case LINK_EXP: return exponential(x);
        case LINK_LOG1P_EXP: return log1p(exponential(x));
        case LINK_SIGNED_SQUARE: return x < 0.0 ? -x * x : x * x;
        case LINK_STEP: return x > 0.0 ? 1.0 : 0.0;
        case LINK_LOGISTIC: return logistic(x);
        default: return x;
    }
}

DEVICE bool takes_part(const Finish& f, double x) {
    return f.link != LINK_SOFTMAX_ZERO || fabs(x) > 1e-7;
}

// Passes the linked numbers to `put`, in order. Softmax is computed twice rather than kept.
template <class At, class Put>
DEVICE void link_row(const Finish& f, u32 length, At at, Put put) {
    if (f.link != LINK_SOFTMAX && f.link != LINK_SOFTMAX_ZERO) {
#pragma unroll 1
        for (u32 i = 0; i < length; i++) {
            put(i, linked(f.link, f.scale, f.limit, at(i)));
        }
        return;
    }
    double top = -1.0 / 0.0, sum = 0.0;
#pragma unroll 1
    for (u32 i = 0; i < length; i++) {
        top = fmax(top, at(i));
    }
#pragma unroll 1
    for (u32 i = 0; i < length; i++) {
        sum += takes_part(f, at(i)) ? exponential(at(i) - top) : 0.0;
    }
    const bool divided = f.head == HEAD_NATIVE || sum > 0.0;
#pragma unroll 1
    for (u32 i = 0; i < length; i++) {
        const double x = at(i), part = exponential(x - top);
        put(i, !takes_part(f, x) ? x : divided ? part / sum : part);
    }
}

// The first of the largest.
struct Best {
    double score;
    u32 at;
};

DEVICE void offer(Best& best, u32 at, double score) {
    if (at == 0 || score > best.score) {
        best = Best{score, at};
    }
}

DEVICE u32 native_head(const Finish& f, const double* margins, float* answer) {
    const bool paired = f.targets == 1 && f.width == 2;
    Best best = {0.0, 0};
    link_row(f, f.targets, [&](u32 i) { return margins[i] / f.divisor; }, [&](u32 i, double x) {
        if (f.single) {
            x = (double)(float)x;
        }
        if (paired) {
            answer[0] = (float)(1.0 - x);
            offer(best, 0, 1.0 - x);
        }
        answer[i + (paired ? 1 : 0)] = (float)x;
        offer(best, i + (paired ? 1 : 0), x);
    });
    return best.at;
}

DEVICE u32 scores_head(const Finish& f, const double* margins, float* answer) {
    Best best = {0.0, 0};
#pragma unroll 1
    for (u32 i = 0; i < f.targets; i++) {
        // As `float`, which the votes are stored in: else a tie of equal votes would be none.
        offer(best, i, (double)(float)margins[i]);
    }
    link_row(f, f.targets, [&](u32 i) { return margins[i]; }, [&](u32 i, double x) { answer[i] = (float)x; });
    return best.at;
}

DEVICE u32 one_sided_head(const Finish& f, double x, float* answer) {
    if (f.link == LINK_LOGISTIC) {
        const double v = logistic_of_size(x);
        // Zero has no side.
        answer[0] = (float)(x < 0.0 ? v : x > 0.0 ? 1.0 - v : v);
        answer[1] = (float)(x < 0.0 ? 1.0 - v : v);
    } else {
        link_row(f, 2, [&](u32 i) { return i == 0 ? -x : x; }, [&](u32 i, double y) { answer[i] = (float)y; });
    }
    return (float)x > f.threshold ? 1 : 0;
}

DEVICE u32 complement_head(const Finish& f, double probability, float* answer) {
    const float rounded = (float)probability;
    answer[0] = (float)(1.0 - (double)rounded);
    answer[1] = rounded;
    return rounded > f.threshold ? 1 : 0;
}

// Writes a row's answer and gives its class.
DEVICE u32 apply_head(const Finish& f, const double* margins, float* answer) {
    switch (f.head) {
        case HEAD_NATIVE: return native_head(f, margins, answer);
        case HEAD_ONE_SIDED: return one_sided_head(f, margins[0], answer);
        case HEAD_COMPLEMENT: return complement_head(f, margins[0], answer);
        default: return scores_head(f, margins, answer);
    }
}
