"""Random XGBoost models, and what XGBoost says of some rows."""

import json

import numpy as np
import xgboost as xgb

from rows import awkward

Refused = xgb.core.XGBoostError
SCALARS = ["reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:pseudohubererror", "reg:absoluteerror",
           "reg:quantileerror", "reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "survival:aft",
           "binary:logistic", "binary:logitraw", "binary:hinge", "rank:pairwise", "rank:ndcg", "rank:map"]
CLASSES = ["multi:softprob", "multi:softmax"]
POSITIVE = ("reg:gamma", "reg:tweedie", "count:poisson", "survival:cox", "survival:aft")
FRACTIONS = ("reg:logistic",)
BINARY = ("binary:logistic", "binary:logitraw", "binary:hinge", "rank:pairwise", "rank:ndcg", "rank:map")


def make(seed, path):
    """Trains a model, saves it below `path`, and gives the case."""
    random = np.random.default_rng(seed)
    if random.random() < 0.12:
        return estimator(random, path)
    objective = str(random.choice(SCALARS + CLASSES * 4))
    booster = str(random.choice(["gbtree", "gbtree", "gbtree", "dart", "gblinear"]))
    features, count = int(random.integers(1, 9)), int(random.integers(20, 200))
    kinds = ["c" if booster != "gblinear" and random.random() < 0.25 else "q" for _ in range(features)]
    values = table(random, count, kinds)
    params = parameters(random, objective, booster, kinds)
    targets = int(random.integers(2, 4)) if objective in ("reg:squarederror", "binary:logistic") and random.random() < 0.3 else 1
    if targets > 1 and booster == "gbtree" and objective == "reg:squarederror" and random.random() < 0.6:
        params["multi_strategy"] = "multi_output_tree"
        params["tree_method"] = "hist"
    labels = labels_of(random, objective, count, targets, params)
    data = xgb.DMatrix(values, feature_types=kinds, enable_categorical=True)
    if random.random() < 0.5:
        data.feature_names = [f"column {at}" for at in range(features)]
    if objective.startswith("rank:"):
        data.set_group([count])
    if objective == "survival:aft":
        data.set_float_info("label_lower_bound", labels)
        data.set_float_info("label_upper_bound", labels)
    else:
        data.set_label(labels)
    rounds = int(random.choice([1, 2, 5, 20, 60]))
    if booster == "gbtree" and targets == 1 and random.random() < 0.1:
        rounds = 300
    model = xgb.train(params, data, rounds)
    what = f"{objective} {booster} {rounds} rounds depth {params.get('max_depth')} {''.join(kinds)}"
    return case(random, model, path, values, kinds, objective, what, booster == "gblinear", targets)


def parameters(random, objective, booster, kinds):
    params = {"objective": objective, "booster": booster, "max_depth": int(random.integers(0, 13)), "nthread": 1,
              "seed": int(random.integers(1 << 30)), "verbosity": 0, "eta": float(random.choice([0.05, 0.3, 1.0])),
              "min_child_weight": 0}
    if params["max_depth"] == 0:
        # 0 means no limit; a tree of nothing but its root comes from a split that is too dear.
        params["gamma"] = 1e9
    if random.random() < 0.3:
        params["base_score"] = float(random.choice([0.25, 0.5, 0.9]))
    if random.random() < 0.2 and booster == "gbtree":
        params.update(num_parallel_tree=3, subsample=0.7)
    if random.random() < 0.3:
        params["max_cat_to_onehot"] = int(random.choice([1, 4, 100]))
    if random.random() < 0.15 and booster == "gbtree" and "c" not in kinds:
        # Pruning leaves deleted nodes behind.
        params.update(tree_method="exact", gamma=0.3)
    if booster == "dart":
        params.update(rate_drop=0.4, skip_drop=0.2)
    if objective.startswith("multi:"):
        params["num_class"] = int(random.integers(2, 7))
    if objective == "reg:quantileerror":
        params["quantile_alpha"] = 0.3 if random.random() < 0.5 else [0.1, 0.5, 0.9]
    return params


def labels_of(random, objective, count, targets, params):
    if objective.startswith("multi:"):
        return random.integers(0, params["num_class"], count).astype(float)
    if objective in BINARY:
        return random.integers(0, 2, (count, targets)).astype(float).squeeze()
    if objective in FRACTIONS:
        return random.random(count)
    if objective in POSITIVE or objective == "reg:squaredlogerror":
        return random.gamma(2.0, 1.5, count).round(0 if objective == "count:poisson" else 6) + (objective != "count:poisson") * 0.1
    return random.normal(size=(count, targets)).squeeze() * float(random.choice([1, 1000]))


def table(random, count, kinds):
    columns = []
    for kind in kinds:
        if kind == "c":
            columns.append(random.integers(0, int(random.choice([2, 5, 70])), count).astype(np.float32))
        else:
            columns.append((random.normal(size=count) * 10.0 ** random.integers(-3, 4)).round(int(random.integers(0, 5))).astype(np.float32))
    values = np.stack(columns, axis=1)
    values[random.random(values.shape) < random.choice([0.0, 0.1, 0.4])] = np.nan
    return values


