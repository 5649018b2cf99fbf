#!/usr/bin/env python3
"""Make, or check, the example models of this folder.

    python train.py                 train every model, write its files, check them
    python train.py --only NAME     the same for one model
    python train.py --check         answer the golden cases again with onnxruntime
                                    from the files as they are; exit 1 on a mismatch

Each model has a `model.toml`, written by hand, and one folder for each version:

    model.onnx      the trained model
    golden.json     inputs, and the answers that onnxruntime gives for them
    reference.csv   a sample of the rows the version was trained on

Every seed is fixed. `--check` needs numpy, onnx and onnxruntime only, which is
why the training libraries are imported where they are used.
"""

import argparse
import csv
import json
import logging
import math
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

HERE = Path(__file__).resolve().parent
SEED = 20
SKL_OPSETS = {"": 17, "ai.onnx.ml": 3}
TORCH_OPSET = 18
TEST_SHARE = 0.25
REFERENCE_ROWS = 200
DIGITS_REFERENCE_ROWS = 100
CASE_ROWS = (1, 16, 7)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-6}
NETWORK_TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}  # plans for other batch sizes sum in another order
BATCH_TOLERANCE = 1e-6  # times the largest answer, where that is above 1


@dataclass
class Version:
    """One trained version, ready to be written to its folder."""

    model: onnx.ModelProto
    cases: list[dict[str, np.ndarray]]  # the inputs of each golden case
    header: list[str]
    reference: list[list]
    number: str = "1"
    tolerance: dict[str, float] = field(default_factory=lambda: dict(TOLERANCE))


# ---------------------------------------------------------------- onnxruntime


def open_session(model):
    """A session on the CPU, on one thread, so that sums keep their order."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def zipmap_classes(model):
    """For each output made by a ZipMap: its class labels, in the model's order."""
    classes = {}
    for node in model.graph.node:
        if node.op_type == "ZipMap":
            attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            strings = [s.decode() for s in attributes.get("classlabels_strings", [])]
            classes[node.output[0]] = strings or list(attributes["classlabels_int64s"])
    return classes


def answer(session, classes, inputs):
    """Every output of the model as an array; a ZipMap's as rows of probabilities."""
    names = [output.name for output in session.get_outputs()]
    outputs = {}
    for name, value in zip(names, session.run(names, inputs)):
        if name in classes:
            value = [[row[label] for label in classes[name]] for row in value]
            value = np.array(value, dtype=np.float32)
        outputs[name] = value
    return outputs


def largest_difference(left, right):
    """The largest difference of two arrays; infinite if shapes or labels differ."""
    left, right = np.asarray(left), np.asarray(right)
    if left.shape != right.shape:
        return math.inf
    if left.dtype.kind in "fc":
        return float(np.max(np.abs(left.astype(np.float64) - right.astype(np.float64))))
    return 0.0 if np.array_equal(left, right) else math.inf


def batch_difference(session, classes, inputs, outputs):
    """How far answers to a batch lie from those to its rows, one at a time."""
    rows = len(next(iter(inputs.values())))
    worst = 0.0
    for row in range(rows):
        one = {name: value[row : row + 1] for name, value in inputs.items()}
        for name, value in answer(session, classes, one).items():
            worst = max(worst, largest_difference(value, outputs[name][row : row + 1]))
    return worst


# ---------------------------------------------------------------------- files


def number_text(value):
    """A float32 as its shortest text that reads back, by way of a double, as itself."""
    value = np.float32(value)
    if np.isnan(value):
        return "NaN"
    text = str(value)
    if np.float32(float(text)) != value:
        text = repr(float(value))
    return text


def json_text(array):
    """An array as nested JSON lists."""
    if array.ndim:
        return "[" + ",".join(json_text(np.asarray(item)) for item in array) + "]"
    if array.dtype.kind == "f":
        return number_text(array)
    if array.dtype.kind in "iu":
        return str(int(array))
    return json.dumps(str(array), ensure_ascii=False)


def tensors_text(tensors):
    lines = [f"    {json.dumps(name)}: {json_text(np.asarray(v))}" for name, v in tensors.items()]
    return "{\n" + ",\n".join(lines) + "\n  }"


def golden_text(version):
    session, classes = open_session(version.model), zipmap_classes(version.model)
    limits = version.tolerance
    cases = []
    for inputs in version.cases:
        outputs = answer(session, classes, inputs)
        cases.append(
            f'{{\n  "inputs": {tensors_text(inputs)},\n'
            f'  "outputs": {tensors_text(outputs)},\n'
            f'  "rtol": {limits["rtol"]}, "atol": {limits["atol"]}\n}}'
        )
    return '{"cases": [' + ", ".join(cases) + "]}\n"


