// Rows, compact and wide trees beside trees of pointers that are walked as they are written down.

#include "device.h"

#include <limits>
#include <memory>

namespace {

const float INF = std::numeric_limits<float>::infinity();
const float NAN_ = std::numeric_limits<float>::quiet_NaN();

enum Ask { LESS, EQUAL, BITS, NUMBERS, ZERO_MISSING };

struct Split {
    bool leaf = true;
    u32 payload = 0, column = 0;
    Ask ask = LESS;
    double threshold = 0;
    u32 set = 0;
    std::vector<u64> words;
    std::vector<double> members;
    bool missing_second = false;
    std::unique_ptr<Split> first, second;
    u32 place = 0;
};

std::unique_ptr<Split> grow(Random& random, u32 depth, u32 columns, bool wide) {
    auto split = std::make_unique<Split>();
    split->payload = (u32)random.bits();
    if (depth == 0 || random.chance(0.15)) {
        return split;
    }
    split->leaf = false;
    split->column = random.below(columns);
    split->ask = wide ? (Ask)random.below(5) : LESS;
    split->threshold = random.chance(0.1) ? (random.chance(0.5) ? INF : -INF) : (double)random.below(9) / 2 - 2;
    for (u32 i = random.below(4); wide && i > 0; i--) {
        split->words.push_back(random.bits());
        split->members.push_back(split->members.size() * 1.5 - 1.5);
    }
    split->missing_second = random.chance(0.5);
    split->first = grow(random, depth - 1, columns, wide);
    split->second = grow(random, depth - 1, columns, wide);
    return split;
}

bool goes_second(const Split& split, double x) {
    if (std::isnan(x) || (split.ask == ZERO_MISSING && std::fabs(x) <= (double)1e-35f)) {
        return split.missing_second;
    }
    switch (split.ask) {
        case EQUAL: return x == split.threshold;
        case BITS: {
            const double cut = std::trunc(x);
            return x > -1.0 && cut < 64.0 * split.words.size() && (split.words[(size_t)cut / 64] >> ((size_t)cut % 64) & 1);
        }
        case NUMBERS:
            for (double member : split.members) {
                if (member == x) {
                    return true;
                }
            }
            return false;
        default: return x >= split.threshold;
    }
}

template <class T>
u32 leaf_of(const Split& split, const T* row) {
    return split.leaf ? split.payload : leaf_of(goes_second(split, row[split.column]) ? *split.second : *split.first, row);
}

// The nodes of a tree in the order in which they are laid out: children side by side, level by level.
std::vector<Split*> laid_out(Split& root, u32 first) {
    std::vector<Split*> order = {&root};
    for (size_t at = 0; at < order.size(); at++) {
        order[at]->place = first + (u32)at;
        if (!order[at]->leaf) {
            order.push_back(order[at]->first.get());
            order.push_back(order[at]->second.get());
        }
    }
    return order;
}

float any_value(Random& random) {
    switch (random.below(8)) {
        case 0: return NAN_;
        case 1: return random.chance(0.5) ? INF : -INF;
        case 2: return 1e-36f;
        case 3: return random.chance(0.5) ? 0.0f : -0.0f;
        default: return (float)random.below(17) / 4 - 2;  // often a threshold
    }
}

struct Shape {
    u32 columns, width, trees, capacity, count, row_tile, tree_tile, threads;

    explicit Shape(Random& random) {
        columns = random.between(1, 40);
        width = columns + random.below(3);
        trees = random.between(1, 40);
        capacity = random.between(1, 70);
        count = random.below(capacity + 1);
        row_tile = 1u << random.below(7);
        tree_tile = random.between(1, 12);
        threads = 32u << random.below(4);
    }
};

// Every leaf is the reference's, and nothing is written past the rows.
void compare(const std::vector<u32>& leaves, const Shape& shape, const std::vector<u32>& expected, const char* what) {
    for (u32 tree = 0; tree < shape.trees; tree++) {
        for (u32 row = 0; row < shape.capacity; row++) {
            const u32 at = tree * shape.capacity + row;
            const u32 should = row < shape.count ? expected[at] : 0xffffffffu;
            REQUIRE(leaves[at] == should, "%s: tree %u, row %u: %08x, expected %08x", what, tree, row, leaves[at], should);
        }
    }
}

template <class T>
std::vector<u32> reference(const std::vector<std::unique_ptr<Split>>& trees, const Shape& shape, const std::vector<T>& rows) {
    std::vector<u32> leaves(shape.trees * shape.capacity);
    for (u32 tree = 0; tree < shape.trees; tree++) {
        for (u32 row = 0; row < shape.count; row++) {
            leaves[tree * shape.capacity + row] = leaf_of(*trees[tree], &rows[row * shape.width]);
        }
    }
    return leaves;
}

// Neighbouring trees in groups of at most so many nodes, if they fit.
std::vector<Group> grouped(Random& random, const std::vector<Tree>& trees, u32 nodes) {
    std::vector<Group> groups;
    for (u32 at = 0; at < trees.size();) {
        const u32 count = random.between(1, (u32)trees.size() - at);
        const u32 end = at + count < trees.size() ? trees[at + count].root : nodes;
        groups.push_back({at, count, trees[at].root, end - trees[at].root});
        at += count;
    }
    return groups;
}

}  // namespace

