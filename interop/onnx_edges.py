#!/usr/bin/env python3
"""Asks onnxruntime and Tidegate's tabular engine about single operators with random attributes and values.

    python3 interop/onnx_edges.py                     30 models of each operator
    python3 interop/onnx_edges.py --count 200 --seed 9 SVMClassifier Tokenizer

The attributes are drawn from all that each operator has, the values from what is awkward: NaN, zeros, ties,
unknown categories, empty text. A model that onnxruntime does not run is skipped. Differences that are meant
(docs/decisions/0006) are not drawn. Exits with 1 if an answer differs; a refusal is told with its reason.

Packages come from models/requirements.txt, as in sklearn_zoo.py.
"""

import argparse
import collections
import json
import shutil
import subprocess
import sys

import sklearn_zoo  # makes the environment where there is none  # noqa: F401

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from sklearn_zoo import ROOT, WORK

TYPES = {
    np.float32: TensorProto.FLOAT, np.float64: TensorProto.DOUBLE, np.int64: TensorProto.INT64,
    np.int32: TensorProto.INT32, np.bool_: TensorProto.BOOL, str: TensorProto.STRING,
}
WORDS = ["a", "b", "ab", "Fox", "the", "", "İx", "naïve", "a-b", "x1", "1", "_", "ÉA", "b b", "tide gate 42", "aab aa"]
PATTERNS = ["[a-z]+", "a|ab", "\\w+", "[^\\s]+", "\\b\\w\\w+\\b", "[a-zA-Z0-9_]+", ".", "(a|b)+?", "\\d+", "a*"]
# Of one score for two classes onnxruntime knows the first and the third.
POST = ["NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO"]


