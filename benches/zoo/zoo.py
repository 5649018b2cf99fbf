"""The models that the engine is measured with: trained here, exported to ONNX, with rows to ask them.

Shapes follow what users have: forests of deep trees, boosted shallow ones, linear models behind
scalers and encoders. Everything is seeded; figures move a little with the versions of the libraries.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

ROWS = 4096
FEATURES = 30


def table(classes: int, samples: int = 12000, seed: int = 1):
    from sklearn.datasets import make_classification

    return make_classification(
        samples, FEATURES, n_informative=18, n_redundant=4, n_classes=classes, flip_y=0.08, random_state=seed
    )


def mixed(samples: int = 12000, seed: int = 3):
    """Six numbers and four columns of text."""
    import pandas as pd

    random = np.random.default_rng(seed)
    frame = pd.DataFrame({f"n{i}": random.normal(size=samples).astype(np.float32) for i in range(6)})
    for i, many in enumerate((3, 5, 12, 40)):
        frame[f"c{i}"] = [f"kind {k}" for k in random.integers(0, many, samples)]
    score = frame["n0"] + 0.5 * frame["n1"] * frame["n2"] + (frame["c0"] == "kind 1") - (frame["c2"] == "kind 7")
    return frame, (score + random.normal(scale=0.5, size=samples) > 0.2).astype(np.int64).to_numpy()


def numbers(fit, classes: int = 2):
    x, y = table(classes)
    x = x.astype(np.float32)
    return fit(x, y), {"X": x[:ROWS]}


def forest(trees: int, classes: int = 2):
    from sklearn.ensemble import RandomForestClassifier

    return numbers(lambda x, y: RandomForestClassifier(trees, n_jobs=-1, random_state=1).fit(x, y), classes)


def boosted(classes: int = 2):
    from sklearn.ensemble import GradientBoostingClassifier

    return numbers(lambda x, y: GradientBoostingClassifier(random_state=1).fit(x, y), classes)


def lightgbm(classes: int = 2):
    from lightgbm import LGBMClassifier

    return numbers(lambda x, y: LGBMClassifier(n_estimators=100, verbose=-1, random_state=1).fit(x, y), classes)


def xgboost(classes: int = 2):
    from xgboost import XGBClassifier

    return numbers(lambda x, y: XGBClassifier(n_estimators=100, random_state=1).fit(x, y), classes)


def regression():
    from sklearn.ensemble import RandomForestRegressor

    return numbers(lambda x, y: RandomForestRegressor(100, n_jobs=-1, random_state=1).fit(x, x[:, 0] * x[:, 1] + y))


def scaled_linear():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return numbers(lambda x, y: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x, y))


def encoded(last):
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame, y = mixed()
    columns = list(frame.columns)
    split = ColumnTransformer(
        [("n", StandardScaler(), columns[:6]), ("c", OneHotEncoder(handle_unknown="ignore"), columns[6:])]
    )
    model = make_pipeline(split, last).fit(frame, y)
    rows = {name: frame[name].to_numpy()[:ROWS].reshape(-1, 1) for name in columns}
    return model, rows


def encoded_linear():
    from sklearn.linear_model import LogisticRegression

    return encoded(LogisticRegression(max_iter=500))


def encoded_forest():
    from sklearn.ensemble import RandomForestClassifier

    return encoded(RandomForestClassifier(100, max_depth=10, n_jobs=-1, random_state=1))


def support_vectors():
    from sklearn.svm import SVC

    return numbers(lambda x, y: SVC(random_state=1).fit(x[:1500], y[:1500]))


ZOO = {
    "rf100": lambda: forest(100),
    "rf500": lambda: forest(500),
    "rf100_3": lambda: forest(100, 3),
    "gbc100": boosted,
    "gbc100_3": lambda: boosted(3),
    "lgb100": lightgbm,
    "lgb100_3": lambda: lightgbm(3),
    "xgb100": xgboost,
    "xgb100_3": lambda: xgboost(3),
    "rfreg100": regression,
    "lr_std": scaled_linear,
    "ct_ohe_lr": encoded_linear,
    "ct_ohe_rf": encoded_forest,
    "svc": support_vectors,
}
TREES = [name for name in ZOO if name not in ("lr_std", "ct_ohe_lr", "svc")]


def export(model, rows) -> bytes:
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType as MlFloat
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kind = type(model).__module__.split(".")[0]
    if kind == "lightgbm":
        initial = [("X", MlFloat([None, FEATURES]))]
        return onnxmltools.convert_lightgbm(model, initial_types=initial, zipmap=False).SerializeToString()
    if kind == "xgboost":
        return onnxmltools.convert_xgboost(model, initial_types=[("X", MlFloat([None, FEATURES]))]).SerializeToString()
    types = [
        (name, StringTensorType([None, v.shape[1]]) if v.dtype == object else FloatTensorType([None, v.shape[1]]))
        for name, v in rows.items()
    ]
    classifier = hasattr(model, "classes_")
    return to_onnx(
        model, initial_types=types, options={id(model): {"zipmap": False}} if classifier else None
    ).SerializeToString()


def plain(values: np.ndarray) -> list:
    """Bit-exact in JSON: a float32 as the shortest decimal of its double."""
    return values.tolist()


def make(name: str, folder: Path) -> Path:
    """Trains and exports a model unless it is there; with its rows and what ONNX Runtime answers."""
    import onnxruntime

    place = folder / name / "1"
    if (place / "golden.json").exists():
        return place
    model, rows = ZOO[name]()
    place.mkdir(parents=True, exist_ok=True)
    (place / "model.onnx").write_bytes(export(model, rows))
    session = onnxruntime.InferenceSession(str(place / "model.onnx"), providers=["CPUExecutionProvider"])
    rows = {key: v.astype(object) if v.dtype.kind in "OU" else v for key, v in rows.items()}
    answers = session.run(None, rows)
    outputs = {spec.name: plain(np.asarray(value)) for spec, value in zip(session.get_outputs(), answers)}
    case = {"inputs": {key: plain(v) for key, v in rows.items()}, "outputs": outputs, "rtol": 1e-5, "atol": 1e-5}
    partial = place / "golden.json.tmp"
    partial.write_text(json.dumps({"cases": [case]}))
    os.replace(partial, place / "golden.json")
    return place