def cell_text(value):
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else number_text(value).removesuffix(".0")


def write_version(name, version):
    folder = HERE / name / version.number
    folder.mkdir(parents=True, exist_ok=True)
    onnx.checker.check_model(version.model, full_check=True)
    require_named_nodes(version.model)
    (folder / "model.onnx").write_bytes(version.model.SerializeToString(deterministic=True))
    (folder / "golden.json").write_text(golden_text(version), encoding="utf-8")
    with open(folder / "reference.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(version.header)
        writer.writerows([cell_text(value) for value in row] for row in version.reference)


def require_named_nodes(model):
    names = [node.name for node in model.graph.node]
    if not all(names) or len(set(names)) != len(names):
        raise SystemExit(f"{model.graph.name}: nodes without a name of their own: {names}")


# ----------------------------------------------------------- training, shared


def split(features, target, stratify=True):
    from sklearn.model_selection import train_test_split

    return train_test_split(
        features,
        target,
        test_size=TEST_SHARE,
        random_state=SEED,
        stratify=target if stratify else None,
    )


def sample(features, rows=REFERENCE_ROWS):
    """A fixed sample of the training rows, in their own order."""
    rows = min(rows, len(features))
    chosen = np.random.default_rng(SEED).choice(len(features), rows, replace=False)
    return features[np.sort(chosen)]


def wide_cases(name, features):
    """Golden cases for a model with one input tensor, from rows not trained on."""
    cases, start = [], 0
    for rows in CASE_ROWS:
        cases.append({name: features[start : start + rows]})
        start += rows
    return cases


def to_onnx(name, estimator, inputs, zipmap=True):
    """Converts with skl2onnx; `inputs` is a list of (name, tensor type)."""
    from sklearn.base import is_classifier
    from skl2onnx import convert_sklearn

    options = None
    if is_classifier(estimator) and not zipmap:
        options = {id(estimator): {"zipmap": False}}
    model = convert_sklearn(
        estimator,
        name=name,
        initial_types=inputs,
        target_opset=SKL_OPSETS,
        options=options,
    )
    # skl2onnx lists the opsets in the order of a Python set, which varies from run to
    # run. Some models name one of them twice; that is left as users will meet it.
    opsets = sorted(model.opset_import, key=lambda opset: opset.domain)
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model


def report_classifier(name, model, estimator, inputs, features, target):
    """Prints the accuracy, and how far ONNX and scikit-learn disagree on these rows."""
    label, probabilities = answer(open_session(model), zipmap_classes(model), inputs).values()
    same = np.mean(label == estimator.predict(features))
    apart = largest_difference(probabilities, estimator.predict_proba(features))
    print(f"{name}: accuracy {np.mean(label == target):.4f} on {len(label)} held-out rows")
    print(f"{name}: labels equal scikit-learn's {same:.4f}, probabilities within {apart:.2e}")


# ----------------------------------------------------------------- the models


def train_breast_cancer():
    from sklearn.datasets import load_breast_cancer
    from sklearn.ensemble import RandomForestClassifier
    from skl2onnx.common.data_types import FloatTensorType

    data = load_breast_cancer()
    train, test, y_train, y_test = split(data.data.astype(np.float32), data.target)
    # An odd number of trees, so that their votes are never tied at one half.
    forest = RandomForestClassifier(n_estimators=51, min_samples_leaf=2, random_state=SEED)
    forest.fit(train, y_train)
    inputs = [("input", FloatTensorType([None, train.shape[1]]))]
    model = to_onnx("breast-cancer", forest, inputs, zipmap=False)
    report_classifier("breast-cancer", model, forest, {"input": test}, test, y_test)
    return [Version(model, wide_cases("input", test), list(data.feature_names), sample(train))]


def train_diabetes():
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import GradientBoostingRegressor
    from sklearn.metrics import mean_absolute_error, r2_score
    from skl2onnx.common.data_types import FloatTensorType

    data = load_diabetes(scaled=False)
    features = data.data.astype(np.float32)
    train, test, y_train, y_test = split(features, data.target, stratify=False)
    boosted = GradientBoostingRegressor(
        n_estimators=100, max_depth=3, learning_rate=0.05, subsample=0.8, random_state=SEED
    ).fit(train, y_train)
    inputs = [("input", FloatTensorType([None, train.shape[1]]))]
    model = to_onnx("diabetes", boosted, inputs)
    (predicted,) = answer(open_session(model), {}, {"input": test}).values()
    apart = largest_difference(predicted[:, 0], boosted.predict(test))
    print(
        f"diabetes: mean absolute error {mean_absolute_error(y_test, predicted):.1f},"
        f" R2 {r2_score(y_test, predicted):.3f} on {len(test)} held-out rows"
    )
    print(f"diabetes: within {apart:.2e} of scikit-learn")
    return [Version(model, wide_cases("input", test), list(data.feature_names), sample(train))]


def train_wine():
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from skl2onnx.common.data_types import FloatTensorType

    data = load_wine()
    target = data.target_names[data.target]
    train, test, y_train, y_test = split(data.data.astype(np.float32), target)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    pipeline.fit(train, y_train)
    inputs = [("input", FloatTensorType([None, train.shape[1]]))]
    model = to_onnx("wine", pipeline, inputs)
    report_classifier("wine", model, pipeline, {"input": test}, test, y_test)
    return [Version(model, wide_cases("input", test), list(data.feature_names), sample(train))]


# ---------------------------------------------------------------------- churn

CHURN_NUMBERS = ["tenure_months", "monthly_charges", "support_calls", "data_usage_gb"]
CHURN_STRINGS = {
    "contract": (["month-to-month", "one-year", "two-year"], [0.55, 0.25, 0.20]),
    "payment_method": (["bank-transfer", "card", "check", "direct-debit"], [0.2, 0.4, 0.15, 0.25]),
    "region": (["east", "north", "south", "west"], [0.3, 0.2, 0.25, 0.25]),
}
CHURN_MISSING = {"monthly_charges": 0.03, "support_calls": 0.06, "data_usage_gb": 0.12}
CHURN_ROWS = 4000
SPLIT_SHIFT = 1e-3  # less than half the smallest step of a scaled column


def churn_table():
    """An invented table of customers, and which of them leave. Nobody real is in it."""
    import pandas

    rng = np.random.default_rng(SEED)
    n = CHURN_ROWS
    table = pandas.DataFrame(
        {
            "tenure_months": np.floor(np.clip(rng.gamma(1.6, 18.0, n), 1, 120)),
            "monthly_charges": np.round(rng.uniform(15, 120, n), 1),
            "support_calls": rng.poisson(1.5, n).astype(float),
            "data_usage_gb": np.round(rng.lognormal(2.3, 0.8, n), 1),
        }
    ).astype(np.float32)
    for name, (values, shares) in CHURN_STRINGS.items():
        table[name] = np.array(rng.choice(values, n, p=shares), dtype=object)
    leaves = rng.uniform(size=n) < churn_chance(table)
    for name, share in CHURN_MISSING.items():
        table.loc[rng.uniform(size=n) < share, name] = np.nan
    return table, np.where(leaves, "churn", "stay").astype(object)


def churn_chance(table):
    """The chance to leave that the invented labels are drawn from."""
    score = (
        -1.2
        - 0.06 * table["tenure_months"]
        + 0.03 * (table["monthly_charges"] - 60)
        + 0.9 * (table["support_calls"] - 1.5)
        - 0.03 * table["data_usage_gb"]
        + table["contract"].map({"month-to-month": 2.2, "one-year": 0.2, "two-year": -1.5})
        + table["payment_method"].map(
            {"bank-transfer": 0.0, "card": 0.0, "check": 0.8, "direct-debit": -0.4}
        )
        + 0.5 * (table["region"] == "west")
    )
    return 1 / (1 + np.exp(-score.astype(float)))


def churn_pipeline(trees, depth):
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
                CHURN_NUMBERS,
            ),
            (
                "strings",
                OneHotEncoder(handle_unknown="ignore", sparse_output=False, dtype=np.float32),
                list(CHURN_STRINGS),
            ),
        ]
    )
    boosted = GradientBoostingClassifier(n_estimators=trees, max_depth=depth, random_state=SEED)
    return make_pipeline(columns, boosted)


