"""Triton's own client: HTTP and gRPC, blocking and asyncio. See clients.py."""

import asyncio
import json
import tempfile
import threading
import urllib.request

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException


def run(base, binary, home):
    with tempfile.TemporaryDirectory() as state, \
            base.Server(binary, home, "--model-control", "explicit", "--state", state) as server:
        for kind, module in (("http", http), ("grpc", grpc)):
            with module.InferenceServerClient(server.data) as client:
                control(base, kind, client)
        for kind, module in (("http", http), ("grpc", grpc)):
            with module.InferenceServerClient(server.data) as client:
                facts(base, kind, client)
                every_type(base, kind, module, client)
                add_and_subtract(base, kind, module, client)
                golden(base, kind, module, client)
                outputs(base, kind, module, client)
                refusals(base, kind, module, client)
                at_once(base, kind, module, client)
        with grpc.InferenceServerClient(server.data) as client:
            stream(base, client)
        asyncio.run(aio(base, "http.aio", http_aio, server.data))
        asyncio.run(aio(base, "grpc.aio", grpc_aio, server.data))
        upload(base, server.data, home)
        variants(base, server)


def control(base, kind, client):
    """Nothing is loaded but what is asked for; each client loads all, the first unloads it again."""
    names = sorted({line["name"] if kind == "http" else line.name for line in index(kind, client)})
    base.ensure("wine" in names and "identity_fp16" in names, f"{kind}: the index lacks models: {names}")
    for name in names:
        client.load_model(name)
        base.ensure(client.is_model_ready(name), f"{kind}: {name} was loaded and is not ready")
    if kind == "http":
        for name in names:
            client.unload_model(name)
            base.ensure(not client.is_model_ready(name), f"{name} was unloaded and is ready")
    print(f"{kind}: index, load, unload, {len(names)} models: ok")


def index(kind, client):
    answer = client.get_model_repository_index()
    return answer if kind == "http" else answer.models


def facts(base, kind, client):
    base.ensure(client.is_server_live() and client.is_server_ready(), f"{kind}: not live and ready")
    base.ensure(not client.is_model_ready("nowhere"), f"{kind}: a model that is not there is ready")
    more = {} if kind == "http" else {"as_json": True}
    server = client.get_server_metadata(**more)
    base.ensure(server["name"] == "tidegate" and "binary_tensor_data" in server["extensions"], f"{kind}: {server}")
    metadata = client.get_model_metadata("wine", "1", **more)
    base.ensure([int(x) for x in metadata["inputs"][0]["shape"]] == [-1, 13], f"{kind}: {metadata}")
    config = client.get_model_config("wine", **more)
    config = config if kind == "http" else config["config"]
    base.ensure(config["max_batch_size"] == 256 and config["input"][0]["data_type"] == "TYPE_FP32", f"{kind}: {config}")
    stats = client.get_inference_statistics("wine", **more)["model_stats"]
    base.ensure(stats[0]["name"] == "wine" and "batch_stats" in stats[0] or kind == "grpc", f"{kind}: {stats}")
    print(f"{kind}: health, metadata, configuration, statistics: ok")


def tensor(module, name, array, datatype, **more):
    one = module.InferInput(name, list(array.shape), datatype)
    one.set_data_from_numpy(array, **more)
    return one


def every_type(base, kind, module, client):
    for datatype in base.TYPES:
        array = base.sample(datatype)
        # As they come: raw in, raw out, no outputs named.
        answer = client.infer(f"identity_{datatype.lower()}", [tensor(module, "x", array, datatype)])
        base.same(f"{kind}, raw {datatype}", answer.as_numpy("y"), array)
        if kind == "http" and datatype != "FP16":
            given = [tensor(module, "x", array, datatype, binary_data=False)]
            wanted = [module.InferRequestedOutput("y", binary_data=False)]
            answer = client.infer(f"identity_{datatype.lower()}", given, outputs=wanted)
            base.same(f"{kind}, JSON {datatype}", answer.as_numpy("y"), array)
    print(f"{kind}: {len(base.TYPES)} datatypes come back bit for bit: ok")


