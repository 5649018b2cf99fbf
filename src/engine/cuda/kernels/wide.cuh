// Wide trees: `double` rows, categories, sets. The tests are those of ../../tabular/forest/wide.rs.
#pragma once

#include "device.cuh"

enum { WIDE_LEAF = 0, WIDE_LESS = 1, WIDE_EQUAL = 2, WIDE_IN = 3, WIDE_LESS_ZERO_MISSING = 4 };
enum { WIDE_KIND_SHIFT = 28 };
#define WIDE_MISSING_SECOND 0x80000000u
#define WIDE_COLUMN 0x0fffffffu

// One load of 16 bytes: the nodes start where a block of device memory does.
DEVICE WideNode load_wide(const WideNode* nodes, u32 at) {
    const uint4 words = __ldg(reinterpret_cast<const uint4*>(nodes) + at);
    return WideNode{__hiloint2double((int)words.y, (int)words.x), words.z, words.w};
}

// Ascending in the total order of IEEE 754, as a signed integer.
DEVICE long long ordered(u64 bits) {
    const long long key = (long long)bits;
    return key < 0 ? key ^ 0x7fffffffffffffffll : key;
}

DEVICE bool has_number(const u64* numbers, u32 length, double x) {
    // The sum turns a negative zero into a positive one.
    const long long key = ordered((u64)__double_as_longlong(x + 0.0));
    u32 from = 0;
    for (u32 to = length; from < to;) {
        const u32 middle = from + (to - from) / 2;
        if (ordered(__ldg(numbers + middle)) < key) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < length && ordered(__ldg(numbers + from)) == key;
}

// A category is cut towards zero; negative ones and those past the end are no members.
DEVICE bool has_bit(const u64* words, u32 length, double x) {
    if (!(x > -1.0 && x < 64.0 * length)) {
        return false;
    }
    const u64 at = (u64)x;
    // An empty set has no word for what is cut to 0 either.
    return at / 64 < length && (__ldg(words + at / 64) >> (at % 64) & 1);
}

DEVICE bool is_member(const WalkWide& w, u32 which, double x) {
    const Set set = w.sets[which];
    const u64* words = w.set_words + set.first;
    return set.kind == SET_BITS ? has_bit(words, set.length, x) : has_number(words, set.length, x);
}

DEVICE bool takes_second(const WalkWide& w, const WideNode& node, u32 kind, double x) {
    // LightGBM's kZeroThreshold: what is closer to zero counts as zero.
    const double zero = (double)1e-35f;
    if (x != x || (kind == WIDE_LESS_ZERO_MISSING && fabs(x) <= zero)) {
        return (node.column & WIDE_MISSING_SECOND) != 0;
    }
    switch (kind) {
        case WIDE_EQUAL: return x == node.number;
        case WIDE_IN: return is_member(w, (u32)node.number, x);
        default: return x >= node.number;
    }
}

DEVICE u32 descend_wide(const WalkWide& w, u32 at, const double* row) {
    for (;;) {
        const WideNode node = load_wide(w.nodes, at);
        const u32 kind = node.column >> WIDE_KIND_SHIFT & 7;
        if (kind == WIDE_LEAF) {
            return (u32)node.number;
        }
        const double x = __ldg(row + (node.column & WIDE_COLUMN));
        at += node.distance + (takes_second(w, node, kind, x) ? 1 : 0);
    }
}

extern "C" __global__ void __launch_bounds__(256) walk_wide(const WalkWide w) {
    const Tile tile = tile_of(w.count, w.row_tile);
    const u32 row_bits = __popc(w.row_tile - 1), first_tree = blockIdx.y * w.tree_tile;
    for (u32 pair = threadIdx.x; pair < w.tree_tile << row_bits; pair += blockDim.x) {
        const u32 row = pair & (w.row_tile - 1), tree = first_tree + (pair >> row_bits);
        if (row < tile.rows && tree < w.tree_count) {
            const u32 at = tile.first + row;
            w.leaves[(u64)tree * w.capacity + at] =
                descend_wide(w, __ldg(&w.trees[tree].root), w.rows + (u64)at * w.width);
        }
    }
}
