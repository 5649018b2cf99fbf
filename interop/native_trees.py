#!/usr/bin/env python3
"""Small random tree models, served by a running Tidegate and held against the training library.

    python3 interop/native_trees.py [--models 400 | --quick] [--seed 1] [--only xgboost] [--tidegate PATH]

Needs Python 3.11 or newer and a built Tidegate; it makes a virtual environment of its own below
target/interop. Models are drawn from the cross product of objectives, boosters, missing values,
categories, depths and numbers of trees; rows hold values exactly at thresholds and next to them. Margins
and leaves are asked for by the request's parameters, or by model.toml.

What must agree:
- the leaf of every row in every tree, exactly;
- labels, exactly, but where the library's own two best scores lie closer than its rounding;
- margins. LightGBM sums 64-bit numbers, so only the rounding of the answer to FP32 is allowed.
  XGBoost sums 32-bit numbers one after the other: each sum may be off by half a unit in the last
  place of what has been added up so far, which a sum of 64-bit numbers is not;
- answers, by what a margin's error becomes behind the link, and 1e-6 of the answer itself.
Exits with 1 if any differ. The seed and the model's number say which model it was.
"""

import argparse
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "interop"
VENV = WORK / "venv"
# Each library's share of the models.
LIBRARIES = [("xgboost", 5), ("lightgbm", 4), ("catboost", 1)]


def inside_venv():
    """Runs this script again in its own virtual environment, made at the first call."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV:
        return
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    requirements = str(ROOT / "interop" / "requirements.txt")
    subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", requirements], check=True)
    os.execv(python, [str(python), *sys.argv])


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--models", type=int, default=400)
    arguments.add_argument("--quick", action="store_const", dest="models", const=100, help="100 models")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--only", default="", help="models whose name starts so")
    arguments.add_argument("--tidegate", default=str(ROOT / "target" / "debug" / "tidegate"))
    options = arguments.parse_args()
    directory = WORK / "models"
    shutil.rmtree(directory, ignore_errors=True)
    cases = train(options, directory)
    print(f"{len(cases)} models trained with seed {options.seed}", flush=True)
    server = Server(options.tidegate, directory)
    try:
        tally = {}
        failures = [words for case in cases for words in judge(server, case, tally)]
    finally:
        server.stop()
    report(tally)
    for words in failures[:40]:
        print(f"FAILED {words}")
    if failures:
        sys.exit(f"{len(failures)} differences with seed {options.seed}")
    print(f"all of {len(cases)} models agree")


def train(options, directory):
    makers = [(name, part) for name, part in LIBRARIES if name.startswith(options.only or name)]
    parts = sum(part for _, part in makers)
    cases = []
    for name, part in makers:
        cases_of = importlib.import_module(f"{name}_cases")
        for number in range(max(1, options.models * part // parts)):
            path = directory / f"{name}-{number}" / "1"
            path.mkdir(parents=True)
            case = drawn(cases_of, [options.seed, number], path)
            case["name"] = f"{name}-{number}"
            settings = ""
            if case["rows"].dtype == "float64":
                settings += '[input]\ndatatype = "FP64"\n'
            if number % 2:
                settings += f"[output]\nextra = {json.dumps(case.pop('extra'))}\n"
            if settings:
                (path.parent / "model.toml").write_text(settings)
            cases.append(case)
    return cases


def drawn(cases_of, seed, path):
    """A random model. What the library refuses to train is drawn again."""
    for attempt in range(20):
        try:
            return cases_of.make([*seed, attempt], path)
        except cases_of.Refused:
            continue
    raise RuntimeError(f"nothing could be trained with seed {seed}")


class Server:
    """A Tidegate on free ports."""

    def __init__(self, binary, directory):
        self.log = open(WORK / "serve.log", "w")
        ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log", "warn"]
        command = [binary, "serve", *ports, str(directory)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.address = None
        for line in self.process.stdout:
            if found := re.search(r"listening on (http://[0-9.:]+)", line):
                self.address = found[1]
                break
        if not self.address:
            sys.exit("the server ended at start: see target/interop/serve.log")

    def ask(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data), timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def ready(self, name):
        for _ in range(600):
            try:
                self.ask(f"/v2/models/{name}/ready")
                return
            except urllib.error.HTTPError:
                time.sleep(0.1)
        log = [line for line in (WORK / "serve.log").read_text().splitlines() if name in line]
        raise RuntimeError(f"{name} did not load: {log[-1:]}")

    def infer(self, name, rows, extra):
        kind = "FP64" if rows.dtype == "float64" else "FP32"
        tensor = {"name": "input__0", "datatype": kind, "shape": list(rows.shape), "data": rows.ravel().tolist()}
        body = {"inputs": [tensor], "parameters": {name: True for name in extra}}
        return {output["name"]: output for output in self.ask(f"/v2/models/{name}/infer", body)["outputs"]}

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=60)


def judge(server, case, tally):
    """What differs, in words."""
    import numpy as np

    name = f"{case['name']} ({case['what']})"
    try:
        server.ready(case["name"])
        outputs = server.infer(case["name"], case["rows"], case.get("extra", []))
    except (RuntimeError, urllib.error.HTTPError) as error:
        words = error.read().decode() if hasattr(error, "read") else error
        return [f"{name}: {words}"]
    got = {key: numbers(output) for key, output in outputs.items()}
    failures = []
    for key in ["output__0", "label", "margin", "leaf"]:
        if key not in case["expected"]:
            if key in got:
                failures.append(f"{name}: output {key} was not expected")
            continue
        want, allowed = case["expected"][key]
        if key in ("output__0", "margin"):
            # What is beyond FP32 is infinite there.
            with np.errstate(over="ignore"):
                want = np.where(np.isinf(want.astype(np.float32)), want.astype(np.float32), want)
        if key not in got or got[key].shape != want.shape:
            failures.append(f"{name}: {key} has shape {got[key].shape if key in got else None}, expected {want.shape}")
            continue
        failures += [f"{name}: {key} {words}" for words in differences(key, want, got[key], allowed, tally)]
    return failures


def numbers(output):
    """An output's values. FP32 is written as the shortest text that tells it apart."""
    import numpy as np

    if output["datatype"] == "BYTES":
        return np.array(output["data"])
    values = np.array(output["data"], dtype=np.float32 if output["datatype"] == "FP32" else np.float64)
    return values.astype(np.float64).reshape(output["shape"])