void check_trees(Random& random) {
    const Shape shape(random);
    std::vector<std::unique_ptr<Split>> trees;
    std::vector<Node> nodes;
    std::vector<Tree> roots;
    const u32 shift = random.between(14, 20);
    for (u32 i = 0; i < shape.trees; i++) {
        trees.push_back(grow(random, random.below(8), shape.columns, false));
        roots.push_back({(u32)nodes.size(), 0});
        for (const Split* split : laid_out(*trees.back(), (u32)nodes.size())) {
            const float threshold = (float)split->threshold;
            u32 bits;
            memcpy(&bits, &threshold, 4);
            const u32 flag = split->missing_second ? 1u << (shift - 1) : 0;
            nodes.push_back(split->leaf ? Node{split->payload, shape.columns << shift}
                                        : Node{bits, split->column << shift | flag | (split->first->place - split->place)});
        }
    }
    std::vector<float> rows(shape.count * shape.width);
    for (float& x : rows) {
        x = any_value(random);
    }
    const std::vector<u32> expected = reference(trees, shape, rows);
    Array<u32> count(std::vector<u32>{shape.count});
    Array<float> rows_there(rows);
    Array<Node> nodes_there(nodes);
    Array<Tree> trees_there(roots);
    const u32 staging = 4 * shape.row_tile * shape.width;
    Walk walk = {count.get(), rows_there.get(), nodes_there.get(), trees_there.get(), nullptr, nullptr, shape.width,
                 shape.trees, shift, shape.capacity, shape.row_tile, shape.tree_tile};
    const u32 row_tiles = tiles(shape.capacity, shape.row_tile);
    for (u32 dynamic : {0u, staging}) {
        Array<u32> leaves(shape.trees * shape.capacity);
        walk.leaves = leaves.get();
        // One tile of trees more than there are.
        launch("walk", walk, row_tiles, tiles(shape.trees, shape.tree_tile) + 1, shape.threads, dynamic);
        compare(leaves.read(), shape, expected, "walk");
    }
    const std::vector<Group> groups = grouped(random, roots, (u32)nodes.size());
    u32 largest = 0;
    for (const Group& group : groups) {
        largest = largest > group.nodes ? largest : group.nodes;
    }
    Array<Group> groups_there(groups);
    walk.groups = groups_there.get();
    for (u32 dynamic : {8 * largest, 8 * largest + staging}) {
        if (dynamic > 48 * 1024) {
            continue;
        }
        Array<u32> leaves(shape.trees * shape.capacity);
        walk.leaves = leaves.get();
        launch("walk_resident", walk, row_tiles, (u32)groups.size(), shape.threads, dynamic);
        compare(leaves.read(), shape, expected, "walk_resident");
    }
}

