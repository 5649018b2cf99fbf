// What the host hands to a kernel: one structure by value, mirrored field by field in ../abi.rs.
//
// Pointers are device addresses. `count` always points at the number of rows of this batch, which
// the device reads for itself: one recorded graph serves every number of rows up to its capacity,
// and rows past the count are neither read nor written.
#pragma once

typedef unsigned int u32;
typedef unsigned long long u64;

// -- Rows ---------------------------------------------------------------------------------------

// What is done to a number on its way into a finished row.
struct Stage {
    u32 kind;  // STAGE_*
    float a;
    float b;
};
enum { STAGE_AFFINE = 0 /* (x - a) * b */, STAGE_IMPUTE = 1 /* b where x == a, or both are NaN */ };

// One column of the finished rows.
struct Column {
    u32 at;           // column of the raw row
    u32 hot;          // HOT_NONE for a number; else 1.0 where the raw column is this category's number
    u32 first_stage;  // a number's stages, in order
    u32 stages;
};
#define HOT_NONE 0xffffffffu

struct Assemble {
    const u32* count;
    const float* raw;       // [capacity, raw_width]; categories as their number, -1 for none
    float* rows;            // [capacity, width]
    const Column* columns;  // [width]
    const Stage* stages;
    u32 raw_width;
    u32 width;
};

// -- Trees --------------------------------------------------------------------------------------

// The compact form of ../../tabular/forest/compact.rs: threshold bits (a leaf's payload), and a link
// of column, missing flag and distance to the children; a leaf's distance is 0.
struct Node {
    u32 threshold;
    u32 link;
};

// The wide form of ../../tabular/forest/wide.rs.
struct WideNode {
    double number;
    u32 column;
    u32 distance;
};

struct Tree {
    u32 root;
    u32 depth;
};

// Trees whose nodes stand side by side and fit together into shared memory.
struct Group {
    u32 first_tree;
    u32 trees;
    u32 first_node;
    u32 nodes;
};

// A set: `SET_BITS` has words of 64 categories, `SET_NUMBERS` has ascending doubles.
struct Set {
    u32 kind;
    u32 length;  // words, or numbers
    u64 first;   // index of the first of these in `set_words`, whose doubles are their bits
};
enum { SET_BITS = 0, SET_NUMBERS = 1 };

// Walks compact trees. Grid: (tiles of rows, tiles of trees).
struct Walk {
    const u32* count;
    const float* rows;    // [capacity, width]
    const Node* nodes;
    const Tree* trees;
    const Group* groups;  // for the resident kernel, one for each y of the grid; else null
    u32* leaves;          // [trees, capacity]: the payload of the leaf that each row comes to
    u32 width;
    u32 tree_count;
    u32 shift;            // bits below the column in a link
    u32 capacity;
    u32 row_tile;         // rows of a block, a power of two
    u32 tree_tile;        // trees of a block; not read by the resident kernel
};

// Walks wide trees. Grid as above.
struct WalkWide {
    const u32* count;
    const double* rows;
    const WideNode* nodes;
    const Tree* trees;
    const Set* sets;
    const u64* set_words;
    u32* leaves;
    u32 width;
    u32 tree_count;
    u32 capacity;
    u32 row_tile;
    u32 tree_tile;
};

struct Vote {
    double weight;
    u32 target;
    u32 unused;
};

struct Span {
    u32 from;
    u32 to;
};

