#!/usr/bin/env python3
"""Exports scikit-learn pipelines, answers them with onnxruntime and with Tidegate, and compares.

    python3 interop/sklearn_zoo.py                        all pipelines, one table
    python3 interop/sklearn_zoo.py --seed 7 svc text      those whose name has one of the words, other data

Each pipeline is fitted on random data, exported with skl2onnx as it comes (ZipMap and all), and asked the
same rows by both. A pipeline passes if labels are equal and floats lie within 1e-4 absolutely or relatively;
it is refused if Tidegate says that it does not take it, and skipped if skl2onnx or onnxruntime do not.
"rows" says whether a row's answer is the same to the last bit alone and in its batch. Exits with 1 if any
answer is wrong.

Packages come from models/requirements.txt; where they are missing a virtual environment is made in
target/interop. Needs Python 3.11 or later and cargo.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "interop"
PACKAGES = ("numpy", "onnx", "onnxruntime", "pandas", "scikit-learn", "scipy", "skl2onnx")
ROWS = 40
# The newest that skl2onnx writes trees for.
OPSETS = {"": 20, "ai.onnx.ml": 3}
TOLERANCE = ["--rtol", "1e-4", "--atol", "1e-4"]

try:
    import numpy as np
    import onnx
    import onnxruntime
    import pandas as pd
    from onnx import numpy_helper
    from skl2onnx import to_onnx
    from skl2onnx.common import data_types as types
except ImportError:
    # A second start in the environment that has them.
    python = WORK / "zoo" / "bin" / "python"
    if Path(sys.executable) == python:
        raise
    pins = [line for line in (ROOT / "models/requirements.txt").read_text().split() if line.split("==")[0] in PACKAGES]
    subprocess.run([sys.executable, "-m", "venv", WORK / "zoo"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins], check=True)
    os.execv(python, [python, *sys.argv])

from sklearn import (
    calibration, cluster, compose, decomposition, discriminant_analysis, ensemble, feature_selection, gaussian_process,
    impute, kernel_approximation, linear_model, mixture, multiclass, multioutput, naive_bayes, neighbors, neural_network,
    pipeline, preprocessing, svm, tree,
)
from sklearn.feature_extraction import DictVectorizer, text

warnings.filterwarnings("ignore")
chain = pipeline.make_pipeline
WORDS = "the quick brown Fox jumps over a lazy dog 42 tide gate moon_light naïve don't e-mail".split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    data = Data(options.seed)
    chosen = [one for one in zoo(data) if not options.words or any(word in one[0] for word in options.words)]
    folder = WORK / "sklearn"
    shutil.rmtree(folder, ignore_errors=True)
    skipped, cases = [], []
    for name, model, (inputs, target), settings in chosen:
        try:
            cases.append(export(folder / name.replace(" ", "_"), name, model, inputs, target, settings))
        except Exception as error:
            skipped.append((name, f"{type(error).__name__}: {error}".split("\n")[0][:90]))
    fates = ask(cases)
    table(fates, skipped)
    if options.json:
        options.json.write_text(json.dumps({"fates": fates, "skipped": skipped}, indent=1))
    wrong = [name for name, fate in fates if fate["outcome"] == "wrong"]
    if wrong:
        sys.exit(f"FAILED: wrong answers from {', '.join(wrong)}")


class Data:
    """Random tables and texts, each with something to learn."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.x = rng.normal(size=(240, 5)).astype(np.float32)
        score = self.x[:, 0] + self.x[:, 1] * self.x[:, 2] + rng.normal(scale=0.3, size=240)
        self.two = (score > 0).astype(np.int64)
        self.three = np.digitize(score, [-0.6, 0.6]).astype(np.int64)
        self.named = np.array(["low", "mid", "high"])[self.three]
        self.number = score.astype(np.float32)
        self.several = np.stack([score, self.x[:, 3] - score], axis=1).astype(np.float32)
        self.holes = self.x.copy()
        self.holes[rng.random(self.x.shape) < 0.15] = np.nan
        self.texts = np.array([" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(240)]).reshape(-1, 1)
        self.topics = np.array([int("tide" in one[0]) + int("Fox" in one[0]) for one in self.texts])
        self.frame = pd.DataFrame({
            "age": self.x[:, 0],
            "size": self.x[:, 1],
            "colour": rng.choice(["red", "green", "blue"], 240),
            "town": rng.choice(["Bern", "Oslo", "Rome", "Lima"], 240),
        })
        self.mixed = (score + (self.frame["colour"] == "red") > 0.3).astype(np.int64).to_numpy()
        self.codes = rng.integers(0, 4, size=(240, 3)).astype(np.int64)
        # Dictionaries that do not name every column; the first names all.
        rows = [dict(zip("abcde", map(float, row))) for row in self.x]
        self.dictionaries = rows[:1] + [{k: v for k, v in row.items() if rng.random() < 0.7} for row in rows[1:]]


def zoo(d):
    """Name, estimator, (inputs, target) and settings of each pipeline."""
    two, three, named, number = (d.x, d.two), (d.x, d.three), (d.x, d.named), (d.x, d.number)
    texts, frame = (d.texts, d.topics), (d.frame, d.mixed)
    logistic = lambda: linear_model.LogisticRegression(max_iter=500)
    columns = compose.make_column_transformer
    words = dict(token_pattern="[a-zA-Z0-9_]+")
    kernels = ("linear", "poly", "rbf", "sigmoid")
    plain = [
        *[(f"svc {k}", svm.SVC(kernel=k), three) for k in kernels],
        *[(f"svc {k} probability", svm.SVC(kernel=k, probability=True, random_state=0), three) for k in kernels],
        ("svc two", svm.SVC(), two),
        ("svc two probability", svm.SVC(probability=True, random_state=0), two),
        ("svc named probability", svm.SVC(probability=True, random_state=0), named),
        ("nusvc probability", svm.NuSVC(nu=0.2, probability=True, random_state=0), three),
        ("nusvc", svm.NuSVC(nu=0.2), three),
        *[(f"svr {k}", svm.SVR(kernel=k), number) for k in kernels],
        ("nusvr", svm.NuSVR(), number),
        ("one-class svm", svm.OneClassSVM(), (d.x, None)),
        ("linear svc", svm.LinearSVC(), three),
        ("linear svr", svm.LinearSVR(), number),
        ("logistic two", logistic(), two),
        ("logistic three", logistic(), three),
        ("logistic named", logistic(), named),
        ("logistic ovr", multiclass.OneVsRestClassifier(logistic()), three),
        ("one-vs-one", multiclass.OneVsOneClassifier(logistic()), three),
        ("perceptron", linear_model.Perceptron(), three),
        ("sgd log", linear_model.SGDClassifier(loss="log_loss", random_state=0), three),
        ("sgd huber", linear_model.SGDClassifier(loss="modified_huber", random_state=0), three),
        ("ridge", linear_model.Ridge(), number),
        ("ridge classifier", linear_model.RidgeClassifier(), three),
        ("lasso several", linear_model.MultiTaskLasso(), (d.x, d.several)),
        ("poisson", linear_model.PoissonRegressor(), (d.x, np.exp(d.number))),
        ("ransac", linear_model.RANSACRegressor(random_state=0), number),
        ("gaussian nb", naive_bayes.GaussianNB(), three),
        ("multinomial nb", chain(preprocessing.MinMaxScaler(), naive_bayes.MultinomialNB()), three),
        ("bernoulli nb", naive_bayes.BernoulliNB(), three),
        ("complement nb", chain(preprocessing.MinMaxScaler(), naive_bayes.ComplementNB()), three),
        ("categorical nb", naive_bayes.CategoricalNB(), (d.codes, d.three)),
        ("knn", neighbors.KNeighborsClassifier(), three),
        ("knn distance", neighbors.KNeighborsClassifier(weights="distance"), named),
        ("knn manhattan", neighbors.KNeighborsClassifier(p=1), three),
        ("knn cdist", neighbors.KNeighborsClassifier(), three, {"optim": "cdist"}),
        ("knn regressor", neighbors.KNeighborsRegressor(), number),
        ("radius", neighbors.RadiusNeighborsClassifier(radius=5.0), three),
        ("centroid", neighbors.NearestCentroid(), three),
        ("mlp", neural_network.MLPClassifier((32, 16), max_iter=80, random_state=0), three),
        ("mlp two tanh", neural_network.MLPClassifier((16,), activation="tanh", max_iter=80, random_state=0), two),
        ("mlp regressor", neural_network.MLPRegressor(hidden_layer_sizes=(32,), max_iter=80, random_state=0), number),
        ("lda", discriminant_analysis.LinearDiscriminantAnalysis(), three),
        ("qda", discriminant_analysis.QuadraticDiscriminantAnalysis(), three),
        ("gaussian mixture", mixture.GaussianMixture(3, random_state=0), (d.x, None)),
        ("gaussian mixture tied", mixture.GaussianMixture(3, covariance_type="tied", random_state=0), (d.x, None)),
        ("kmeans", cluster.KMeans(4, n_init=2, random_state=0), (d.x, None)),
        ("decision tree", tree.DecisionTreeClassifier(max_depth=5, random_state=0), three),
        ("tree regressor", tree.DecisionTreeRegressor(max_depth=5, random_state=0), number),
        ("random forest", ensemble.RandomForestClassifier(21, random_state=0), named),
        ("extra trees", ensemble.ExtraTreesRegressor(20, random_state=0), number),
        ("gradient boosting", ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0), three),
        ("hist gradient boosting", ensemble.HistGradientBoostingClassifier(max_iter=20, random_state=0), three),
        ("adaboost", ensemble.AdaBoostClassifier(n_estimators=8, random_state=0), three),
        ("adaboost regressor", ensemble.AdaBoostRegressor(n_estimators=8, random_state=0), number),
        ("bagging", ensemble.BaggingClassifier(logistic(), 4, random_state=0), three),
        ("isolation forest", ensemble.IsolationForest(n_estimators=10, random_state=0), (d.x, None)),
        ("local outlier", neighbors.LocalOutlierFactor(novelty=True), (d.x, None)),
        ("voting soft", ensemble.VotingClassifier([("a", logistic()), ("b", naive_bayes.GaussianNB())], voting="soft", flatten_transform=False), three),
        ("voting hard", ensemble.VotingClassifier([("a", logistic()), ("b", naive_bayes.GaussianNB())], flatten_transform=False), three),
        ("voting regressor", ensemble.VotingRegressor([("a", linear_model.Ridge()), ("b", svm.SVR())]), number),
        ("stacking", ensemble.StackingClassifier([("a", logistic()), ("b", naive_bayes.GaussianNB())]), three),
        ("stacking regressor", ensemble.StackingRegressor([("a", linear_model.Ridge()), ("b", svm.SVR())]), number),
        ("calibrated sigmoid", calibration.CalibratedClassifierCV(svm.LinearSVC()), three),
        ("calibrated isotonic", calibration.CalibratedClassifierCV(naive_bayes.GaussianNB(), method="isotonic"), three),
        ("multi output", multioutput.MultiOutputRegressor(linear_model.Ridge()), (d.x, d.several)),
        ("chain of scalers", chain(preprocessing.StandardScaler(), preprocessing.RobustScaler(), preprocessing.MaxAbsScaler(), logistic()), three),
        ("normalizer l1", chain(preprocessing.Normalizer("l1"), logistic()), three),
        ("normalizer l2", chain(preprocessing.Normalizer("l2"), logistic()), three),
        ("normalizer max", chain(preprocessing.Normalizer("max"), logistic()), three),
        ("power transformer", chain(preprocessing.PowerTransformer(), logistic()), three),
        ("quantile transformer", chain(preprocessing.QuantileTransformer(n_quantiles=20), logistic()), three),
        ("polynomial", chain(preprocessing.PolynomialFeatures(2), logistic()), three),
        ("splines", chain(preprocessing.SplineTransformer(), logistic()), three),
        ("bins onehot", chain(preprocessing.KBinsDiscretizer(4, encode="onehot-dense"), logistic()), three),
        ("bins ordinal", chain(preprocessing.KBinsDiscretizer(4, encode="ordinal"), logistic()), three),
        ("binarizer", chain(preprocessing.Binarizer(threshold=0.2), logistic()), three),
        ("pca", chain(decomposition.PCA(3), logistic()), three),
        ("incremental pca", chain(decomposition.IncrementalPCA(3), logistic()), three),
        ("truncated svd", chain(decomposition.TruncatedSVD(3), logistic()), three),
        ("kernel pca", chain(decomposition.KernelPCA(3, kernel="rbf"), logistic()), three),
        ("nystroem", chain(kernel_approximation.Nystroem(n_components=10, random_state=0), logistic()), three),
        ("select k best", chain(feature_selection.SelectKBest(k=3), logistic()), three),
        ("imputer mean", chain(impute.SimpleImputer(), logistic()), (d.holes, d.three)),
        ("imputer median flags", chain(impute.SimpleImputer(strategy="median", add_indicator=True), logistic()), (d.holes, d.three)),
        ("imputer knn", chain(impute.KNNImputer(), logistic()), (d.holes, d.three)),
        ("union", chain(pipeline.make_union(decomposition.PCA(2), preprocessing.StandardScaler()), logistic()), three),
        ("integers onehot", chain(preprocessing.OneHotEncoder(handle_unknown="ignore", sparse_output=False), logistic()), (d.codes, d.three)),
        ("integers scaled", chain(preprocessing.StandardScaler(), logistic()), (d.codes, d.three)),
        ("doubles logistic", logistic(), (d.x.astype(np.float64), d.three)),
        ("doubles ridge", chain(preprocessing.StandardScaler(), linear_model.Ridge()), (d.x.astype(np.float64), d.number)),
        # In floats the answer of a process is mostly rounding, so it is asked in doubles only.
        ("doubles process", gaussian_process.GaussianProcessRegressor(alpha=0.1), (d.x.astype(np.float64), d.number)),
        ("text counts", chain(text.CountVectorizer(**words), logistic()), texts),
        ("text default pattern", chain(text.CountVectorizer(), logistic()), texts),
        ("text binary", chain(text.CountVectorizer(binary=True, lowercase=False, **words), logistic()), texts),
        ("text tfidf", chain(text.TfidfVectorizer(**words), logistic()), texts),
        ("text tfidf bigrams", chain(text.TfidfVectorizer(ngram_range=(1, 2), **words), logistic()), texts),
        ("text tfidf sublinear", chain(text.TfidfVectorizer(sublinear_tf=True, norm="l1", **words), logistic()), texts),
        ("text stop words", chain(text.TfidfVectorizer(stop_words=["the", "a"], **words), logistic()), texts),
        ("text characters", chain(text.TfidfVectorizer(analyzer="char", ngram_range=(1, 3)), logistic()), texts),
        ("text naive bayes", chain(text.CountVectorizer(**words), naive_bayes.MultinomialNB()), texts),
        ("text svd", chain(text.TfidfVectorizer(**words), decomposition.TruncatedSVD(4), logistic()), texts),
        ("columns onehot", chain(columns((preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour", "town"]), (preprocessing.StandardScaler(), ["age", "size"])), logistic()), frame),
        ("columns ordinal", chain(columns((preprocessing.OrdinalEncoder(), ["colour", "town"]), ("passthrough", ["age", "size"])), logistic()), frame),
        ("columns forest", chain(columns((preprocessing.OneHotEncoder(sparse_output=False), ["colour"]), (preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["town"]), remainder="passthrough"), ensemble.RandomForestClassifier(11, random_state=0)), frame),
        ("columns target", chain(columns((preprocessing.TargetEncoder(random_state=0), ["colour", "town"]), remainder="passthrough"), logistic()), frame),
        ("dictionary logistic", chain(DictVectorizer(dtype=np.float32, sparse=False), logistic()), (d.dictionaries, d.three)),
        ("dictionary forest", chain(DictVectorizer(dtype=np.float32, sparse=False), ensemble.RandomForestClassifier(11, random_state=0)), (d.dictionaries, d.named)),
        ("columns bins", chain(columns((preprocessing.KBinsDiscretizer(3, encode="onehot-dense"), ["age"]), (preprocessing.Binarizer(), ["size"]), (preprocessing.OneHotEncoder(sparse_output=False, drop="first"), ["colour", "town"])), logistic()), frame),
    ]
    return [(name, model, data, settings[0] if settings else None) for name, model, data, *settings in plain]


def export(folder, name, model, inputs, target, settings):
    """Fits, exports and answers with onnxruntime; lays a case out for run_onnx."""
    is_text = inputs.dtype.kind == "U" if isinstance(inputs, np.ndarray) else False
    model.fit(inputs.ravel() if is_text else inputs, target)
    final = model.steps[-1][1] if isinstance(model, pipeline.Pipeline) else model
    converted = to_onnx(
        model, initial_types=ends(inputs), options={id(final): settings} if settings else None, target_opset=OPSETS
    )
    session = onnxruntime.InferenceSession(elsewhere(converted), providers=["CPUExecutionProvider"])
    if isinstance(inputs, list):
        # onnxruntime takes one dictionary at a time, Tidegate the rows that the vectorizer makes of them.
        rows = {"x": model.steps[0][1].transform(inputs[-ROWS:])}
        single = [[plain(answer) for answer in session.run(None, {"x": row})] for row in inputs[-ROWS:]]
        answers = [np.concatenate(answer) for answer in zip(*single)]
    else:
        rows = feed(inputs)
        answers = [plain(answer) for answer in session.run(None, rows)]
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(converted.SerializeToString())
    for side, tensors in (("input", list(rows.values())), ("output", answers)):
        for at, tensor in enumerate(tensors):
            (data / f"{side}_{at}.pb").write_bytes(numpy_helper.from_array(tensor).SerializeToString())
    return name, folder


def elsewhere(model):
    """The model for onnxruntime, whose normalizer wants a locale that a bare machine does not have."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for node in copy.graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*kept, onnx.helper.make_attribute("locale", "C.UTF-8")])
    return copy.SerializeToString()


def ends(inputs):
    """The inputs' types, any number of rows."""
    if isinstance(inputs, list):
        return [("x", types.DictionaryType(types.StringTensorType([1]), types.FloatTensorType([1])))]
    if isinstance(inputs, pd.DataFrame):
        kind = lambda column: types.StringTensorType if inputs[column].dtype.kind in "OUT" else types.FloatTensorType
        return [(column, kind(column)([None, 1])) for column in inputs.columns]
    kinds = {"U": types.StringTensorType, "i": types.Int64TensorType, "f": types.FloatTensorType}
    kind = types.DoubleTensorType if inputs.dtype == np.float64 else kinds[inputs.dtype.kind]
    return [("x", kind([None, inputs.shape[1]]))]


def feed(inputs):
    """The last rows, which both are asked."""
    if isinstance(inputs, pd.DataFrame):
        column = lambda values: values.to_numpy(np.float32) if values.dtype.kind == "f" else values.to_numpy(object)
        return {name: column(inputs[name])[-ROWS:].reshape(-1, 1) for name in inputs.columns}
    rows = inputs[-ROWS:]
    return {"x": rows.astype(object) if rows.dtype.kind == "U" else rows}


def plain(answer):
    """A list of dictionaries, which is what ZipMap makes, as the table it was made of."""
    if isinstance(answer, list):
        return np.array([[row[key] for key in sorted(row)] for row in answer], dtype=np.float32)
    return answer.astype(object) if answer.dtype.kind in "OU" else answer


def ask(cases):
    subprocess.run(["cargo", "build", "--quiet", "--example", "run_onnx"], cwd=ROOT, check=True)
    program = ROOT / "target" / "debug" / "examples" / "run_onnx"
    folders = [folder for _, folder in cases]
    done = subprocess.run([program, "--rows", *TOLERANCE, *folders], capture_output=True, text=True, check=True)
    return list(zip([name for name, _ in cases], map(json.loads, done.stdout.splitlines()), strict=True))


def table(fates, skipped):
    print("\n| pipeline | outcome | engine | largest difference | rows | |\n|---|---|---|--:|---|---|")
    for name, fate in fates:
        difference = f"{fate['difference']:.1e}" if "difference" in fate else ""
        reason = fate.get("reason", "").replace("|", "/")[:140]
        rows = fate.get("rows", "")
        print(f"| {name} | {fate['outcome']} | {fate.get('engine', '')} | {difference} | {rows[:60]} | {reason} |")
    for name, reason in skipped:
        print(f"| {name} | skipped | | | | {reason.replace('|', '/')} |")
    count = lambda outcome: sum(fate["outcome"] == outcome for _, fate in fates)
    print(f"\n{count('pass')} pass, {count('refused')} refused, {count('wrong')} wrong, {len(skipped)} skipped")


if __name__ == "__main__":
    main()
