#!/usr/bin/env python3
"""Writes the small tree models of tests/data/native, with the libraries' own answers beside them.

    target/interop/venv/bin/python interop/fixtures.py

The environment is the one that native_trees.py makes. Each model `NAME.EXT` gets a `NAME.golden.json`
in the form that versions carry; margins and leaves are in it too.
"""

import json
from pathlib import Path

import catboost as cat
import lightgbm as lgb
import numpy as np
import pandas as pd
import xgboost as xgb

DATA = Path(__file__).resolve().parent.parent / "tests" / "data" / "native"
NAMES = ["age", "income", "plan"]


def main():
    DATA.mkdir(parents=True, exist_ok=True)
    xgboost("xgb-binary.json", {"objective": "binary:logistic"})
    xgboost("xgb-multi.ubj", {"objective": "multi:softprob", "num_class": 3}, rounds=2)
    xgboost("xgb-dart.json", {"objective": "count:poisson", "booster": "dart", "rate_drop": 0.5})
    xgboost("xgb-linear.json", {"objective": "reg:squarederror", "booster": "gblinear"})
    xgboost("xgb-categories.json", {"objective": "reg:logistic", "max_cat_to_onehot": 1}, kinds=["q", "q", "c"])
    xgboost("xgb-categories.ubj", {"objective": "reg:logistic", "max_cat_to_onehot": 9}, kinds=["q", "q", "c"])
    xgboost("xgb-vector-leaf.json", {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"}, targets=2)
    lightgbm("lgb-binary.txt", {"objective": "binary", "sigmoid": 2.0})
    lightgbm("lgb-multiclass.txt", {"objective": "multiclass", "num_class": 3}, rounds=2)
    lightgbm("lgb-categories.txt", {"objective": "regression", "reg_sqrt": True, "use_missing": False}, categories=[2])
    lightgbm("lgb-zero-missing.txt", {"objective": "poisson", "zero_as_missing": True})
    lightgbm("lgb-forest.txt", {"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6})
    lightgbm("lgb-linear.txt", {"objective": "regression", "linear_tree": True})
    worded("xgb-words.json")
    worded("xgb-words.ubj")
    worded("lgb-words.txt")
    catboost("cat-classes.json", {"loss_function": "MultiClass"}, ["basic", "free", "gold"])
    catboost("cat-quantile.json", {"loss_function": "Quantile:alpha=0.3", "nan_mode": "Max"})


def table(seed, count=80):
    random = np.random.default_rng(seed)
    values = np.stack([random.integers(18, 80, count), random.normal(size=count).round(2), random.integers(0, 5, count)], axis=1)
    values[random.random(values.shape) < 0.15] = np.nan
    values[random.random(values.shape) < 0.05] = 0.0
    return values.astype(np.float32), random


def labels(objective, random, count, params, targets=1):
    if "num_class" in params:
        return np.arange(count) % params["num_class"]
    if "binary" in objective:
        return np.arange(count) % 2
    if "poisson" in objective:
        return random.integers(0, 4, count)
    return random.random((count, targets)).squeeze()


def xgboost(name, params, rounds=3, kinds=None, targets=1):
    values, random = table(7)
    kinds = kinds or ["q", "q", "q"]
    data = lambda rows: xgb.DMatrix(rows, feature_names=NAMES, feature_types=kinds, enable_categorical=True)
    train = data(values)
    train.set_label(labels(params["objective"], random, len(values), params, targets))
    model = xgb.train({"max_depth": 2, "nthread": 1, **params}, train, rounds)
    model.save_model(DATA / name)
    rows = probes(values)
    answer = model.predict(data(rows)).reshape(len(rows), -1)
    outputs = {"margin": model.predict(data(rows), output_margin=True).reshape(len(rows), -1)}
    if params.get("booster") != "gblinear":
        outputs["leaf"] = model.predict(data(rows), pred_leaf=True).reshape(len(rows), -1).astype(int)
    if params["objective"] == "binary:logistic":
        outputs["label"] = (answer[:, 0] > 0.5).astype(int)
        answer = np.concatenate([1 - answer, answer], axis=1)
    elif "num_class" in params:
        outputs["label"] = answer.argmax(axis=1)
    golden(name, rows, {"output__0": answer, **outputs})


def lightgbm(name, params, rounds=3, categories=()):
    values, random = table(8)
    params = {"num_leaves": 4, "min_data_in_leaf": 5, "num_threads": 1, "verbosity": -1, "min_data_per_group": 1, **params}
    train = lgb.Dataset(values, labels(params["objective"], random, len(values), params), feature_name=NAMES, categorical_feature=list(categories))
    model = lgb.train(params, train, rounds)
    model.save_model(DATA / name)
    rows = probes(values)
    wide = rows.astype(np.float64)
    answer = model.predict(wide).reshape(len(rows), -1)
    outputs = {"margin": model.predict(wide, raw_score=True).reshape(len(rows), -1),
               "leaf": model.predict(wide, pred_leaf=True).reshape(len(rows), -1).astype(int)}
    if params["objective"] == "binary":
        outputs["label"] = (answer[:, 0] > 0.5).astype(int)
        answer = np.concatenate([1 - answer, answer], axis=1)
    elif "num_class" in params:
        outputs["label"] = answer.argmax(axis=1)
    golden(name, rows, {"output__0": answer, **outputs})


def worded(name):
    """A model of a table whose categories are words. The case has their codes, and the words beside."""
    values, random = table(10)
    # XGBoost's Python package cuts words that are not ASCII at the wrong places.
    green = "green" if name.startswith("xgb") else "grün"
    words = np.array(["gold", "silver", "tin", green, ""], dtype=object)
    kinds = pd.CategoricalDtype(sorted(words))

    def frame(plans):
        plans = pd.Categorical(plans, dtype=kinds)
        return pd.DataFrame({"age": values[: len(plans), 0], "income": values[: len(plans), 1], "plan": plans})

    truth = random.random(len(values))
    train = frame(words[random.integers(0, 5, len(values))])
    plans = ["gold", "tin", None, green, "", "silver", "gold"]
    rows = frame(plans)
    if name.startswith("xgb"):
        model = xgb.train({"max_depth": 3, "nthread": 1, "max_cat_to_onehot": 1}, xgb.DMatrix(train, truth, enable_categorical=True), 3)
        answer = model.predict(xgb.DMatrix(rows, enable_categorical=True))
    else:
        params = {"num_leaves": 6, "min_data_in_leaf": 3, "num_threads": 1, "verbosity": -1, "min_data_per_group": 1, "cat_smooth": 0}
        model = lgb.train(params, lgb.Dataset(train, truth), 3)
        answer = model.predict(rows)
    model.save_model(DATA / name)
    codes = rows["plan"].cat.codes.to_numpy().astype(np.float32)
    codes[codes < 0] = np.nan
    table_of_codes = np.stack([rows["age"], rows["income"], codes], axis=1).astype(np.float32)
    golden(name, table_of_codes, {"output__0": np.asarray(answer).reshape(len(rows), -1)}, words=plans)


def catboost(name, params, classes=None):
    values, random = table(9)
    truth = random.random(len(values)) if classes is None else np.array(classes)[random.integers(0, len(classes), len(values))]
    model = cat.CatBoost({"iterations": 2, "depth": 2, "random_seed": 1, "thread_count": 1, "verbose": 0, "allow_writing_files": False, **params})
    model.fit(cat.Pool(values, truth, feature_names=NAMES))
    model.save_model(str(DATA / name), format="json")
    whole = json.loads((DATA / name).read_text())
    # Of what it says about training no more is kept than prediction needs.
    info = whole["model_info"]
    kept = {"params": {"loss_function": info["params"]["loss_function"]}, "class_params": info.get("class_params", {})}
    (DATA / name).write_text(json.dumps({**whole, "model_info": kept}))
    rows = probes(values)
    margin = model.predict(rows).reshape(len(rows), -1)
    outputs = {"output__0": margin, "margin": margin, "leaf": model.calc_leaf_indexes(rows).reshape(len(rows), -1).astype(int)}
    if classes:
        outputs["output__0"] = model.predict(rows, prediction_type="Probability")
        outputs["label"] = model.predict(rows, prediction_type="Class").ravel().astype(str)
    golden(name, rows, outputs)


def probes(values):
    """A few of the rows, and some that are odd: missing, zero, fractions and strangers for categories."""
    odd = np.array([[np.nan] * 3, [0, 0, 0], [40, -0.0, 2.9], [1e30, 1e-36, 77], [-5, 0.3, -0.5]], dtype=np.float32)
    return np.concatenate([values[:7], odd])


def golden(name, rows, outputs, **beside):
    rounded = {key: value.astype(np.float32).astype(np.float64).tolist() if value.dtype.kind == "f" else value.tolist() for key, value in outputs.items()}
    case = {"inputs": {"input__0": rows.astype(np.float64).tolist()}, "outputs": rounded, "rtol": 1e-6, "atol": 1e-7, **beside}
    (DATA / (name + ".golden.json")).write_text(json.dumps({"cases": [case]}) + "\n")


if __name__ == "__main__":
    main()