void check_wide_trees(Random& random) {
    const Shape shape(random);
    std::vector<std::unique_ptr<Split>> trees;
    std::vector<WideNode> nodes;
    std::vector<Tree> roots;
    std::vector<Set> sets;
    std::vector<u64> words;
    for (u32 i = 0; i < shape.trees; i++) {
        trees.push_back(grow(random, random.below(7), shape.columns, true));
        roots.push_back({(u32)nodes.size(), 0});
        for (const Split* split : laid_out(*trees.back(), (u32)nodes.size())) {
            if (split->leaf) {
                nodes.push_back({(double)split->payload, 0, 0});
                continue;
            }
            const u32 kinds[] = {1, 2, 3, 3, 4};
            double number = split->threshold;
            if (split->ask == BITS || split->ask == NUMBERS) {
                number = (double)sets.size();
                const bool bits = split->ask == BITS;
                sets.push_back({bits ? (u32)SET_BITS : (u32)SET_NUMBERS, (u32)split->words.size(), words.size()});
                for (size_t at = 0; at < split->words.size(); at++) {
                    u64 word = split->words[at];
                    memcpy(&word, bits ? (const void*)&word : (const void*)&split->members[at], 8);
                    words.push_back(word);
                }
            }
            const u32 missing = split->missing_second ? 1u << 31 : 0;
            nodes.push_back({number, missing | kinds[split->ask] << 28 | split->column, split->first->place - split->place});
        }
    }
    std::vector<double> rows(shape.count * shape.width);
    for (double& x : rows) {
        x = random.chance(0.3) ? random.around_zero() * 100 : any_value(random);
    }
    const std::vector<u32> expected = reference(trees, shape, rows);
    Array<u32> count(std::vector<u32>{shape.count}), leaves(shape.trees * shape.capacity);
    Array<double> rows_there(rows);
    Array<WideNode> nodes_there(nodes);
    Array<Tree> trees_there(roots);
    Array<Set> sets_there(sets);
    Array<u64> words_there(words);
    const WalkWide walk = {count.get(), rows_there.get(), nodes_there.get(), trees_there.get(), sets_there.get(),
                           words_there.get(), leaves.get(), shape.width, shape.trees, shape.capacity, shape.row_tile,
                           shape.tree_tile};
    launch("walk_wide", walk, tiles(shape.capacity, shape.row_tile), tiles(shape.trees, shape.tree_tile) + 1, shape.threads);
    compare(leaves.read(), shape, expected, "walk_wide");
}

void check_rows(Random& random) {
    const u32 raw_width = random.between(1, 9), width = random.between(1, 20), count = random.below(40);
    const u32 capacity = count + random.below(5) + 1;
    std::vector<float> raw(count * raw_width), expected(capacity * width);
    std::vector<Column> columns;
    std::vector<Stage> stages;
    for (float& x : raw) {
        x = random.chance(0.5) ? (float)random.below(5) - 1 : any_value(random);
    }
    for (u32 at = 0; at < width; at++) {
        const u32 first = (u32)stages.size();
        for (u32 i = random.below(4); i > 0; i--) {
            const bool affine = random.chance(0.6);
            const float a = affine ? (float)random.around_zero() : any_value(random);
            stages.push_back({affine ? (u32)STAGE_AFFINE : (u32)STAGE_IMPUTE, a, (float)random.around_zero()});
        }
        columns.push_back({random.below(raw_width), random.chance(0.3) ? random.below(4) : HOT_NONE, first, (u32)stages.size() - first});
    }
    memset(expected.data(), 0xff, expected.size() * 4);
    for (u32 row = 0; row < count; row++) {
        for (u32 at = 0; at < width; at++) {
            const Column& column = columns[at];
            volatile float x = raw[row * raw_width + column.at];  // no step may be joined to the next
            for (u32 i = 0; i < column.stages; i++) {
                const Stage& stage = stages[column.first_stage + i];
                if (stage.kind == STAGE_AFFINE) {
                    x = x - stage.a;
                    x = x * stage.b;
                } else if (x == stage.a || (std::isnan(x) && std::isnan(stage.a))) {
                    x = stage.b;
                }
            }
            expected[row * width + at] = column.hot == HOT_NONE ? (float)x : raw[row * raw_width + column.at] == column.hot;
        }
    }
    Array<u32> count_there(std::vector<u32>{count});
    Array<float> raw_there(raw), rows_there(capacity * width);
    Array<Column> columns_there(columns);
    Array<Stage> stages_there(stages);
    const Assemble assemble = {count_there.get(), raw_there.get(), rows_there.get(), columns_there.get(), stages_there.get(), raw_width, width};
    launch("assemble", assemble, random.between(1, 5), 1, 32u << random.below(4));
    const std::vector<float> rows = rows_there.read();
    for (size_t at = 0; at < rows.size(); at++) {
        REQUIRE(same(rows[at], expected[at]), "assemble: element %zu: %g, expected %g", at, rows[at], expected[at]);
    }
}