def add_and_subtract(base, kind, module, client):
    for datatype in ("FP32", "FP64", "INT32", "INT64"):
        a, b = (np.arange(10).reshape(5, 2) * k for k in (7, 3))
        a, b = a.astype(base.TYPES[datatype][0]), b.astype(base.TYPES[datatype][0])
        given = [tensor(module, "INPUT0", a, datatype), tensor(module, "INPUT1", b, datatype)]
        answer = client.infer(f"addsub_{datatype.lower()}", given, request_id="sum-1")
        base.same(f"{kind}, {datatype} sum", answer.as_numpy("OUTPUT0"), a + b)
        base.same(f"{kind}, {datatype} difference", answer.as_numpy("OUTPUT1"), a - b)
        response = answer.get_response()
        base.ensure((response["id"] if kind == "http" else response.id) == "sum-1", f"{kind}: another id came back")
    print(f"{kind}: add and subtract: ok")


def golden(base, kind, module, client):
    count = 0
    for model, version in base.GOLDEN:
        metadata = client.get_model_metadata(model, version, **({} if kind == "http" else {"as_json": True}))
        types = {one["name"]: one["datatype"] for one in metadata["inputs"]}
        for inputs, outputs, rtol, atol in base.golden(model, version):
            given = [tensor(module, n, base.as_array(rows, types[n]), types[n]) for n, rows in inputs.items()]
            answer = client.infer(model, given, model_version=version)
            for name, expected in outputs.items():
                base.same(f"{kind}, {model} {version}, {name}", answer.as_numpy(name), np.array(expected), rtol, atol)
            count += 1
    print(f"{kind}: {count} golden cases: ok")


def outputs(base, kind, module, client):
    row = np.array(next(base.golden("wine", "1"))[0]["input"], dtype=np.float32)
    given = [tensor(module, "input", row, "FP32")]
    answer = client.infer("wine", given, outputs=[module.InferRequestedOutput("output_probability", class_count=2)])
    first = answer.as_numpy("output_probability").ravel()[0].decode()
    base.ensure(len(first.split(":")) == 3 and "class_" in first, f"{kind}: not a class: {first}")
    base.ensure(answer.as_numpy("output_label") is None, f"{kind}: an output came that nobody asked for")
    for algorithm in ("gzip", "deflate"):
        packed = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        packed = packed if kind == "http" else {"compression_algorithm": algorithm}
        many = [tensor(module, "input", np.repeat(row, 200, axis=0), "FP32")]
        answer = client.infer("wine", many, priority=1, timeout=30_000_000, **packed)
        base.ensure(answer.as_numpy("output_label").shape[0] == 200 * len(row), f"{kind}: {algorithm} lost rows")
    print(f"{kind}: classes, priority, timeout, gzip, deflate: ok")


def refusals(base, kind, module, client):
    x = tensor(module, "x", np.zeros((1, 2), dtype=np.float32), "FP32")
    wrong = tensor(module, "x", np.zeros((1, 3), dtype=np.float32), "FP32")
    for what, model, inputs, words in (
        ("an unknown model", "nowhere", [x], "nowhere"),
        ("a wrong shape", "identity_fp32", [wrong], "unexpected shape"),
        ("a wrong type", "identity_fp64", [x], "data-type"),
        ("no input", "identity_fp32", [], "missing"),
    ):
        try:
            client.infer(model, inputs)
        except InferenceServerException as error:
            base.ensure(words in error.message(), f"{kind}: {what} is refused with other words: {error}")
        else:
            base.ensure(False, f"{kind}: {what} was not refused")
    try:
        client.infer("identity_fp32", [x], timeout=1)
    except InferenceServerException as error:
        base.ensure("deadline" in error.message() or "answer" in error.message(), f"{kind}: {error}")
    print(f"{kind}: refusals: ok")


def at_once(base, kind, module, client):
    arrays = [np.full((2, 2), at, dtype=np.float32) for at in range(50)]
    asked = [[tensor(module, "x", array, "FP32")] for array in arrays]
    if kind == "http":
        answers = [one.get_result() for one in [client.async_infer("identity_fp32", given) for given in asked]]
    else:
        answers, done = {}, threading.Semaphore(0)
        for at, given in enumerate(asked):
            def keep(result, error, at=at):
                answers[at] = result if error is None else error
                done.release()
            client.async_infer("identity_fp32", given, keep)
        [done.acquire() for _ in asked]
        answers = [answers[at] for at in range(len(asked))]
    for at, (array, answer) in enumerate(zip(arrays, answers)):
        base.same(f"{kind}, at once {at}", answer.as_numpy("y"), array)
    print(f"{kind}: {len(arrays)} requests at once: ok")