def estimator(random, path):
    """A classifier of the scikit-learn interface that stopped early: its predict leaves trees out."""
    count, classes = 150, int(random.choice([2, 3]))
    values = table(random, count, ["q"] * 4)
    labels = random.integers(0, classes, count)
    labels[:classes] = range(classes)
    model = xgb.XGBClassifier(n_estimators=30, early_stopping_rounds=int(random.integers(2, 6)), max_depth=3, n_jobs=1, num_parallel_tree=int(random.choice([1, 2])))
    model.fit(values, labels, eval_set=[(values[:40], random.permutation(labels[:40]))], verbose=False)
    model.save_model(path / random.choice(["model.json", "model.ubj"]))
    rows = awkward(random, values, thresholds(model.get_booster()), [], 3e38)
    best = (0, model.best_iteration + 1)
    what = f"XGBClassifier, best of {model.get_booster().num_boosted_rounds()} rounds is {model.best_iteration}"
    return expect(model.get_booster(), rows, "multi:softprob" if classes > 2 else "binary:logistic", what, False, 1, best, model)


def thresholds(model):
    """Split conditions by column."""
    found = {}
    config = json.loads(model.save_raw("json"))
    booster = config["learner"]["gradient_booster"]
    for tree in booster.get("gbtree", booster).get("model", {}).get("trees", []):
        for left, column, condition in zip(tree["left_children"], tree["split_indices"], tree["split_conditions"]):
            if left != -1:
                found.setdefault(column, []).append(np.float32(condition))
    return found


def case(random, model, path, values, kinds, objective, what, linear, targets):
    model.save_model(path / random.choice(["model.json", "model.ubj"]))
    categorical = [at for at, kind in enumerate(kinds) if kind == "c"]
    rows = awkward(random, values, {} if linear else thresholds(model), categorical, 1e3 if linear else 3e38)
    return expect(model, rows, objective, what, linear, targets, (0, 0), None, kinds)


def expect(model, rows, objective, what, linear, targets, kept, estimator, kinds=None):
    data = xgb.DMatrix(rows, feature_types=kinds, enable_categorical=True)
    data.feature_names = model.feature_names
    answer = model.predict(data, iteration_range=kept).astype(np.float64)
    margin = model.predict(data, output_margin=True, iteration_range=kept).astype(np.float64).reshape(len(rows), -1)
    expected = {}
    if linear:
        terms = np.nan_to_num(np.abs(rows)).astype(np.float64).sum(axis=1, keepdims=True)
        weights = np.abs(json.loads(model.save_raw("json"))["learner"]["gradient_booster"]["model"]["weights"]).max()
        slack = 2.4e-7 * (np.abs(margin) + terms * weights + 1) * rows.shape[1]
    else:
        leaves = model.predict(data, pred_leaf=True, iteration_range=kept).astype(np.float64).reshape(len(rows), -1)
        expected["leaf"] = (leaves, 0.0)
        slack = 6e-8 * (4 * np.sqrt(leaves.shape[1]) + 8) * (sums(model, leaves) + np.abs(margin) + 1)
    expected["margin"] = (margin, slack)
    labels = None
    if objective == "multi:softmax":
        labels, kind = answer, "softmax"
        top = np.exp(margin - margin.max(axis=1, keepdims=True))
        answer = top / top.sum(axis=1, keepdims=True)
    elif objective == "multi:softprob":
        kind, labels = "softmax", answer.reshape(len(rows), -1).argmax(axis=1)
    elif objective in ("binary:logistic", "binary:hinge") and targets == 1:
        kind, labels = "binary", (answer > 0.5).astype(float)
        answer = np.stack([(np.float32(1) - answer.astype(np.float32)).astype(np.float64), answer], axis=1)
    else:
        kind = "values"
    if estimator is not None:
        answer, labels = estimator.predict_proba(rows).astype(np.float64), estimator.predict(rows)
        expected["leaf"] = (estimator.apply(rows).astype(np.float64).reshape(len(rows), -1), 0.0)
    answer = answer.reshape(len(rows), -1)
    linked = objective in POSITIVE + FRACTIONS + ("binary:logistic",) or kind == "softmax"
    if objective == "binary:hinge":
        allowed = np.where(np.abs(margin) <= slack, 1.0, 0.0)
    elif linked:
        widest = slack.max(axis=1, keepdims=True)
        allowed = (2 * widest + 1e-6) * np.abs(answer) + (0.5 * widest + 6e-8 if kind == "binary" else 1e-37)
    else:
        allowed = slack + 1e-7 * np.abs(answer)
    expected["output__0"] = (answer, allowed)
    if labels is not None:
        ordered = np.sort(margin, axis=1)
        gap = ordered[:, -1] - ordered[:, -2] if margin.shape[1] > 1 else np.abs(margin[:, 0])
        expected["label"] = (labels.astype(np.float64), np.where(gap <= 4 * slack.max(axis=1) + 2e-7, 100.0, 0.0))
    return {"rows": rows, "what": what, "expected": expected, "extra": ["margin"] if linear else ["margin", "leaf"]}


def sums(model, leaves):
    """What the leaves of each row add up to, signs left aside: the size of a sum on its way."""
    booster = json.loads(model.save_raw("json"))["learner"]["gradient_booster"]
    trees = booster.get("gbtree", booster)["model"]["trees"]
    total = np.zeros(len(leaves))
    for at in range(leaves.shape[1]):
        tree = trees[at]
        weights = np.abs(np.array(tree.get("leaf_weights") or tree["split_conditions"], dtype=np.float64))
        total += weights.max() if tree.get("leaf_weights") else weights[leaves[:, at].astype(int)]
    return total[:, None]
