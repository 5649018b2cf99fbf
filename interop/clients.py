#!/usr/bin/env python3
"""Drives a Tidegate with the clients that its users have: unchanged, as they come from the registry.

    python interop/clients.py --tidegate target/release/tidegate [--only tritonclient,kserve,..]

tritonclient over HTTP and gRPC, blocking and asyncio; KServe's SDK in both of its protocols and over
gRPC; MLflow's scoring client; perf_analyzer where it runs (interop/perf_analyzer.py fetches it). They ask
the bundled models for their golden answers, and small models made here (identity in every datatype, add and
subtract, text) for what numpy says. Exits with 1 on the first answer that differs.
"""

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from server import Server, ensure

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = (("wine", "1"), ("churn", "1"), ("churn", "2"), ("diabetes", "1"))
# Datatypes by the protocol's name: numpy's type, ONNX's type.
TYPES = {
    "BOOL": (np.bool_, TensorProto.BOOL),
    "UINT8": (np.uint8, TensorProto.UINT8),
    "UINT16": (np.uint16, TensorProto.UINT16),
    "UINT32": (np.uint32, TensorProto.UINT32),
    "UINT64": (np.uint64, TensorProto.UINT64),
    "INT8": (np.int8, TensorProto.INT8),
    "INT16": (np.int16, TensorProto.INT16),
    "INT32": (np.int32, TensorProto.INT32),
    "INT64": (np.int64, TensorProto.INT64),
    "FP16": (np.float16, TensorProto.FLOAT16),
    "FP32": (np.float32, TensorProto.FLOAT),
    "FP64": (np.float64, TensorProto.DOUBLE),
    "BYTES": (np.object_, TensorProto.STRING),
}


def same(what, got, want, rtol=0.0, atol=0.0):
    got, want = np.asarray(got), np.asarray(want)
    ensure(got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}")
    if want.dtype.kind in "OUS":
        texts = lambda array: [x.decode() if isinstance(x, bytes) else str(x) for x in array.ravel()]
        ensure(texts(got) == texts(want), f"{what}: got {got.tolist()}, expected {want.tolist()}")
    elif rtol == atol == 0.0:
        ensure(got.dtype == want.dtype, f"{what}: type {got.dtype}, expected {want.dtype}")
        ensure(got.tobytes() == want.tobytes(), f"{what}: got {got.tolist()}, expected {want.tolist()}")
    else:
        ensure(np.allclose(got, want, rtol=rtol, atol=atol, equal_nan=True), f"{what}: got {got}, expected {want}")


def sample(name, rows=3):
    """Values of a type with its edges among them."""
    dtype = TYPES[name][0]
    if name == "BYTES":
        return np.array([[b"a\0b", b""], ["h\u00e4".encode(), b"c" * 300], [b"x", b"y"]][:rows], dtype=object)
    if name == "BOOL":
        return np.array([[True, False]] * rows)
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return np.array([[info.min, info.max]] * rows, dtype=dtype)
    return np.array([[1.5, np.nan], [np.inf, -np.inf], [np.finfo(dtype).tiny, np.finfo(dtype).max]][:rows], dtype=dtype)


def plant(home):
    """The bundled models, and the small ones."""
    for model in (ROOT / "models").iterdir():
        if model.is_dir():
            shutil.copytree(model, home / model.name)
    for name, (_, kind) in TYPES.items():
        save(home, f"identity_{name.lower()}", [("x", kind)], [("y", kind)], [helper.make_node("Identity", ["x"], ["y"])])
    for name in ("FP32", "FP64", "INT32", "INT64"):
        kind = TYPES[name][1]
        pairs = (("Add", "OUTPUT0"), ("Sub", "OUTPUT1"))
        nodes = [helper.make_node(operator, ["INPUT0", "INPUT1"], [output]) for operator, output in pairs]
        ends = [("INPUT0", kind), ("INPUT1", kind)], [("OUTPUT0", kind), ("OUTPUT1", kind)]
        save(home, f"addsub_{name.lower()}", *ends, nodes)


def save(home, name, inputs, outputs, nodes):
    info = lambda ends: [helper.make_tensor_value_info(end, kind, ["batch", 2]) for end, kind in ends]
    graph = helper.make_graph(nodes, name, info(inputs), info(outputs))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (home / name / "1").mkdir(parents=True)
    onnx.save(model, home / name / "1" / "model.onnx")


def golden(model, version):
    """Inputs, outputs and tolerances of a bundled model's cases."""
    for case in json.loads((ROOT / "models" / model / version / "golden.json").read_text())["cases"]:
        yield case["inputs"], case["outputs"], case.get("rtol", 1e-5), case.get("atol", 1e-6)


def as_array(rows, datatype):
    if datatype == "BYTES":
        encode = lambda x: x.encode() if isinstance(x, str) else x
        return np.vectorize(encode, otypes=[object])(np.array(rows, dtype=object))
    return np.array(rows, dtype=TYPES[datatype][0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--only", default="tritonclient,kserve,mlflow")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if len(names) > 1:
        # Triton's and KServe's libraries define the same messages, so each has a process of its own.
        for name in names:
            subprocess.run([sys.executable, __file__, "--tidegate", arguments.tidegate, "--only", name], check=True)
        return
    with tempfile.TemporaryDirectory(prefix="tidegate-interop-") as folder:
        home = Path(folder)
        plant(home)
        importlib.import_module(f"clients_{names[0]}").run(sys.modules[__name__], arguments.tidegate, home)
    print(f"{names[0]}: all ok")


if __name__ == "__main__":
    sys.modules["clients"] = sys.modules["__main__"]
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    main()