// Adds the votes of a row's leaves in the order of the trees, as the CPU does and to the same bits,
// and turns the sums into the answer. One block for each tile of rows.
struct Finish {
    const u32* count;
    const u32* leaves;      // [trees, capacity]
    const void* weights;    // FORM_TABLE, FORM_ROWS: doubles; FORM_NARROW_ROWS: floats
    const u32* target_trees;  // FORM_INLINE, FORM_TABLE with several targets: the trees of each
    const u32* target_from;   // target in order, and where each target's begin ([targets + 1]); else null
    const Span* ranges;     // FORM_SPARSE
    const Vote* votes;
    const double* base;     // [targets], or null
    double* margins;        // [capacity, targets]
    float* answers;         // [capacity, width]
    u32* labels;            // [capacity], or null where the model has no labels
    double divisor;
    double scale;           // LINK_SIGMOID
    double limit;           // LINK_SIGMOID
    u32 capacity;
    u32 tree_count;
    u32 targets;
    u32 width;
    u32 form;               // FORM_*
    u32 aggregate;          // AGGREGATE_*
    u32 head;               // HEAD_*
    u32 link;               // LINK_*
    u32 single;             // HEAD_NATIVE: the linked scores are rounded to float before the label is found
    float threshold;        // HEAD_ONE_SIDED, HEAD_COMPLEMENT: a score above it is class 1
    u32 row_tile;           // rows of a block
};
enum { FORM_INLINE = 0, FORM_TABLE = 1, FORM_ROWS = 2, FORM_NARROW_ROWS = 3, FORM_SPARSE = 4 };
enum { AGGREGATE_SUM = 0, AGGREGATE_AVERAGE = 1, AGGREGATE_MIN = 2, AGGREGATE_MAX = 3 };
enum {
    HEAD_NATIVE = 0,      // scores / divisor, linked; a single score of a labelled model stands for class 1 of two
    HEAD_SCORES = 1,      // linked scores; the label, where asked for, by the scores as floats before the link
    HEAD_ONE_SIDED = 2,   // one score for two classes: the pair [-x, x] linked
    HEAD_COMPLEMENT = 3,  // one probability for two classes: [1 - p, p] with p rounded to float
};
enum {
    LINK_NONE = 0,
    LINK_SIGMOID = 1,        // 1 / (1 + exp(min(-scale x, limit)))
    LINK_EXP = 2,
    LINK_LOG1P_EXP = 3,
    LINK_SIGNED_SQUARE = 4,
    LINK_STEP = 5,
    LINK_SOFTMAX = 6,
    LINK_LOGISTIC = 7,       // ONNX's: of |x|, mirrored; a pair is linked as ../../tabular/ops/scores.rs does
    LINK_SOFTMAX_ZERO = 8,   // scores with |x| <= 1e-7 take no part
};

// -- Dense networks -------------------------------------------------------------------------------

enum {
    ACT_NONE = 0,
    ACT_RELU = 1,
    ACT_LEAKY = 2,        // alpha x below zero
    ACT_SIGMOID = 3,
    ACT_TANH = 4,
    ACT_ELU = 5,          // alpha (exp(x) - 1) below zero
    ACT_GELU = 6,         // x / 2 (1 + erf(x / sqrt 2))
    ACT_GELU_TANH = 7,
    ACT_SOFTPLUS = 8,
    ACT_SILU = 9,
    ACT_CLIP = 10,        // to [alpha, beta]
    ACT_SOFTMAX = 11,     // over the row
    ACT_LOG_SOFTMAX = 12,
};

struct Layer {
    const float* weights;  // [inputs, outputs]
    const float* bias;     // [outputs], or null
    u32 inputs;
    u32 outputs;
    u32 activation;
    float alpha;
    float beta;
    u32 unused;
};

// A whole network in one kernel: a block takes a tile of rows through all layers, what stands between
// them in shared memory (2 * row_tile * widest floats). One block for each tile of rows.
struct Network {
    const u32* count;
    const float* rows;   // [capacity, inputs of the first layer]
    float* answers;      // [capacity, outputs of the last layer]
    const Layer* layers;
    u32 layer_count;
    u32 widest;          // the largest of all inputs and outputs
    u32 row_tile;
};

// One layer as a kernel of its own, for networks too large for the above. Grid: (tiles of rows, tiles
// of outputs). Each element is summed over the inputs in ascending order with fused multiply-adds, from
// the bias on, as the whole-network kernel does: both give the same bits. Softmaxes are `softmax_rows`.
enum { DENSE_ROWS = 32, DENSE_OUTPUTS = 64 };  // of a tile

struct Dense {
    const u32* count;
    const float* from;
    float* to;
    Layer layer;
};

struct SoftmaxRows {
    const u32* count;
    float* rows;  // [capacity, width], in place
    u32 width;
    u32 log;
};
