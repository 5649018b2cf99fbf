// Networks beside loops over rows, outputs and inputs; the fused kernel beside layer after layer.

#include "device.h"

#include <algorithm>
#include <limits>
#include <memory>

namespace {

struct Weights {
    std::vector<float> weights, bias;
    Layer layer{};
};

double activated(const Layer& layer, double x) {
    const double alpha = layer.alpha, beta = layer.beta;
    switch (layer.activation) {
        case ACT_RELU: return std::max(x, 0.0);
        case ACT_LEAKY: return x < 0 ? alpha * x : x;
        case ACT_SIGMOID: return 1 / (1 + std::exp(-x));
        case ACT_TANH: return std::tanh(x);
        case ACT_ELU: return x < 0 ? alpha * (std::exp(x) - 1) : x;
        case ACT_GELU: return x / 2 * (1 + std::erf(x / std::sqrt(2.0)));
        case ACT_GELU_TANH: return x / 2 * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
        case ACT_SOFTPLUS: return std::log1p(std::exp(x));
        case ACT_SILU: return x / (1 + std::exp(-x));
        case ACT_CLIP: return std::min(std::max(x, alpha), beta);
        default: return x;
    }
}

// One row through one layer: sums in `float` as the kernels promise them, the rest in `double`.
std::vector<float> through(const Weights& w, const std::vector<float>& row) {
    const Layer& layer = w.layer;
    std::vector<double> out;
    for (u32 o = 0; o < layer.outputs; o++) {
        float sum = w.bias.empty() ? 0 : w.bias[o];
        for (u32 k = 0; k < layer.inputs; k++) {
            sum = std::fma(row[k], w.weights[k * layer.outputs + o], sum);
        }
        out.push_back(activated(layer, sum));
    }
    if (layer.activation == ACT_SOFTMAX || layer.activation == ACT_LOG_SOFTMAX) {
        const double top = *std::max_element(out.begin(), out.end());
        double sum = 0;
        for (double x : out) {
            sum += std::exp(x - top);
        }
        for (double& x : out) {
            x = layer.activation == ACT_SOFTMAX ? std::exp(x - top) / sum : x - top - std::log(sum);
        }
    }
    return std::vector<float>(out.begin(), out.end());
}

std::vector<Weights> any_network(Random& random, u32 inputs) {
    std::vector<Weights> layers(random.between(1, 4));
    for (Weights& w : layers) {
        const u32 outputs = random.chance(0.2) ? random.between(60, 300) : random.between(1, 40);
        w.layer.inputs = inputs;
        w.layer.outputs = outputs;
        w.layer.activation = random.below(13);
        w.layer.alpha = w.layer.activation == ACT_CLIP ? -0.5f : 0.3f;
        w.layer.beta = 0.7f;
        const double scale = 1 / std::sqrt((double)inputs);
        for (u32 at = 0; at < inputs * outputs; at++) {
            w.weights.push_back((float)(random.around_zero() * scale));
        }
        for (u32 at = 0; at < outputs; at++) {
            w.bias.push_back((float)random.around_zero());
        }
        w.bias.resize(random.chance(0.8) ? outputs : 0);
        inputs = outputs;
    }
    return layers;
}

std::vector<float> layer_after_layer(const std::vector<Layer>& layers, const Array<u32>& count, const std::vector<float>& rows, u32 capacity) {
    auto from = std::make_unique<Array<float>>(rows);
    for (const Layer& layer : layers) {
        auto to = std::make_unique<Array<float>>(capacity * layer.outputs);
        launch("dense", Dense{count.get(), from->get(), to->get(), layer}, tiles(capacity, DENSE_ROWS), tiles(layer.outputs, DENSE_OUTPUTS), 256);
        if (layer.activation == ACT_SOFTMAX || layer.activation == ACT_LOG_SOFTMAX) {
            launch("softmax_rows", SoftmaxRows{count.get(), to->get(), layer.outputs, layer.activation == ACT_LOG_SOFTMAX}, 2, 1, 64);
        }
        from = std::move(to);
    }
    return from->read();
}

bool near(float got, float should) {
    return std::isnan(got) ? std::isnan(should) : std::fabs(got - should) <= 3e-5f * (1 + std::fabs(should));
}

}  // namespace

void check_networks(Random& random) {
    const u32 inputs = random.between(1, 90), capacity = random.between(1, 80), count = random.below(capacity + 1);
    const std::vector<Weights> network = any_network(random, inputs);
    std::vector<float> rows(capacity * inputs);
    for (float& x : rows) {
        x = (float)random.around_zero();
    }
    std::vector<std::unique_ptr<Array<float>>> kept;
    std::vector<Layer> layers;
    u32 widest = inputs;
    for (const Weights& w : network) {
        layers.push_back(w.layer);
        kept.push_back(std::make_unique<Array<float>>(w.weights));
        layers.back().weights = kept.back()->get();
        kept.push_back(std::make_unique<Array<float>>(w.bias));
        layers.back().bias = w.bias.empty() ? nullptr : kept.back()->get();
        widest = std::max(widest, w.layer.outputs);
    }
    const u32 outputs = layers.back().outputs;
    Array<u32> count_there(std::vector<u32>{count});
    Array<Layer> layers_there(layers);
    Array<float> rows_there(rows);
    const std::vector<float> one_by_one = layer_after_layer(layers, count_there, rows, capacity);
    for (u32 row_tile = 1; row_tile <= 16; row_tile *= 2) {
        Array<float> answers_there(capacity * outputs);
        const Network fused = {count_there.get(), rows_there.get(), answers_there.get(), layers_there.get(), (u32)layers.size(), widest, row_tile};
        launch("network", fused, tiles(capacity, row_tile), 1, 32u << random.below(4), 8 * row_tile * widest);
        const std::vector<float> answers = answers_there.read();
        for (size_t at = 0; at < answers.size(); at++) {
            REQUIRE(same(answers[at], one_by_one[at]), "row tile %u, element %zu: %.9g fused, %.9g layer by layer", row_tile, at, answers[at], one_by_one[at]);
        }
    }
    for (u32 row = 0; row < count; row++) {
        std::vector<float> expected(&rows[row * inputs], &rows[row * inputs] + inputs);
        for (const Weights& w : network) {
            expected = through(w, expected);
        }
        for (u32 o = 0; o < outputs; o++) {
            const float got = one_by_one[row * outputs + o];
            REQUIRE(near(got, expected[o]), "row %u, output %u: %.9g, expected %.9g", row, o, got, expected[o]);
        }
    }
    for (size_t at = (size_t)count * outputs; at < one_by_one.size(); at++) {
        REQUIRE(std::isnan(one_by_one[at]), "element %zu is past the rows", at);
    }
}
