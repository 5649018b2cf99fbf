// Sums and answers beside the same computed row by row, tree by tree.

#include "device.h"

#include <algorithm>
#include <limits>

namespace {

struct Model {
    u32 trees, targets, payloads;
    std::vector<double> weights;                 // of each payload: one, or one for each target
    std::vector<u32> of;                         // the target of each tree
    std::vector<std::vector<Vote>> votes;        // FORM_SPARSE, of each payload
    std::vector<double> base;
    Finish finish{};
};

double link(const Finish& f, double x) {
    switch (f.link) {
        case LINK_SIGMOID: return 1.0 / (1.0 + std::exp(std::min(-f.scale * x, f.limit)));
        case LINK_EXP: return std::exp(x);
        case LINK_LOG1P_EXP: return std::log1p(std::exp(x));
        case LINK_SIGNED_SQUARE: return x < 0 ? -(x * x) : x * x;
        case LINK_STEP: return x > 0;
        case LINK_LOGISTIC: return x < 0 ? 1.0 - 1.0 / (1.0 + std::exp(x)) : 1.0 / (1.0 + std::exp(-x));
        default: return x;
    }
}

std::vector<double> linked(const Finish& f, std::vector<double> row) {
    if (f.link != LINK_SOFTMAX && f.link != LINK_SOFTMAX_ZERO) {
        for (double& x : row) {
            x = link(f, x);
        }
        return row;
    }
    const double top = *std::max_element(row.begin(), row.end());
    std::vector<bool> part;
    double sum = 0;
    for (double& x : row) {
        part.push_back(f.link == LINK_SOFTMAX || std::fabs(x) > 1e-7);
        if (part.back()) {
            x = std::exp(x - top);
            sum += x;
        }
    }
    for (size_t at = 0; at < row.size(); at++) {
        row[at] = part[at] && sum > 0 ? row[at] / sum : row[at];
    }
    return row;
}

u32 first_largest(const std::vector<double>& row) {
    return (u32)(std::max_element(row.begin(), row.end()) - row.begin());
}

struct Answer {
    std::vector<double> row;
    u32 label;
};

Answer answer(const Finish& f, std::vector<double> margins) {
    switch (f.head) {
        case HEAD_NATIVE: {
            for (double& x : margins) {
                x /= f.divisor;
            }
            std::vector<double> row = linked(f, margins);
            for (double& x : row) {
                x = f.single ? (double)(float)x : x;
            }
            if (f.width > f.targets) {
                row.insert(row.begin(), 1.0 - row[0]);
            }
            return {row, first_largest(row)};
        }
        case HEAD_ONE_SIDED: {
            const double x = margins[0];
            std::vector<double> row = linked(f, {-x, x});
            if (f.link == LINK_LOGISTIC && x == 0) {
                row = {0.5, 0.5};
            }
            return {row, (float)x > f.threshold};
        }
        case HEAD_COMPLEMENT: {
            const double p = (float)margins[0];
            return {{1.0 - p, p}, p > f.threshold};
        }
        default: {
            std::vector<double> rounded;
            for (double x : margins) {
                rounded.push_back((float)x);
            }
            return {linked(f, margins), first_largest(rounded)};
        }
    }
}

double weight_of(Random& random) {
    // Small halves too: they tie, and cancel.
    return random.chance(0.5) ? (double)random.below(5) / 2 - 1 : random.around_zero();
}

Model any_model(Random& random) {
    Model model;
    Finish& f = model.finish;
    f.form = random.below(5);
    model.trees = random.between(1, random.chance(0.3) ? 900 : 60);
    model.targets = random.chance(0.5) ? 1 : random.between(2, random.chance(0.1) ? 300 : 9);
    model.payloads = random.between(1, 50);
    const bool rows = f.form == FORM_ROWS || f.form == FORM_NARROW_ROWS;
    for (u32 at = 0; at < model.payloads * (rows ? model.targets : 1); at++) {
        const double weight = weight_of(random);
        model.weights.push_back(f.form == FORM_INLINE || f.form == FORM_NARROW_ROWS ? (float)weight : weight);
    }
    for (u32 tree = 0; tree < model.trees; tree++) {
        model.of.push_back(random.below(model.targets));
    }
    for (u32 at = 0; at < model.payloads; at++) {
        std::vector<Vote> votes;
        for (u32 i = random.below(4); i > 0; i--) {
            votes.push_back({weight_of(random), random.below(model.targets), 0});
        }
        model.votes.push_back(votes);
    }
    f.aggregate = f.form == FORM_SPARSE ? random.below(4) : random.below(2);
    for (u32 at = 0; random.chance(0.5) && at < model.targets; at++) {
        model.base.push_back(0);
    }
    model.base.resize(model.base.size() == model.targets ? model.targets : 0);
    for (double& x : model.base) {
        x = random.around_zero();
    }
    return model;
}

void choose_head(Random& random, Model& model) {
    Finish& f = model.finish;
    f.head = model.targets == 1 ? random.below(4) : random.below(2);
    f.link = f.head == HEAD_NATIVE ? random.below(7) : (u32[]){LINK_NONE, LINK_LOGISTIC, LINK_SOFTMAX, LINK_SOFTMAX_ZERO}[random.below(4)];
    f.link = f.head == HEAD_COMPLEMENT ? (u32)LINK_NONE : f.link;
    f.width = model.targets == 1 && (f.head >= HEAD_ONE_SIDED || (f.head == HEAD_NATIVE && random.chance(0.5))) ? 2 : model.targets;
    f.divisor = f.head == HEAD_NATIVE && random.chance(0.5) ? random.between(1, 9) : 1;
    f.scale = random.chance(0.5) ? 1 : 0.7;
    f.limit = random.chance(0.5) ? 88.7 : std::numeric_limits<double>::infinity();
    f.single = random.below(2);
    f.threshold = random.chance(0.5) ? 0.5f : 0;
}

void vote(const Finish& f, const Vote& vote, double& score, bool& said) {
    switch (f.aggregate) {
        case AGGREGATE_MIN: score = said ? std::min(score, vote.weight) : vote.weight; break;
        case AGGREGATE_MAX: score = said ? std::max(score, vote.weight) : vote.weight; break;
        default: score += vote.weight;
    }
    said = true;
}

std::vector<double> margins_of(const Model& model, const std::vector<u32>& payloads) {
    std::vector<double> scores(model.targets);
    std::vector<bool> said(model.targets);
    for (u32 tree = 0; tree < model.trees; tree++) {
        const u32 payload = payloads[tree];
        switch (model.finish.form) {
            case FORM_INLINE: case FORM_TABLE: scores[model.of[tree]] += model.weights[payload]; break;
            case FORM_SPARSE:
                for (const Vote& each : model.votes[payload]) {
                    bool before = said[each.target];
                    vote(model.finish, each, scores[each.target], before);
                    said[each.target] = before;
                }
                break;
            default:
                for (u32 target = 0; target < model.targets; target++) {
                    scores[target] += model.weights[payload * model.targets + target];
                }
        }
    }
    for (u32 target = 0; target < model.targets; target++) {
        scores[target] /= model.finish.aggregate == AGGREGATE_AVERAGE ? model.trees : 1.0;
        scores[target] += model.base.empty() ? 0.0 : model.base[target];
    }
    return scores;
}

}  // namespace