class Draw:
    """Random attributes and values."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def one(self, choices):
        return choices[self.rng.integers(len(choices))]

    def size(self, low=1, high=5):
        return int(self.rng.integers(low, high + 1))

    def chance(self, of=0.5):
        return bool(self.rng.random() < of)

    def floats(self, *shape):
        return self.rng.normal(size=shape).astype(np.float32)

    def table(self, kind, *shape, nan=True):
        if kind is str:
            return self.rng.choice(np.array(WORDS, dtype=object), shape)
        if np.issubdtype(kind, np.integer):
            return self.rng.integers(-3, 6, shape).astype(kind)
        values = np.round(self.rng.normal(size=shape) * 2, 1).astype(kind)
        if nan and self.chance(0.3):
            values[self.rng.random(shape) < 0.2] = np.nan
        return values

    def rows(self, kind, columns, nan=True):
        shape = (columns,) if self.chance(0.15) else (self.size(), columns)
        return self.table(kind, *shape, nan=nan)

    def labels(self, count, prefix="classlabels"):
        if self.chance():
            return {f"{prefix}_ints": [int(x) for x in self.rng.permutation(20)[:count]]}
        return {f"{prefix}_strings": [f"c{x}" for x in self.rng.permutation(20)[:count]]}


NUMBERS = [np.float32, np.float64, np.int64, np.int32]


def linear_classifier(d):
    columns, classes = d.size(), d.size(2, 4)
    scores = 1 if classes == 2 and d.chance() else classes
    post = d.one(POST[::2]) if scores == 1 else d.one([*POST, "PROBIT"])
    attributes = dict(
        coefficients=d.floats(scores * columns), intercepts=d.floats(scores), multi_class=d.size(0, 1), post_transform=post
    )
    return attributes | d.labels(classes), [d.rows(d.one(NUMBERS), columns, nan=False)], 2


def linear_regressor(d):
    columns, targets = d.size(), d.size(1, 3)
    post = "NONE" if targets == 1 else d.one(POST)
    attributes = dict(coefficients=d.floats(columns * targets), targets=targets, post_transform=post)
    if d.chance():
        attributes["intercepts"] = d.floats(targets)
    return attributes, [d.rows(np.float32, columns)], 1


def kernel(d):
    name = d.one(["LINEAR", "POLY", "RBF", "SIGMOID"])
    # A power of a negative sum is a number for whole degrees only.
    return dict(kernel_type=name, kernel_params=[abs(float(d.floats(1)[0])), float(d.floats(1)[0]), float(d.size(1, 4))])


def svm_classifier(d):
    columns, classes = d.size(), d.size(2, 4)
    per_class = [d.size(1, 3) for _ in range(classes)]
    vectors, pairs = sum(per_class), classes * (classes - 1) // 2
    attributes = kernel(d) | d.labels(classes) | dict(
        coefficients=d.floats((classes - 1) * vectors), support_vectors=d.floats(vectors * columns),
        vectors_per_class=per_class, rho=d.floats(pairs),
    )
    if d.chance():
        # SOFTMAX_ZERO turns on whether a probability is below 1e-7, which two precisions may see otherwise.
        attributes |= dict(prob_a=-np.abs(d.floats(pairs)), prob_b=d.floats(pairs), post_transform=d.one(POST[:3]))
    else:
        attributes["post_transform"] = d.one(POST if classes > 2 else POST[::2])
    return attributes, [d.rows(d.one(NUMBERS), columns, nan=False)], 2


def svm_regressor(d):
    columns, vectors = d.size(), d.size(0, 4)
    attributes = kernel(d) | dict(
        coefficients=d.floats(vectors or columns), n_supports=vectors, rho=d.floats(1), one_class=d.size(0, 1)
    )
    if vectors:
        attributes["support_vectors"] = d.floats(vectors * columns)
    return attributes, [d.rows(np.float32, columns, nan=False)], 1


def scaler(d):
    columns = d.size()
    stored = d.one([1, columns])
    return dict(offset=d.floats(stored), scale=d.floats(stored)), [d.rows(d.one(NUMBERS), columns)], 1


def normalizer(d):
    return dict(norm=d.one(["MAX", "L1", "L2"])), [d.rows(d.one(NUMBERS), d.size(), nan=False)], 1


def imputer(d):
    columns = d.size()
    stored = d.one([1, columns])
    if d.chance():
        marks = [float("nan"), 0.0, 1.0]
        attributes = dict(imputed_value_floats=d.floats(stored), replaced_value_float=d.one(marks))
        return attributes, [d.rows(np.float32, columns)], 1
    attributes = dict(imputed_value_int64s=[d.size() for _ in range(stored)], replaced_value_int64=d.size(0, 2))
    return attributes, [d.rows(np.int64, columns)], 1


def one_hot(d):
    kind = d.one([np.float32, np.float64, np.int64, str])
    zeros = d.size(0, 1)
    attributes = dict(zeros=zeros)
    if kind is str:
        attributes["cats_strings"] = WORDS if not zeros else WORDS[: d.size(1, 9)]
    else:
        attributes["cats_int64s"] = list(range(-10, 20)) if not zeros else [d.size(-2, 4) for _ in range(d.size())]
    return attributes, [d.table(kind, *d.one([(3,), (2, 1), (2, 3)]), nan=bool(zeros))], 1


def label_encoder(d):
    kinds = {np.int64: "int64s", np.float32: "floats", str: "strings"}
    key, value = d.one([*kinds]), d.one([*kinds])
    count = d.size(1, 6)
    version = d.one([2, 4])
    # Version 2 of onnxruntime does not find NaN.
    keys, values = d.table(key, count, nan=version == 4), d.table(value, count, nan=False)
    if key is str or value is str or version == 2 or d.chance():
        attributes = {f"keys_{kinds[key]}": keys.tolist(), f"values_{kinds[value]}": values.tolist()}
        default = {np.int64: ("default_int64", 7), np.float32: ("default_float", 0.5), str: ("default_string", "none")}
        if d.chance():
            attributes |= dict([default[value]])
    else:
        key, value = np.float64, np.float64
        tensor = lambda name, values: numpy_helper.from_array(np.asarray(values, dtype=np.float64), name)
        attributes = dict(keys_tensor=tensor("k", keys), values_tensor=tensor("v", values), default_tensor=tensor("d", [9.0]))
    return attributes, [d.table(key, *d.one([(4,), (2, 3)]), nan=version == 4)], 1, version


def category_mapper(d):
    kind = d.one([str, np.int64])
    count = d.size(1, 6)
    attributes = dict(cats_strings=WORDS[:count], cats_int64s=[int(x) for x in d.rng.permutation(8)[:count]])
    return attributes | dict(default_int64=-5, default_string="?"), [d.table(kind, *d.one([(4,), (2, 3)]))], 1


def binarizer(d):
    return dict(threshold=d.one([0.0, 0.5, -1.0])), [d.rows(np.float32, d.size())], 1


def feature_vectorizer(d):
    rows = d.size()
    inputs = [d.table(d.one(NUMBERS), rows, d.size(1, 3)) for _ in range(d.size(1, 3))]
    kind = inputs[0].dtype
    inputs = [one.astype(kind) if np.isfinite(one.astype(float)).all() else np.zeros(one.shape, kind) for one in inputs]
    return dict(inputdimensions=[max(1, one.shape[1] + d.size(-1, 1)) for one in inputs]), inputs, 1


def extractor(d):
    kind = d.one([*NUMBERS, str])
    table = d.table(kind, *d.one([(4,), (3, 4), (2, 3, 4)]))
    return {}, [table, d.rng.integers(0, 4, d.size()).astype(np.int64)], 1


def tfidf(d):
    kind = d.one([str, np.int64, np.int32])
    vocabulary = np.array(WORDS[:6], dtype=object) if kind is str else np.arange(6)
    grams = [[(x,) for x in d.rng.permutation(6)[: d.size(1, 5)]]]
    for size in range(2, d.size(1, 3) + 1):
        grams.append(list({tuple(d.rng.integers(0, 6, size)) for _ in range(d.size(1, 4))}))
    pool = [vocabulary[x] for size in grams for gram in size for x in gram]
    starts = np.cumsum([0, *[len(size) * (at + 1) for at, size in enumerate(grams)]])[:-1]
    total = sum(map(len, grams))
    least = d.size(1, len(grams))
    attributes = dict(
        mode=d.one(["TF", "IDF", "TFIDF"]), min_gram_length=least, max_gram_length=d.size(least, len(grams)),
        max_skip_count=d.size(0, 3), ngram_counts=[int(x) for x in starts],
        ngram_indexes=[int(x) for x in d.rng.permutation(total)],
    )
    attributes |= dict(pool_strings=pool) if kind is str else dict(pool_int64s=[int(x) for x in pool])
    if d.chance():
        attributes["weights"] = d.floats(total)
    shape = d.one([(8,), (3, 7), (2, 1)])
    tokens = vocabulary[d.rng.integers(0, 6, shape)] if kind is str else d.rng.integers(0, 7, shape).astype(kind)
    return attributes, [tokens], 1


def string_normalizer(d):
    attributes = dict(
        case_change_action=d.one(["NONE", "LOWER", "UPPER"]), is_case_sensitive=d.size(0, 1), locale="C.UTF-8"
    )
    if d.chance():
        attributes["stopwords"] = [str(x) for x in d.rng.choice(["fox", "Fox", "THE", "a", "tide gate 42"], 2, replace=False)]
    return attributes, [d.table(str, *d.one([(4,), (1, 5), (1,)]))], 1


def tokenizer(d):
    attributes = dict(mark=d.size(0, 1), mincharnum=d.size(1, 2), pad_value=d.one(["#", ""]))
    if d.chance():
        attributes["tokenexp"] = d.one(PATTERNS)
    else:
        attributes["separators"] = d.one([[" "], ["a", " "], ["\\s", "[ab]+"], [""], ["tide", "a|ab"], ["-", "_"]])
    if attributes.get("tokenexp") == "." or attributes.get("separators") == [""]:
        attributes["mincharnum"] = 1
    return attributes, [d.table(str, *d.one([(3,), (2, 2)]))], 1


def cast(d):
    kinds = [*NUMBERS, np.bool_, str]
    source, target = d.one(kinds), d.one(kinds)
    if source is str:
        text = ["1", "-2", "0"] if target in (np.int64, np.int32, np.bool_) else ["1.5", "-2", "1e-3", "NaN", "INF", "0.1"]
        values = d.rng.choice(np.array(text, dtype=object), (2, 3))
    elif source is np.bool_:
        values = d.rng.random((2, 3)) < 0.5
    else:
        values = d.table(source, 2, 3, nan=target not in (np.int64, np.int32))
        if source in (np.float32, np.float64) and target is str:
            values = (values * d.one([1, 1e-7, 1e9, 1 / 3])).astype(source)
    return dict(to=TYPES[target]), [values], 1


def distance(d):
    kind, columns = d.one([np.float32, np.float64]), d.size()
    sides = [d.table(kind, d.size(), columns, nan=False) for _ in range(2)]
    return dict(metric=d.one(["euclidean", "sqeuclidean"])), sides, 1


def reduced(d):
    kind = d.one([np.float32, np.float64, np.int64, np.int32])
    attributes = dict(keepdims=d.size(0, 1), noop_with_empty_axes=d.size(0, 1))
    table = d.table(kind, 2, 3, 4, nan=False)
    axes = np.array(d.one([[0], [-1], [1, 2], [0, 2], [0, 1, 2]]), dtype=np.int64)
    return attributes, [table, axes], 1


def in_floats(d):
    """Of integers onnxruntime takes exponentials as integers."""
    attributes, (table, axes), outputs = reduced(d)
    return attributes, [table.astype(d.one([np.float32, np.float64])), axes], outputs


def positive(d):
    attributes, (table, axes), outputs = reduced(d)
    return attributes, [np.abs(table) + 1, axes], outputs


def ranked(d):
    attributes = dict(axis=d.size(-2, 1), keepdims=d.size(0, 1), select_last_index=d.size(0, 1))
    return attributes, [d.table(d.one([np.float32, np.float64, np.int32]), 3, 4, nan=False)], 1


def top(d):
    attributes = dict(axis=d.one([0, 1, -1]), largest=d.size(0, 1), sorted=1)
    table = d.table(d.one([np.float32, np.float64, np.int64, np.int32]), 4, 4, nan=False)
    return attributes, [table, np.array([d.size(1, 4)], dtype=np.int64)], 2


def pair(d, kinds=NUMBERS, zero=True):
    kind = d.one(kinds)
    shapes = d.one([((2, 3), (3,)), ((2, 1), (1, 3)), ((), (4,)), ((2, 3, 4), (3, 1)), ((3,), (3,))])
    sides = [np.asarray(d.table(kind, *shape) if shape else d.table(kind, 1)[0]) for shape in shapes]
    if not zero:
        sides[1] = np.where(sides[1] == 0, np.ones((), sides[1].dtype), sides[1]).astype(sides[1].dtype)
    return {}, sides, 1


OPERATORS = {
    "ai.onnx.ml LinearClassifier": linear_classifier,
    "ai.onnx.ml LinearRegressor": linear_regressor,
    "ai.onnx.ml SVMClassifier": svm_classifier,
    "ai.onnx.ml SVMRegressor": svm_regressor,
    "ai.onnx.ml Scaler": scaler,
    "ai.onnx.ml Normalizer": normalizer,
    "ai.onnx.ml Imputer": imputer,
    "ai.onnx.ml OneHotEncoder": one_hot,
    "ai.onnx.ml LabelEncoder": label_encoder,
    "ai.onnx.ml CategoryMapper": category_mapper,
    "ai.onnx.ml Binarizer": binarizer,
    "ai.onnx.ml FeatureVectorizer": feature_vectorizer,
    "ai.onnx.ml ArrayFeatureExtractor": extractor,
    "com.microsoft Tokenizer": tokenizer,
    "com.microsoft CDist": distance,
    "ai.onnx TfIdfVectorizer": tfidf,
    "ai.onnx StringNormalizer": string_normalizer,
    "ai.onnx Cast": cast,
    **{f"ai.onnx {name}": reduced for name in ("ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceProd")},
    "ai.onnx ReduceLogSumExp": in_floats,
    "ai.onnx ReduceMean": reduced,
    "ai.onnx ReduceLogSum": positive,
    "ai.onnx ArgMax": ranked,
    "ai.onnx ArgMin": ranked,
    "ai.onnx TopK": top,
    **{f"ai.onnx {name}": pair for name in ("Add", "Sub", "Mul", "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual")},
    "ai.onnx Div": lambda d: pair(d, zero=False),
    "ai.onnx Max": pair,
    "ai.onnx Min": pair,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    folder = WORK / "edges"
    shutil.rmtree(folder, ignore_errors=True)
    draw = Draw(options.seed)
    chosen = {name: of for name, of in OPERATORS.items() if not options.names or name.split()[1] in options.names}
    cases, skipped = [], collections.Counter()
    for name, of in chosen.items():
        for number in range(options.count):
            case = folder / f"{name.split()[1]}_{number}"
            if lay_out(case, name, *of(draw)):
                cases.append(case)
            else:
                skipped[name] += 1
    report(chosen, ask(cases), skipped)


def lay_out(case, name, attributes, inputs, outputs, version=None):
    """Writes a case with onnxruntime's answers; answers whether it gave any."""
    domain, operator = name.split()
    domain = "" if domain == "ai.onnx" else domain
    kind = lambda array: TensorProto.STRING if array.dtype == object else helper.np_dtype_to_tensor_dtype(array.dtype)
    ends = [helper.make_tensor_value_info(f"x{at}", kind(one), one.shape) for at, one in enumerate(inputs)]
    results = [f"y{at}" for at in range(outputs)]
    node = helper.make_node(operator, [end.name for end in ends], results, domain=domain, **attributes)
    sets = [helper.make_opsetid("", 20)]
    if domain:
        sets.append(helper.make_opsetid(domain, version or (3 if domain == "ai.onnx.ml" else 1)))
    untyped = [onnx.ValueInfoProto(name=result) for result in results]
    model = helper.make_model(helper.make_graph([node], operator, ends, untyped), opset_imports=sets, ir_version=9)
    try:
        settings = onnxruntime.SessionOptions()
        settings.log_severity_level = 4
        session = onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])
        answers = session.run(None, {end.name: one for end, one in zip(ends, inputs)})
    except Exception:
        return False
    answers = [one.astype(object) if one.dtype.kind in "OU" else one for one in map(np.asarray, answers)]
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(result, kind(one), one.shape) for result, one in zip(results, answers)
    )
    data = case / "test_data_set_0"
    data.mkdir(parents=True)
    (case / "model.onnx").write_bytes(model.SerializeToString())
    for side, tensors in (("input", inputs), ("output", answers)):
        for at, one in enumerate(tensors):
            (data / f"{side}_{at}.pb").write_bytes(numpy_helper.from_array(one).SerializeToString())
    return True