def shift_splits(pipeline):
    """Moves every split of the trees a little off the halfway point it was put at.

    Halfway between two values of a column on a grid there may be a third. A row
    with that value would go left or right by the last bit of the scaled number,
    in which float32 and float64 differ. The training rows fall as they did.
    """
    for (tree,) in pipeline[-1].estimators_:
        inner = tree.tree_.children_left >= 0
        tree.tree_.threshold[inner] += SPLIT_SHIFT


def churn_inputs(table):
    """One [rows, 1] tensor for each column."""
    tensors = {}
    for name in table.columns:
        kind = np.float32 if name in CHURN_NUMBERS else object
        tensors[name] = table[name].to_numpy(dtype=kind).reshape(-1, 1)
    return tensors


def churn_cases(table):
    """The usual cases, with numbers missing and categories the model never saw."""
    table = table.reset_index(drop=True)
    single = table.dropna().iloc[:1]
    sixteen = table.iloc[10:26].copy()
    sixteen.iloc[[2, 9], table.columns.get_loc("data_usage_gb")] = np.nan
    sixteen.iloc[[5], table.columns.get_loc("support_calls")] = np.nan
    seven = table.iloc[30:37].copy()
    seven.iloc[1, table.columns.get_loc("region")] = "overseas"
    seven.iloc[3, table.columns.get_loc("payment_method")] = ""
    seven.iloc[4, table.columns.get_loc("contract")] = "années"
    seven.iloc[4, table.columns.get_loc("tenure_months")] = np.nan
    empty = table.iloc[40:41].copy()
    empty[CHURN_NUMBERS] = np.float32(np.nan)
    return [single, sixteen, seven, empty]