def stream(base, client):
    answers, done = [], threading.Semaphore(0)

    def keep(result, error):
        answers.append((result, error))
        done.release()

    client.start_stream(keep)
    for at in range(30):
        x = tensor(grpc, "x", np.full((1, 2), at, dtype=np.float32), "FP32")
        client.async_stream_infer("nowhere" if at == 7 else "identity_fp32", [x], request_id=str(at))
    [done.acquire() for _ in range(30)]
    client.stop_stream()
    for at, (result, error) in enumerate(answers):
        if at == 7:
            base.ensure("nowhere" in error.message(), f"stream: {error}")
        else:
            base.ensure(error is None, f"stream: {error}")
            base.same(f"stream {at}", result.as_numpy("y"), np.full((1, 2), at, dtype=np.float32))
            base.ensure(result.get_response().id == str(at), "stream: another order")
    print("grpc: a stream of 30 with one mistake: ok")


async def aio(base, kind, module, address):
    async with module.InferenceServerClient(address) as client:
        base.ensure(await client.is_server_live() and await client.is_server_ready(), f"{kind}: not live and ready")
        base.ensure(await client.is_model_ready("wine"), f"{kind}: wine is not ready")
        for datatype in base.TYPES:
            array = base.sample(datatype)
            answer = await client.infer(f"identity_{datatype.lower()}", [tensor(module, "x", array, datatype)])
            base.same(f"{kind}, {datatype}", answer.as_numpy("y"), array)
        x = lambda at: [tensor(module, "x", np.full((1, 2), at, dtype=np.float32), "FP32")]
        answers = await asyncio.gather(*(client.infer("identity_fp32", x(at)) for at in range(50)))
        for at, answer in enumerate(answers):
            base.same(f"{kind}, at once {at}", answer.as_numpy("y"), np.full((1, 2), at, dtype=np.float32))
        try:
            await client.infer("nowhere", x(0))
        except InferenceServerException as error:
            base.ensure("nowhere" in error.message(), f"{kind}: {error}")
        else:
            base.ensure(False, f"{kind}: an unknown model answered")
    print(f"{kind}: every datatype, 50 at once, a refusal: ok")


def upload(base, address, home):
    """A model's file and its configuration in the request to load it."""
    file = (home / "addsub_fp32" / "1" / "model.onnx").read_bytes()
    for kind, module in (("http", http), ("grpc", grpc)):
        with module.InferenceServerClient(address) as client:
            config = json.dumps({"max_batch_size": 16})
            client.load_model(f"uploaded_{kind}", config=config, files={"file:1/model.onnx": file})
            a = np.ones((1, 2), dtype=np.float32)
            given = [tensor(module, name, a, "FP32") for name in ("INPUT0", "INPUT1")]
            base.same(f"{kind}, uploaded", client.infer(f"uploaded_{kind}", given).as_numpy("OUTPUT0"), a + a)
    print("http, grpc: models that come with the request: ok")


def variants(base, server):
    """A traffic plan deals users the same version over both protocols, and the answer names the variant."""
    plan = {"split": {"champion": 5000, "challenger": 5000}, "sticky": {"header": "x-user-id"}, "forced": {"ann": "challenger"}}
    url = f"http://{server.admin}/api/models/churn/traffic"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(plan).encode(), method="PUT")).close()
    inputs = next(base.golden("churn", "1"))[0]
    dealt = {}
    for kind, module in (("http", http), ("grpc", grpc)):
        with module.InferenceServerClient(server.data) as client:
            metadata = client.get_model_metadata("churn", **({} if kind == "http" else {"as_json": True}))
            types = {one["name"]: one["datatype"] for one in metadata["inputs"]}
            given = [tensor(module, n, base.as_array(rows, types[n]), types[n]) for n, rows in inputs.items()]
            for user in ("ann", *(f"user-{at}" for at in range(40))):
                response = client.infer("churn", given, headers={"x-user-id": user}).get_response()
                if kind == "http":
                    told = (response["model_version"], response["parameters"]["variant"])
                else:
                    told = (response.model_version, response.parameters["variant"].string_param)
                base.ensure(dealt.setdefault(user, told) == told, f"{kind}: {user} was {dealt[user]}, is {told}")
    base.ensure(dealt["ann"] == ("2", "challenger"), f"ann was forced: {dealt['ann']}")
    base.ensure(set(dealt.values()) == {("1", "champion"), ("2", "challenger")}, f"not both variants: {set(dealt.values())}")
    print("http, grpc: 41 users have one variant each: ok")
