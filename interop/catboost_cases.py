"""Random CatBoost models of numeric columns, and what CatBoost says of some rows."""

import json

import catboost as cat
import numpy as np

from rows import awkward

Refused = cat.CatBoostError
LOSSES = ["RMSE", "MAE", "Quantile:alpha=0.7", "Poisson", "Tweedie:variance_power=1.5", "Logloss", "CrossEntropy",
          "MultiClass", "MultiClassOneVsAll", "MultiRMSE", "LogCosh"]


def make(seed, path):
    """Trains a model, saves it below `path`, and gives the case."""
    random = np.random.default_rng(seed)
    loss = str(random.choice(LOSSES))
    features, count = int(random.integers(1, 8)), int(random.integers(30, 200))
    values = (random.normal(size=(count, features)) * 10.0 ** random.integers(-3, 4)).round(3).astype(np.float32)
    values[random.random(values.shape) < random.choice([0.0, 0.1, 0.4])] = np.nan
    params = {"loss_function": loss, "iterations": int(random.choice([1, 5, 60, 300])), "depth": int(random.integers(1, 9)),
              "verbose": 0, "allow_writing_files": False, "thread_count": 1, "random_seed": int(random.integers(1 << 30)),
              "nan_mode": str(random.choice(["Min", "Max"]))}
    names = None
    if loss in ("Logloss", "MultiClass", "MultiClassOneVsAll"):
        number = 2 if loss == "Logloss" else int(random.integers(2, 6))
        draw = random.random()
        names = [f"class {at}" for at in range(number)] if draw < 0.4 else [at * 3 + (0 if draw < 0.7 else 5) for at in range(number)]
        truth = np.array(names)[np.arange(count) % number]
    elif loss == "MultiRMSE":
        truth = random.normal(size=(count, 2))
    else:
        truth = random.random(count)
    model = cat.CatBoost(params)
    model.fit(cat.Pool(values, truth))
    model.save_model(str(path / "model.json"), format="json")
    borders = {}
    for column in json.loads((path / "model.json").read_text())["features_info"]["float_features"]:
        borders[column["flat_feature_index"]] = column["borders"]
    rows = awkward(random, values, borders, [], 3e38)
    return expect(model, rows, loss, f"{loss} {params['iterations']} trees depth {params['depth']}")


def expect(model, rows, loss, what):
    shape = (len(rows), -1)
    margin = np.asarray(model.predict(rows), dtype=np.float64).reshape(shape)
    expected = {"margin": (margin, 1e-7 * np.abs(margin) + 1e-12),
                "leaf": (np.asarray(model.calc_leaf_indexes(rows), dtype=np.float64).reshape(shape), 0.0)}
    answer = margin
    if loss.split(":")[0] in ("Poisson", "Tweedie"):
        answer = np.exp(margin)
    if loss in ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll"):
        answer = np.asarray(model.predict(rows, prediction_type="Probability"), dtype=np.float64)
        labels = np.asarray(model.predict(rows, prediction_type="Class")).ravel()
        labels = labels.astype(np.float64) if labels.dtype.kind in "iuf" else labels
        ordered = np.sort(answer, axis=1)
        close = ordered[:, -1] - ordered[:, -2] < 1e-9
        expected["label"] = (labels, np.where(close, np.inf, 0.0))
    expected["output__0"] = (answer, 2e-7 * np.abs(answer) + 1e-12)
    return {"rows": rows, "what": what, "expected": expected, "extra": ["margin", "leaf"]}
