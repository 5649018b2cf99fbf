"""Random LightGBM models, and what LightGBM says of some rows."""

import lightgbm as lgb
import numpy as np

from rows import awkward

# Columns without any split, for one.
Refused = lgb.basic.LightGBMError
OBJECTIVES = ["regression", "regression_l1", "huber", "fair", "quantile", "mape", "poisson", "gamma", "tweedie", "binary",
              "binary", "cross_entropy", "cross_entropy_lambda", "lambdarank", "rank_xendcg", "multiclass", "multiclass",
              "multiclassova", "custom"]
POSITIVE = ("poisson", "gamma", "tweedie")
FRACTIONS = ("cross_entropy", "cross_entropy_lambda")


def make(seed, path):
    """Trains a model, saves it below `path`, and gives the case."""
    random = np.random.default_rng(seed)
    objective = str(random.choice(OBJECTIVES))
    features, count = int(random.integers(1, 9)), int(random.integers(40, 300))
    categorical = [at for at in range(features) if random.random() < 0.25]
    values = table(random, count, features, categorical)
    params = parameters(random, objective)
    if params.get("linear_tree"):
        categorical = []
    labels = labels_of(random, objective, count, params)
    group = [count] if objective in ("lambdarank", "rank_xendcg") else None
    data = lgb.Dataset(values, labels, group=group, params=params, categorical_feature=categorical, free_raw_data=False)
    rounds = int(random.choice([1, 2, 5, 20, 60, 60, 300], p=[0.2, 0.2, 0.2, 0.2, 0.1, 0.05, 0.05]))
    model = lgb.train(params, data, rounds)
    model.save_model(path / "model.txt")
    # Half of them take rows of 64 bits, with values that differ from thresholds in the last of these.
    kind = np.float64 if random.random() < 0.5 else np.float32
    rows = awkward(random, values, thresholds(model), categorical, np.inf, kind=kind)
    if params.get("linear_tree"):
        rows[np.isinf(rows) | (np.abs(rows) > 1e30)] = 7.5
    keys = ("boosting", "zero_as_missing", "use_missing", "linear_tree", "reg_sqrt", "sigmoid", "max_depth")
    what = f"{objective} {rounds} rounds {[(key, params[key]) for key in keys if key in params]} categories {categorical}"
    return expect(model, rows, objective, what, params)


def parameters(random, objective):
    params = {"objective": objective, "verbosity": -1, "num_threads": 1, "seed": int(random.integers(1 << 30)),
              "num_leaves": int(random.choice([2, 7, 31, 127])), "min_data_in_leaf": int(random.choice([1, 5, 20])),
              "max_depth": int(random.choice([-1, 1, 3, 8])), "learning_rate": float(random.choice([0.05, 0.3, 1.0])),
              "boosting": str(random.choice(["gbdt", "gbdt", "dart", "rf"])), "min_data_per_group": 1, "max_bin": 63}
    if objective == "custom":
        params["objective"] = lambda scores, data: (scores - data.get_label(), np.ones_like(scores))
        params["boosting"] = "gbdt"
    if params["boosting"] == "rf":
        params.update(bagging_freq=1, bagging_fraction=0.6)
    if random.random() < 0.25:
        params["zero_as_missing"] = True
    if random.random() < 0.15:
        params["use_missing"] = False
    if random.random() < 0.15:
        # No split is worth as much: trees of a single leaf.
        params["min_gain_to_split"] = 1e9
    if random.random() < 0.15 and params["boosting"] == "gbdt" and objective not in ("regression_l1", "quantile", "mape", "custom"):
        params["linear_tree"] = True
        params.pop("zero_as_missing", None)
    if random.random() < 0.5 and objective in ("regression", "regression_l1", "quantile", "huber", "fair", "mape"):
        params["reg_sqrt"] = True
    if objective in ("binary", "multiclassova"):
        params["sigmoid"] = float(random.choice([0.5, 1.0, 2.5]))
    if objective.startswith("multiclass"):
        params["num_class"] = int(random.integers(2, 6))
    if random.random() < 0.3:
        params["max_cat_to_onehot"] = int(random.choice([1, 4, 100]))
    return params