def rename_outputs(model, names):
    """Gives the model's outputs other names, wherever the graph uses them."""
    new = dict(zip([output.name for output in model.graph.output], names))
    for output in model.graph.output:
        output.name = new[output.name]
    for node in model.graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]


def train_churn():
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    table, target = churn_table()
    print(f"churn: {np.mean(target == 'stay'):.4f} of all rows stay")
    train, test, y_train, y_test = split(table, target)
    kinds = [
        (name, (FloatTensorType if name in CHURN_NUMBERS else StringTensorType)([None, 1]))
        for name in table.columns
    ]
    cases = churn_cases(test)
    versions = []
    for number, trees, depth, zipmap in (("1", 60, 3, True), ("2", 120, 2, False)):
        pipeline = churn_pipeline(trees, depth).fit(train, y_train)
        fitted = pipeline.predict_proba(train)
        shift_splits(pipeline)
        if not np.array_equal(fitted, pipeline.predict_proba(train)):
            raise SystemExit("churn: the shifted splits changed a training row")
        model = to_onnx("churn", pipeline, kinds, zipmap)
        if versions:
            rename_outputs(model, [output.name for output in versions[0].model.graph.output])
        name = f"churn version {number}"
        report_classifier(name, model, pipeline, churn_inputs(test), test, y_test)
        for case in cases:
            report_agreement(name, model, pipeline, case)
        versions.append(
            Version(
                model,
                [churn_inputs(case) for case in cases],
                list(table.columns),
                sample(train.to_numpy(dtype=object)).tolist(),
                number,
            )
        )
    return versions


def report_agreement(name, model, pipeline, rows):
    """Stops if, on rows with gaps and unseen categories, ONNX and scikit-learn differ."""
    answers = answer(open_session(model), zipmap_classes(model), churn_inputs(rows))
    label, probabilities = answers.values()
    apart = largest_difference(probabilities, pipeline.predict_proba(rows))
    if apart > 1e-5 or not np.array_equal(label, pipeline.predict(rows)):
        raise SystemExit(f"{name}: the ONNX model and scikit-learn disagree: {apart}")


# --------------------------------------------------------------------- digits


def digits_network():
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 4 * 4, 64),
        nn.ReLU(),
        nn.Linear(64, 10),
    )


def fit_digits(network, images, target, epochs=30, batch=64):
    """Trains on pixels in 0..1, then folds the division by 16 into the first layer."""
    import torch

    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loss = torch.nn.CrossEntropyLoss()
    images, target = torch.from_numpy(images) / 16, torch.from_numpy(target)
    for _ in range(epochs):
        for rows in torch.randperm(len(images)).split(batch):
            optimizer.zero_grad()
            loss(network(images[rows]), target[rows]).backward()
            optimizer.step()
        schedule.step()
    with torch.no_grad():
        network[0].weight /= 16  # a power of two, so no bit of the weights is lost
    return network.eval()


def export_digits(network):
    """The network as ONNX, free of notes on where in the source each node came from."""
    import torch

    logging.disable(logging.WARNING)  # the exporter's, about packages it can do without
    batch = torch.export.Dim("batch", min=1)
    program = torch.onnx.export(
        network,
        (torch.zeros(2, 1, 8, 8),),
        dynamo=True,
        verbose=False,
        opset_version=TORCH_OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_shapes=({0: batch},),
    )
    model = program.model_proto
    tidy(model, "digits")
    return model


def tidy(model, name):
    """Removes the exporter's notes and gives the graph and its nodes plain names."""
    model.graph.name = name
    del model.metadata_props[:], model.graph.metadata_props[:], model.functions[:]
    model.doc_string = model.graph.doc_string = ""
    del model.graph.value_info[:]
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
        node.doc_string = ""
        del node.metadata_props[:]
    for item in [*model.graph.initializer, *model.graph.input, *model.graph.output]:
        item.doc_string = ""
        del item.metadata_props[:]


