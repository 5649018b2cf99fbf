#!/usr/bin/env python3
"""Asks a running Tidegate with Triton's own HTTP client and compares with the golden answers.

    python clients.py HOST:PORT MODELS

Tensors travel as JSON: the binary tensor extension is not spoken yet. Exits with 1 on the first
answer that differs.
"""

import json
import sys
from pathlib import Path

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

MODELS = (("wine", "1"), ("churn", "1"), ("churn", "2"))


def main():
    address, models = sys.argv[1], Path(sys.argv[2])
    with triton.InferenceServerClient(address) as client:
        server(client)
        for model, version in MODELS:
            golden(client, models, model, version)
        refusals(client)


def server(client):
    ensure(client.is_server_live(), "the server is not live")
    ensure(client.is_server_ready(), "the server is not ready")
    name = client.get_server_metadata()["name"]
    ensure(name == "tidegate", f"the server's name is {name}")
    print("server: live, ready, metadata: ok")


def golden(client, models, model, version):
    ensure(client.is_model_ready(model, version), f"{model} version {version} is not ready")
    metadata = client.get_model_metadata(model, version)
    types = {side: {t["name"]: t["datatype"] for t in metadata[side]} for side in ("inputs", "outputs")}
    # Python's reader takes the bare NaN of golden.json.
    cases = json.loads((models / model / version / "golden.json").read_text())["cases"]
    for number, case in enumerate(cases):
        ensure(set(case["inputs"]) == set(types["inputs"]), f"{model}: the metadata names other inputs")
        answer = infer(client, model, version, case, types)
        for name, expected in case["outputs"].items():
            compare(f"{model} version {version}, case {number}, {name}", answer.as_numpy(name), expected, case)
        ensure(answer.get_response()["model_version"] == version, "another version answered")
    print(f"{model} version {version}: metadata, ready, {len(cases)} golden cases: ok")


def infer(client, model, version, case, types):
    inputs = []
    for name, rows in case["inputs"].items():
        datatype = types["inputs"][name]
        array = np.array(rows, dtype=triton_to_np_dtype(datatype))
        tensor = triton.InferInput(name, array.shape, datatype)
        tensor.set_data_from_numpy(array, binary_data=False)
        inputs.append(tensor)
    outputs = [triton.InferRequestedOutput(name, binary_data=False) for name in types["outputs"]]
    return client.infer(model, inputs, model_version=version, outputs=outputs)


def compare(what, got, expected, case):
    want = np.array(expected)
    ensure(got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}")
    if want.dtype.kind in "OUS":
        words = [word.decode() if isinstance(word, bytes) else str(word) for word in got.ravel()]
        same = words == [str(word) for word in want.ravel()]
    elif want.dtype.kind in "iub":
        same = np.array_equal(got, want)
    else:
        same = np.allclose(got, want, rtol=case.get("rtol", 1e-5), atol=case.get("atol", 1e-6), equal_nan=True)
    ensure(same, f"{what}: got {got.tolist()}, expected {expected}")


def refusals(client):
    """What is wrong is told in a way that the client passes on."""
    try:
        client.get_model_metadata("nowhere")
    except InferenceServerException as error:
        ensure("nowhere" in error.message(), f"the error does not name the model: {error}")
    else:
        sys.exit("FAILED: an unknown model was found")
    print("refusals: ok")


def ensure(holds, words):
    if not holds:
        sys.exit(f"FAILED: {words}")


if __name__ == "__main__":
    main()