def labels_of(random, objective, count, params):
    if objective.startswith("multiclass"):
        labels = random.integers(0, params["num_class"], count)
        labels[: params["num_class"]] = range(params["num_class"])
        return labels
    if objective in ("binary", "lambdarank", "rank_xendcg"):
        labels = random.integers(0, 2, count)
        labels[:2] = (0, 1)
        return labels
    if objective in FRACTIONS:
        return random.random(count)
    if objective in POSITIVE:
        return random.gamma(2.0, 1.5, count) + 0.1
    return random.normal(size=count) * float(random.choice([1, 1000]))


def table(random, count, features, categorical):
    columns = []
    for at in range(features):
        if at in categorical:
            columns.append(random.integers(0, int(random.choice([2, 5, 70])), count).astype(np.float32))
        else:
            column = (random.normal(size=count) * 10.0 ** random.integers(-3, 4)).round(int(random.integers(0, 5)))
            column[random.random(count) < 0.2] = 0.0
            columns.append(column.astype(np.float32))
    values = np.stack(columns, axis=1)
    values[random.random(values.shape) < random.choice([0.0, 0.1, 0.4])] = np.nan
    return values


def thresholds(model):
    """Thresholds by column, from the dump of the trees."""
    found = {}

    def walk(node):
        stack = [node]
        while stack:
            node = stack.pop()
            if "split_feature" in node:
                if node["decision_type"] == "<=":
                    found.setdefault(node["split_feature"], []).append(float(node["threshold"]))
                stack += [node["left_child"], node["right_child"]]

    for tree in model.dump_model()["tree_info"]:
        walk(tree["tree_structure"])
    return found


def expect(model, rows, objective, what, params):
    wide = rows.astype(np.float64)
    answer = np.asarray(model.predict(wide), dtype=np.float64).reshape(len(rows), -1)
    margin = np.asarray(model.predict(wide, raw_score=True), dtype=np.float64).reshape(len(rows), -1)
    leaves = np.asarray(model.predict(wide, pred_leaf=True), dtype=np.float64).reshape(len(rows), -1)
    # The trees are summed in another order than LightGBM's, which shows in the last bits of 64.
    size = 1e-14 * np.sqrt(leaves.shape[1]) * (np.abs(margin) + largest(model) * np.sqrt(leaves.shape[1]))
    labels = None
    if objective.startswith("multiclass"):
        labels = answer.argmax(axis=1)
        ordered = np.sort(answer, axis=1)
        gap = ordered[:, -1] - ordered[:, -2]
    elif objective == "binary":
        labels = (answer[:, 0] > 0.5).astype(np.float64)
        gap = np.abs(answer[:, 0] - 0.5)
        answer = np.concatenate([1.0 - answer, answer], axis=1)
    expected = {"leaf": (leaves, 0.0), "margin": (margin, size + 6e-8 * np.abs(margin) + 1e-45)}
    # Behind a link, an error of the margin counts as one of the answer in proportion.
    widest = size.max(axis=1, keepdims=True) * max(1.0, params.get("sigmoid", 1.0))
    expected["output__0"] = (answer, (4 * widest + 1e-7) * (np.abs(answer) + (np.abs(margin) if answer.shape == margin.shape else 0)) + 1e-14 + widest)
    if labels is not None:
        expected["label"] = (labels.astype(np.float64), np.where(gap <= 1e-13, 100.0, 0.0))
    return {"rows": rows, "what": what, "expected": expected, "extra": ["margin", "leaf"]}


def largest(model):
    """The largest value of a leaf."""
    lines = [line for line in model.model_to_string().splitlines() if line.startswith("leaf_value=")]
    return max((abs(float(value)) for line in lines for value in line[11:].split()), default=1.0)