void check_finish(Random& random) {
    Model model = any_model(random);
    choose_head(random, model);
    Finish& f = model.finish;
    const u32 capacity = random.between(1, 40), count = random.below(capacity + 1);
    std::vector<u32> payloads(model.trees * capacity), leaves(model.trees * capacity);
    for (size_t at = 0; at < payloads.size(); at++) {
        payloads[at] = leaves[at] = random.below(model.payloads);
        const float weight = f.form == FORM_INLINE ? (float)model.weights[payloads[at]] : 0;
        if (f.form == FORM_INLINE) {
            memcpy(&leaves[at], &weight, 4);
        }
    }
    std::vector<u32> target_trees, target_from = {0};
    for (u32 target = 0; target < model.targets; target++) {
        for (u32 tree = 0; tree < model.trees; tree++) {
            if (model.of[tree] == target) {
                target_trees.push_back(tree);
            }
        }
        target_from.push_back((u32)target_trees.size());
    }
    std::vector<Span> ranges;
    std::vector<Vote> votes;
    for (const auto& own : model.votes) {
        ranges.push_back({(u32)votes.size(), (u32)(votes.size() + own.size())});
        votes.insert(votes.end(), own.begin(), own.end());
    }
    Array<u32> count_there(std::vector<u32>{count}), leaves_there(leaves), trees_there(target_trees), from_there(target_from);
    Array<double> wide(model.weights), base_there(model.base), margins_there(capacity * model.targets);
    Array<float> narrow(std::vector<float>(model.weights.begin(), model.weights.end())), answers_there(capacity * f.width);
    Array<Span> ranges_there(ranges);
    Array<Vote> votes_there(votes);
    Array<u32> labels_there(capacity);
    const bool labelled = f.width == 2 || random.chance(0.5), listed = model.targets > 1 && f.form <= FORM_TABLE;
    f.count = count_there.get();
    f.leaves = leaves_there.get();
    f.weights = f.form == FORM_NARROW_ROWS ? (const void*)narrow.get() : (const void*)wide.get();
    f.target_trees = listed ? trees_there.get() : nullptr;
    f.target_from = listed ? from_there.get() : nullptr;
    f.ranges = ranges_there.get();
    f.votes = votes_there.get();
    f.base = model.base.empty() ? nullptr : base_there.get();
    f.margins = margins_there.get();
    f.answers = answers_there.get();
    f.labels = labelled ? labels_there.get() : nullptr;
    f.capacity = capacity;
    f.tree_count = model.trees;
    f.targets = model.targets;
    f.row_tile = random.between(1, 33);
    launch("finish", f, tiles(capacity, f.row_tile), 1, 32u << random.below(4));
    const std::vector<double> margins = margins_there.read();
    const std::vector<float> answers = answers_there.read();
    const std::vector<u32> labels = labels_there.read();
    for (u32 row = 0; row < capacity; row++) {
        if (row >= count) {
            REQUIRE(std::isnan(margins[row * model.targets]) && std::isnan(answers[row * f.width]) && labels[row] == 0xffffffffu, "row %u is none", row);
            continue;
        }
        std::vector<u32> own;
        for (u32 tree = 0; tree < model.trees; tree++) {
            own.push_back(payloads[tree * capacity + row]);
        }
        const std::vector<double> scores = margins_of(model, own);
        for (u32 target = 0; target < model.targets; target++) {
            const double got = margins[row * model.targets + target];
            REQUIRE(same(got, scores[target]), "form %u, row %u, target %u: %.17g, expected %.17g", f.form, row, target, got, scores[target]);
        }
        const Answer expected = answer(f, scores);
        for (u32 at = 0; at < f.width; at++) {
            const float got = answers[row * f.width + at], should = (float)expected.row[at];
            REQUIRE(same(got, should) || std::fabs(got - should) <= 2e-7f * std::fabs(should), "head %u, link %u, row %u, answer %u: %.9g, expected %.9g", f.head, f.link, row, at, got, should);
        }
        REQUIRE(!labelled || labels[row] == expected.label, "head %u, link %u, row %u: label %u, expected %u", f.head, f.link, row, labels[row], expected.label);
    }
}
