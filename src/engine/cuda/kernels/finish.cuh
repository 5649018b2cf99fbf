// From leaves to answers. Each score is summed by one thread in the order of the trees, in `double`,
// as ../../tabular/forest/score.rs does: the margins are the CPU's to the bit.
//
// The additions wait for each other, the votes do not: all threads of the block fetch votes, some
// chunks of them ahead, and those that add find them in shared memory.
#pragma once

#include "device.cuh"
#include "links.cuh"

// Votes that a thread fetches for one chunk.
enum { AHEAD = 4, FINISH_THREADS = 256, CHUNK = AHEAD * FINISH_THREADS };

// How many trees vote for a target.
DEVICE u32 votes_for(const Finish& f, u32 target) {
    return f.target_from ? __ldg(f.target_from + target + 1) - __ldg(f.target_from + target) : f.tree_count;
}

// The `nth` vote for a target, of which there are so many.
DEVICE double vote(const Finish& f, u32 row, u32 target, u32 nth) {
    const u32 tree = f.target_from ? __ldg(f.target_trees + __ldg(f.target_from + target) + nth) : nth;
    const u32 payload = __ldg(f.leaves + (u64)tree * f.capacity + row);
    const u64 place = (u64)payload * f.targets + target;
    switch (f.form) {
        case FORM_INLINE: return (double)__uint_as_float(payload);
        case FORM_TABLE: return __ldg(static_cast<const double*>(f.weights) + payload);
        case FORM_ROWS: return __ldg(static_cast<const double*>(f.weights) + place);
        default: return (double)__ldg(static_cast<const float*>(f.weights) + place);
    }
}

// One score of a row: what the thread fetches for, or adds.
struct Score {
    u32 row;
    u32 target;
    u32 votes;
};

DEVICE Score score_of(const Finish& f, Tile tile, u32 at) {
    const u32 row = at / f.targets, target = at - row * f.targets;
    return Score{tile.first + row, target, votes_for(f, target)};
}

DEVICE void put_margin(const Finish& f, const Score& score, double sum) {
    if (f.aggregate == AGGREGATE_AVERAGE) {
        sum /= (double)f.tree_count;
    }
    if (f.base) {
        sum += __ldg(f.base + score.target);
    }
    f.margins[(u64)score.row * f.targets + score.target] = sum;
}

// The sums of up to as many scores as there are threads, from `first` on. `side` is the half of
// `staged` that nobody reads; it changes with every chunk, so one barrier for each is enough.
DEVICE void add_scores(const Finish& f, Tile tile, u32 first, double (&staged)[2][CHUNK], u32& side) {
    const u32 adders = smaller(blockDim.x, tile.rows * f.targets - first);
    const u32 deep = AHEAD * blockDim.x / adders;
    const bool adds = threadIdx.x < adders;
    const Score own = adds ? score_of(f, tile, first + threadIdx.x) : Score{0, 0, 0};
    Score of[AHEAD];
    u32 nth[AHEAD];
#pragma unroll
    for (u32 i = 0; i < AHEAD; i++) {
        const u32 at = threadIdx.x + i * blockDim.x;
        nth[i] = at / adders;
        of[i] = score_of(f, tile, first + at - nth[i] * adders);
        of[i].votes = nth[i] < deep ? of[i].votes : 0;
    }
    double ahead[AHEAD];
    auto fetch = [&](u32 from) {
#pragma unroll
        for (u32 i = 0; i < AHEAD; i++) {
            ahead[i] = from + nth[i] < of[i].votes ? vote(f, of[i].row, of[i].target, from + nth[i]) : 0.0;
        }
    };
    fetch(0);
    double sum = 0.0;
    bool more = true;
    for (u32 from = 0; more; from += deep, side ^= 1) {
#pragma unroll
        for (u32 i = 0; i < AHEAD; i++) {
            staged[side][threadIdx.x + i * blockDim.x] = ahead[i];
        }
        more = __syncthreads_or(from + deep < own.votes);
        if (more) {
            fetch(from + deep);
        }
        const u32 here = from < own.votes ? smaller(deep, own.votes - from) : 0;
#pragma unroll 8
        for (u32 i = 0; i < here; i++) {
            sum += staged[side][i * adders + threadIdx.x];
        }
    }
    if (adds) {
        put_margin(f, own, sum);
    }
}

// A score whose leaves have as many votes as they like.
DEVICE double sparse_sum(const Finish& f, const Score& score) {
    double sum = 0.0;
    bool said = false;
    for (u32 tree = 0; tree < f.tree_count; tree++) {
        const Span span = f.ranges[__ldg(f.leaves + (u64)tree * f.capacity + score.row)];
        for (u32 at = span.from; at < span.to; at++) {
            if (__ldg(&f.votes[at].target) != score.target) {
                continue;
            }
            const double weight = __ldg(&f.votes[at].weight);
            switch (f.aggregate) {
                case AGGREGATE_MIN: sum = said ? fmin(sum, weight) : weight; break;
                case AGGREGATE_MAX: sum = said ? fmax(sum, weight) : weight; break;
                default: sum += weight;
            }
            said = true;
        }
    }
    return sum;
}

// Blocks of FINISH_THREADS or fewer.
extern "C" __global__ void __launch_bounds__(FINISH_THREADS, 3) finish(const Finish f) {
    __shared__ double staged[2][CHUNK];
    const Tile tile = tile_of(f.count, f.row_tile);
    if (tile.rows == 0) {
        return;
    }
    const u32 scores = tile.rows * f.targets;
    u32 side = 0;
    for (u32 first = 0; first < scores; first += blockDim.x) {
        if (f.form != FORM_SPARSE) {
            add_scores(f, tile, first, staged, side);
        } else if (first + threadIdx.x < scores) {
            const Score score = score_of(f, tile, first + threadIdx.x);
            put_margin(f, score, sparse_sum(f, score));
        }
    }
    __syncthreads();
    for (u32 row = tile.first + threadIdx.x; row < tile.first + tile.rows; row += blockDim.x) {
        const u32 label = apply_head(f, f.margins + (u64)row * f.targets, f.answers + (u64)row * f.width);
        if (f.labels) {
            f.labels[row] = label;
        }
    }
}
