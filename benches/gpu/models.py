"""The models of the GPU benchmark: made here, for us as ONNX and for the others as they like them.

Rows are drawn once, 8192 of them; golden.json has what the training library answers to them.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

ROWS = 8192
COLUMNS = 30
LAYERS = (64, 256, 256, 10)


@dataclass
class Model:
    """A trained model in a folder, its rows, and what the training library says."""

    name: str
    place: Path
    rows: np.ndarray
    answers: np.ndarray
    trained: object

    @property
    def is_forest(self) -> bool:
        return self.name != "mlp"

    @cached_property
    def visits(self) -> float:
        """Inner nodes that a row meets in all trees, on average."""
        some = self.rows[:256]
        trees, _, _ = trees_of(self.trained)
        return sum(tree.decision_path(some).sum() / len(some) - 1 for tree in trees)


MAKERS = {
    "rf100": lambda: forest(100, 10),
    "rf1000": lambda: forest(1000, 10),
    "gbt200": lambda: boosted(200, 6),
    "mlp": lambda: network(),
}


def make(name: str, place: Path) -> Model:
    """The model, from `place` if it was made before."""
    folder = place / name
    kept = folder / "trained.pickle"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        trained, rows, answers, exported = MAKERS[name]()
        (folder / "model.onnx").write_bytes(exported.SerializeToString())
        outputs = {exported.graph.output[-1].name: answers.tolist()}
        case = {"inputs": {"x": rows.tolist()}, "outputs": outputs, "rtol": 1e-4, "atol": 1e-5}
        (folder / "golden.json").write_text(json.dumps({"cases": [case]}))
        kept.write_bytes(pickle.dumps((trained, rows, answers)))
    trained, rows, answers = pickle.loads(kept.read_bytes())
    return Model(name, folder, rows, answers, trained)


def drawn(columns: int):
    random = np.random.default_rng(1)
    rows = random.normal(size=(ROWS, columns)).astype(np.float32)
    signal = rows[:, 0] * rows[:, 1] + np.sin(3 * rows[:, 2]) + rows[:, 3:9].sum(axis=1)
    return rows, signal + random.normal(scale=0.5, size=ROWS)


def forest(trees: int, depth: int):
    from sklearn.ensemble import RandomForestClassifier

    rows, signal = drawn(COLUMNS)
    trained = RandomForestClassifier(trees, max_depth=depth, n_jobs=-1, random_state=1).fit(rows, signal > 0)
    attributes = listed(trained, "class")
    attributes |= {"classlabels_int64s": [0, 1], "post_transform": "NONE"}
    exported = graph("TreeEnsembleClassifier", attributes, COLUMNS, 2)
    return trained, rows, trained.predict_proba(rows).astype(np.float32), exported


def boosted(trees: int, depth: int):
    from sklearn.ensemble import GradientBoostingRegressor

    rows, signal = drawn(COLUMNS)
    trained = GradientBoostingRegressor(n_estimators=trees, max_depth=depth, random_state=1).fit(rows, signal)
    attributes = listed(trained, "target")
    attributes |= {"n_targets": 1, "base_values": [trees_of(trained)[2]]}
    exported = graph("TreeEnsembleRegressor", attributes, COLUMNS, 1)
    return trained, rows, trained.predict(rows).astype(np.float32)[:, None], exported


def trees_of(trained):
    """Trees of scikit-learn, what each of their nodes would say as a leaf, and what is added to the sum."""
    if hasattr(trained, "predict_proba"):
        trees = [estimator.tree_ for estimator in trained.estimators_]
        counts = [tree.value[:, 0, :] for tree in trees]
        return trees, [count / count.sum(axis=1, keepdims=True) / len(trees) for count in counts], 0.0
    trees = [estimator.tree_ for estimator in trained.estimators_[:, 0]]
    return trees, [trained.learning_rate * tree.value[:, 0, :] for tree in trees], float(trained.init_.constant_.ravel()[0])


def below(thresholds: np.ndarray) -> np.ndarray:
    """The largest floats that are no larger: `x <= threshold` asks the same of every float."""
    narrow = thresholds.astype(np.float32)
    return np.where(narrow <= thresholds, narrow, np.nextafter(narrow, np.float32(-np.inf)))


def listed(trained, kind: str) -> dict:
    """Trees of scikit-learn as the lists of ONNX-ML's operators."""
    nodes = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    leaves = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    trees, says, _ = trees_of(trained)
    for number, (tree, said) in enumerate(zip(trees, says)):
        # Each of these attributes makes an array when it is asked for.
        left, right, feature, threshold = tree.children_left, tree.children_right, tree.feature, tree.threshold
        leaf = left < 0
        columns = (np.full(len(leaf), number), np.arange(len(leaf)), np.where(leaf, 0, feature),
                   np.where(leaf, 0.0, below(threshold)), np.where(leaf, "LEAF", "BRANCH_LEQ"),
                   np.maximum(left, 0), np.maximum(right, 0))
        for values, column in zip(nodes.values(), columns):
            values += column.tolist()
        at, width = np.flatnonzero(leaf), said.shape[1]
        columns = (np.full(len(at) * width, number), np.repeat(at, width), np.tile(np.arange(width), len(at)), said[at].ravel())
        for values, column in zip(leaves.values(), columns):
            values += column.tolist()
    return {f"nodes_{key}": value for key, value in nodes.items()} | {f"{kind}_{key}": value for key, value in leaves.items()}


def graph(operator: str, attributes: dict, columns: int, width: int):
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", columns])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", width])
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["rows"])
    outputs = [label, y] if operator == "TreeEnsembleClassifier" else [y]
    node = helper.make_node(operator, ["x"], [output.name for output in outputs], domain="ai.onnx.ml", **attributes)
    opsets = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 17)]
    return helper.make_model(helper.make_graph([node], "trees", [x], outputs), opset_imports=opsets, ir_version=8)


def network():
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(2)
    rows, _ = drawn(LAYERS[0])
    layers = [(random.normal(scale=(2 / a) ** 0.5, size=(a, b)).astype(np.float32), np.zeros(b, np.float32))
              for a, b in zip(LAYERS, LAYERS[1:])]
    nodes, weights, at, x = [], [], "x", rows.astype(np.float64)
    for number, (w, b) in enumerate(layers):
        last = number + 1 == len(layers)
        weights += [numpy_helper.from_array(w, f"w{number}"), numpy_helper.from_array(b, f"b{number}")]
        nodes.append(helper.make_node("Gemm", [at, f"w{number}", f"b{number}"], [f"z{number}"]))
        at = "y" if last else f"a{number}"
        nodes.append(helper.make_node("Softmax" if last else "Relu", [f"z{number}"], [at]))
        x = x @ w + b
        x = np.maximum(x, 0) if not last else np.exp(x - x.max(axis=1, keepdims=True))
    x /= x.sum(axis=1, keepdims=True)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", LAYERS[0]])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", LAYERS[-1]])]
    made = helper.make_graph(nodes, "mlp", inputs, outputs, weights)
    return layers, rows, x.astype(np.float32), helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
