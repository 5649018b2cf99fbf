// Compact trees: every row of a tile down every tree of a tile, a thread for each pair.
//
// The walk is that of ../../tabular/forest/kernel/portable.rs and ends on the same leaf. Neighbouring
// threads have neighbouring rows of one tree, so that what they write lies side by side.
#pragma once

#include "device.cuh"

DEVICE Node load_node(const Node* nodes, u32 at) {
    const uint2 words = __ldg(reinterpret_cast<const uint2*>(nodes) + at);
    return Node{words.x, words.y};
}

// The payload of the leaf. A leaf's distance is 0 and its column is never looked at; all other
// links lead forward to nodes that are there, as the host has checked.
template <class Nodes, class Values>
DEVICE u32 descend(u32 at, u32 shift, Nodes node_at, Values value) {
    const u32 missing_second = 1u << (shift - 1);
    for (;;) {
        const Node node = node_at(at);
        const u32 distance = node.link & (missing_second - 1);
        if (distance == 0) {
            return node.threshold;
        }
        const float x = value(node.link >> shift);
        const bool second = x >= __uint_as_float(node.threshold) || (x != x && (node.link & missing_second) != 0);
        at += distance + (second ? 1 : 0);
    }
}

// Where a value of the tile stands in shared memory. Column after column, and within a column the
// rows in an order of its own, so that neither those who fill it nor those who ask for one column
// meet in a bank.
DEVICE u32 staged_at(u32 row, u32 column, u32 row_tile) {
    return column * row_tile + (row ^ (column & (row_tile - 1)));
}

DEVICE void stage_rows(const Walk& w, Tile tile, float* staged) {
    const float* rows = w.rows + (u64)tile.first * w.width;
    copy_many<4>(tile.rows * w.width, [&](u32 at) { return __ldg(rows + at); }, [&](u32 at, float x) {
        const u32 row = at / w.width;
        staged[staged_at(row, at - row * w.width, w.row_tile)] = x;
    });
}

// Each row of the tile in each of some trees, whose roots lie `base` too far back for `node_at`.
template <class Nodes>
DEVICE void walk_pairs(const Walk& w, Tile tile, Group trees, Nodes node_at, const float* staged) {
    const u32 row_bits = __popc(w.row_tile - 1);
    for (u32 pair = threadIdx.x; pair < trees.trees << row_bits; pair += blockDim.x) {
        const u32 row = pair & (w.row_tile - 1);
        const u32 tree = trees.first_tree + (pair >> row_bits);
        if (row >= tile.rows) {
            continue;
        }
        const u32 root = __ldg(&w.trees[tree].root) - trees.first_node;
        const float* values = w.rows + (u64)(tile.first + row) * w.width;
        const u32 leaf =
            staged ? descend(root, w.shift, node_at, [&](u32 column) { return staged[staged_at(row, column, w.row_tile)]; })
                   : descend(root, w.shift, node_at, [&](u32 column) { return __ldg(values + column); });
        w.leaves[(u64)tree * w.capacity + tile.first + row] = leaf;
    }
}

// Nodes from global memory. Rows go through shared memory where the host passes
// 4 * row_tile * width bytes of it.
extern "C" __global__ void __launch_bounds__(256) walk(const Walk w) {
    const Tile tile = tile_of(w.count, w.row_tile);
    const u32 first_tree = blockIdx.y * w.tree_tile;
    if (tile.rows == 0 || first_tree >= w.tree_count) {
        return;
    }
    float* staged = nullptr;
    if (dynamic_shared_bytes() >= 4 * w.row_tile * w.width) {
        staged = reinterpret_cast<float*>(dynamic_shared());
        stage_rows(w, tile, staged);
        __syncthreads();
    }
    const Group trees = {first_tree, smaller(w.tree_tile, w.tree_count - first_tree), 0, 0};
    walk_pairs(w, tile, trees, [&](u32 at) { return load_node(w.nodes, at); }, staged);
}

// The nodes of a group of trees in shared memory, 8 bytes for each; behind them the rows, where the
// host passes 4 * row_tile * width bytes more. Links are distances: only the roots have to be moved.
extern "C" __global__ void __launch_bounds__(256) walk_resident(const Walk w) {
    const Tile tile = tile_of(w.count, w.row_tile);
    if (tile.rows == 0) {
        return;
    }
    const Group group = w.groups[blockIdx.y];
    Node* nodes = reinterpret_cast<Node*>(dynamic_shared());
    copy_many<8>(group.nodes, [&](u32 at) { return load_node(w.nodes, group.first_node + at); },
                 [&](u32 at, Node node) { nodes[at] = node; });
    float* staged = nullptr;
    if (dynamic_shared_bytes() >= 8 * group.nodes + 4 * w.row_tile * w.width) {
        staged = reinterpret_cast<float*>(nodes + group.nodes);
        stage_rows(w, tile, staged);
    }
    __syncthreads();
    walk_pairs(w, tile, group, [&](u32 at) { return nodes[at]; }, staged);
}
