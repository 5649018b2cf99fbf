"""KServe's SDK: REST in both protocols, and gRPC. See clients.py."""

import asyncio

import grpc
import httpx
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig


def run(base, binary, home):
    with base.Server(binary, home) as server:
        asyncio.run(wait(server))
        asyncio.run(first(base, f"http://{server.data}"))
        asyncio.run(second(base, f"http://{server.data}"))
        asyncio.run(over_grpc(base, server.data))


async def wait(server):
    """Until all that was found at the start has been tried."""
    async with httpx.AsyncClient() as client:
        for _ in range(600):
            index = (await client.post(f"http://{server.data}/v2/repository/index")).json()
            if index and all(line["state"] != "LOADING" for line in index):
                return
            await asyncio.sleep(0.05)


async def first(base, url):
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    base.ensure(await client.is_server_live(url), "v1: not live")
    base.ensure(await client.is_model_ready(url, "wine"), "v1: wine is not ready")
    count = 0
    for inputs, outputs, rtol, atol in base.golden("wine", "1"):
        answer = await client.infer(url, {"instances": inputs["input"]}, model_name="wine")
        for name, expected in outputs.items():
            base.same(f"v1, {name}", [row[name] for row in answer["predictions"]], np.array(expected), rtol, atol)
        count += 1
    for inputs, outputs, rtol, atol in base.golden("diabetes", "1"):
        answer = await client.infer(url, {"instances": inputs["input"]}, model_name="diabetes")
        (expected,) = outputs.values()
        base.same("v1, diabetes", answer["predictions"], np.array(expected), rtol, atol)
        count += 1
    try:
        await client.infer(url, {"instances": []}, model_name="nowhere")
    except httpx.HTTPStatusError as error:
        base.ensure("nowhere" in str(error), f"v1: {error}")
    else:
        base.ensure(False, "v1: an unknown model answered")
    await client.close()
    print(f"kserve v1: live, ready, {count} golden cases, a refusal: ok")


def asked(model, name, array, datatype, binary):
    one = InferInput(name=name, shape=list(array.shape), datatype=datatype)
    one.set_data_from_numpy(array, binary_data=binary)
    return InferRequest(model_name=model, infer_inputs=[one], request_id="k-1")


async def second(base, url):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    base.ensure(await client.is_server_ready(url) and await client.is_server_live(url), "v2: not live and ready")
    base.ensure(await client.is_model_ready(url, "wine"), "v2: wine is not ready")
    base.ensure(not await client.is_model_ready(url, "nowhere"), "v2: an unknown model is ready")
    for datatype in base.TYPES:
        for binary in (True, False):
            # The SDK reads answers in JSON strictly, so what has no number there (NaN) does not go through it.
            array = base.sample(datatype, 1)
            if datatype in ("FP16", "FP32", "FP64"):
                array = np.array([[1.5, -2.25]], array.dtype)
            if not binary and datatype in ("FP16", "BYTES"):
                continue
            request = asked(f"identity_{datatype.lower()}", "x", array, datatype, binary)
            answer = await client.infer(url, request, model_name=f"identity_{datatype.lower()}")
            base.same(f"v2, {datatype}, binary {binary}", answer.outputs[0].as_numpy(), array)
            base.ensure(answer.id == "k-1", f"v2: another id: {answer.id}")
    row = np.array(next(base.golden("wine", "1"))[0]["input"], dtype=np.float32)
    no_id = InferRequest(model_name="wine", infer_inputs=asked("wine", "input", row, "FP32", True).inputs)
    base.ensure((await client.infer(url, no_id, model_name="wine")).id, "v2: no id came back")
    try:
        await client.infer(url, asked("nowhere", "x", row, "FP32", True), model_name="nowhere")
    except httpx.HTTPStatusError as error:
        base.ensure("nowhere" in str(error), f"v2: {error}")
    else:
        base.ensure(False, "v2: an unknown model answered")
    await client.close()
    print(f"kserve v2: live, ready, {len(base.TYPES)} datatypes, ids, a refusal: ok")


async def over_grpc(base, address):
    client = InferenceGRPCClient(address)
    base.ensure(await client.is_server_ready() and await client.is_server_live(), "gRPC: not live and ready")
    base.ensure(await client.is_model_ready("wine"), "gRPC: wine is not ready")
    for datatype in base.TYPES:
        for binary in (True, False):
            if datatype == "FP16" and not binary:
                continue
            array = base.sample(datatype)
            request = asked(f"identity_{datatype.lower()}", "x", array, datatype, binary)
            answer = await client.infer(request)
            base.same(f"gRPC, {datatype}, raw {binary}", answer.outputs[0].as_numpy(), array)
    try:
        await client.infer(asked("nowhere", "x", base.sample("FP32"), "FP32", True))
    except grpc.RpcError as error:
        base.ensure(error.code() == grpc.StatusCode.NOT_FOUND and "nowhere" in error.details(), f"gRPC: {error}")
    else:
        base.ensure(False, "gRPC: an unknown model answered")
    await client.close()
    print(f"kserve gRPC: live, ready, {len(base.TYPES)} datatypes raw and typed, a refusal: ok")