def ask(cases):
    subprocess.run(["cargo", "build", "--quiet", "--example", "run_onnx"], cwd=ROOT, check=True)
    program = ROOT / "target" / "debug" / "examples" / "run_onnx"
    fates = []
    for start in range(0, len(cases), 500):
        command = [program, "--engine", "tabular", "--rtol", "1e-4", "--atol", "2e-5", *cases[start : start + 500]]
        fates += map(json.loads, subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
    return fates


def report(chosen, fates, skipped):
    print("\n| operator | pass | refused | differs | skipped | largest difference |\n|---|--:|--:|--:|--:|--:|")
    differs = 0
    for name in chosen:
        own = [fate for fate in fates if fate["case"].rsplit("_", 1)[0] == name.split()[1]]
        counts = collections.Counter(fate["outcome"] for fate in own)
        largest = max((fate.get("difference", 0) for fate in own), default=0)
        differs += counts["wrong"]
        print(f"| {name} | {counts['pass']} | {counts['refused']} | {counts['wrong']} | {skipped[name]} | {largest:.1e} |")
        reasons = collections.Counter(fate["reason"][:100] for fate in own if fate["outcome"] == "refused")
        for reason, number in reasons.most_common(3):
            print(f"    refused {number}: {reason}")
        for fate in [fate for fate in own if fate["outcome"] == "wrong"][:4]:
            print(f"    DIFFERS {fate['case']}: {fate['reason'][:160]}")
    if differs:
        sys.exit(f"FAILED: {differs} answers differ")


if __name__ == "__main__":
    main()