def differences(key, want, got, allowed, tally):
    import numpy as np

    if want.dtype.kind in "OU":
        # Names of classes are equal or not.
        want, got = np.zeros(want.shape), (want.astype(str) != got.astype(str)).astype(np.float64)
    exact = (want == got) | (np.isnan(want) & np.isnan(got))
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.where(exact, 0.0, np.abs(want - got))
        ratio = np.where(exact, 0.0, off / np.maximum(allowed, 1e-300))
        relative = np.where(exact, 0.0, off / np.maximum(np.abs(want), 1e-30))
    count, equal, worst, share = tally.get(key, (0, 0, 0.0, 0.0))
    bounded = ratio[np.isfinite(ratio)]
    tally[key] = (count + want.size, equal + int(exact.sum()), max(worst, float(relative.max(initial=0))), max(share, float(bounded.max(initial=0))))
    bad = np.argwhere(~(exact | (ratio <= 1.0)))
    return [f"at {list(map(int, at))}: expected {want[tuple(at)]!r}, got {got[tuple(at)]!r}" for at in bad[:3]]


def report(tally):
    print("output      compared    equal to the bit   largest relative difference   largest share of what is allowed")
    for key, (count, equal, worst, share) in sorted(tally.items()):
        print(f"{key:10} {count:9} {equal:19} {worst:29.2e} {share:34.2f}")


if __name__ == "__main__":
    inside_venv()
    main()