def train_digits():
    import torch
    from sklearn.datasets import load_digits

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = load_digits()
    images = data.images.astype(np.float32).reshape(-1, 1, 8, 8)
    train, test, y_train, y_test = split(images, data.target)
    network = fit_digits(digits_network(), train, y_train)
    model = export_digits(network)
    (logits,) = answer(open_session(model), {}, {"image": test}).values()
    with torch.no_grad():
        apart = largest_difference(logits, network(torch.from_numpy(test)).numpy())
    weights = sum(parameter.numel() for parameter in network.parameters())
    accuracy = np.mean(logits.argmax(axis=1) == y_test)
    print(f"digits: accuracy {accuracy:.4f} on {len(test)} held-out rows, {weights} parameters")
    print(f"digits: within {apart:.2e} of PyTorch")
    header = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
    reference = sample(train, DIGITS_REFERENCE_ROWS).reshape(-1, 64)
    cases = wide_cases("image", test)
    return [Version(model, cases, header, reference, tolerance=dict(NETWORK_TOLERANCE))]


MODELS = {
    "breast-cancer": train_breast_cancer,
    "churn": train_churn,
    "diabetes": train_diabetes,
    "digits": train_digits,
    "wine": train_wine,
}


# ---------------------------------------------------------------------- check

NUMPY_TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(string)": object}


def check_case(session, classes, case):
    """What is wrong with one golden case, and how far its single rows lie from the batch."""
    types = {item.name: NUMPY_TYPES[item.type] for item in session.get_inputs()}
    inputs = {name: np.array(v, dtype=types[name]) for name, v in case["inputs"].items()}
    outputs = answer(session, classes, inputs)
    if outputs.keys() != case["outputs"].keys():
        return [f"outputs {sorted(outputs)}, golden has {sorted(case['outputs'])}"], math.inf
    faults = []
    for name, value in outputs.items():
        if not agrees(value, case["outputs"][name], case["rtol"], case["atol"]):
            faults.append(f"{name} differs from the golden answer")
    apart = batch_difference(session, classes, inputs, outputs)
    if apart > max(1.0, largest_output(outputs)) * BATCH_TOLERANCE:
        faults.append(f"the batch and its single rows differ by {apart:.2e}")
    return faults, apart


def largest_output(outputs):
    floats = [np.max(np.abs(v)) for v in outputs.values() if v.dtype.kind == "f"]
    return float(max(floats, default=0.0))


def agrees(value, golden, rtol, atol):
    golden = np.array(golden, dtype=value.dtype)
    if value.shape != golden.shape:
        return False
    if value.dtype.kind == "f":
        return bool(np.allclose(value, golden, rtol=rtol, atol=atol))
    return bool(np.array_equal(value, golden))


def check_version(folder, columns):
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    session, classes = open_session(model), zipmap_classes(model)
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    faults, worst = [], 0.0
    for index, case in enumerate(golden["cases"]):
        wrong, apart = check_case(session, classes, case)
        faults += [f"case {index}: {fault}" for fault in wrong]
        worst = max(worst, apart)
    with open(folder / "reference.csv", newline="", encoding="utf-8") as file:
        header = next(csv.reader(file))
    if columns is not None and header != columns:
        faults.append("the header of reference.csv differs from the columns in model.toml")
    return f"{len(golden['cases'])} cases, single rows within {worst:.1e}", faults


def check_model(name):
    """Checks every version of a model; True if all is well."""
    settings = tomllib.loads((HERE / name / "model.toml").read_text(encoding="utf-8"))
    columns = settings.get("input", {}).get("columns")
    folders = sorted(path.parent for path in (HERE / name).glob("*/model.onnx"))
    good = bool(folders)
    for folder in folders:
        summary, faults = check_version(folder, columns)
        print(f"{name} version {folder.name}: {summary}: {'FAILED' if faults else 'ok'}")
        for fault in faults:
            print(f"  {fault}")
        good = good and not faults
    return good


def main():
    parser = argparse.ArgumentParser(description="Make, or check, the example models.")
    parser.add_argument("--only", metavar="NAME", choices=MODELS, help=", ".join(MODELS))
    parser.add_argument("--check", action="store_true", help="train nothing; check the files")
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(MODELS)
    if not arguments.check:
        for name in names:
            for version in MODELS[name]():
                write_version(name, version)
    results = [check_model(name) for name in names]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
