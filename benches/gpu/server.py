"""The whole server at 64 connections, with the GPU and without, in turns.

Its own generator, in several processes, since nothing can be installed where GPUs are: every connection
sends its next request when it has the last answer. Bodies are of the Open Inference Protocol, tensors in binary.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import statistics
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from models import Model

CONNECTIONS = 64
PROCESSES = 4


def request(model: Model, at: int, rows: int) -> bytes:
    data = model.rows[at : at + rows]
    tensor = {"name": "x", "datatype": "FP32", "shape": data.shape, "parameters": {"binary_data_size": data.nbytes}}
    words = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    head = (f"POST /v2/models/{model.name}/infer HTTP/1.1\r\nHost: x\r\nInference-Header-Content-Length: {len(words)}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {len(words) + data.nbytes}\r\n\r\n")
    return head.encode() + words + data.tobytes()


async def connection(port: int, requests: list[bytes], until: float, took: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    at = 0
    while time.perf_counter() < until:
        began = time.perf_counter()
        writer.write(requests[at % len(requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(re.search(rb"(?i)\ncontent-length: (\d+)", head)[1]))
        if head.startswith(b"HTTP/1.1 200"):
            took.append(time.perf_counter() - began)
        elif not head.startswith(b"HTTP/1.1 503"):  # refused, since too many wait already
            raise RuntimeError((head + body).decode())
        at += 1
    writer.close()


def generate(port: int, requests: list[bytes], seconds: float, out) -> None:
    async def all_connections() -> list[float]:
        took: list[float] = []
        until = time.perf_counter() + seconds
        await asyncio.gather(*(connection(port, requests, until, took) for _ in range(CONNECTIONS // PROCESSES)))
        return took

    try:
        out.put(asyncio.run(all_connections()))
    except Exception as error:
        out.put(error)


def load(port: int, model: Model, rows: int, seconds: float) -> tuple[float, float, float]:
    """Rows a second, and the median and the 99th percentile of a request's time in ms."""
    requests = [request(model, at, rows) for at in range(0, len(model.rows) - rows + 1, max(rows, 64))]
    out = multiprocessing.Queue()
    workers = [multiprocessing.Process(target=generate, args=(port, requests, seconds, out)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    results = [out.get(timeout=seconds + 60) for _ in workers]
    for worker in workers:
        worker.join()
    for error in (result for result in results if isinstance(result, Exception)):
        raise error
    took = sorted(second for result in results for second in result)
    if not took:
        raise RuntimeError("the server refused every request")
    return len(took) * rows / seconds, 1e3 * statistics.median(took), 1e3 * took[int(0.99 * len(took))]


class Server:
    """A server of one model on one device."""

    def __init__(self, tidegate: Path, model: Model, device: str) -> None:
        # A folder of its own: the server loads all that it finds.
        served = model.place.parent / f"served-{model.name}"
        version = served / model.name / "1"
        version.mkdir(parents=True, exist_ok=True)
        (version / "model.onnx").write_bytes((model.place / "model.onnx").read_bytes())
        # What it has seen it keeps in the folder that it runs in.
        own = model.place.parent / f"served-{model.name}-{device}"
        own.mkdir(exist_ok=True)
        command = [tidegate, "serve", served, "--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0",
                   f"--device={device}", "--log=warn"]
        self.process = subprocess.Popen(command, cwd=own, stdout=subprocess.PIPE, text=True)
        try:
            line = next((line for line in self.process.stdout if line.startswith("listening on ")), "")
            self.port, self.admin = (int(port) for port in re.findall(r"http://[0-9.]+:(\d+)", line)[:2])
            self.wait_for_health(tidegate)
        except Exception:
            self.end()
            raise

    def wait_for_health(self, tidegate: Path) -> None:
        until = time.monotonic() + 60
        while subprocess.run([tidegate, "health", f"127.0.0.1:{self.admin}"], capture_output=True).returncode:
            if time.monotonic() > until:
                raise RuntimeError("the server was not ready within 60 s")
            time.sleep(0.2)

    def gpu(self) -> str:
        """What its metrics say of the GPU."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return ", ".join(line.removeprefix("tidegate_gpu_") for line in lines
                         if line.startswith(("tidegate_gpu_status", "tidegate_gpu_batches")) and not line.endswith(" 0"))

    def end(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def compare(tidegate: Path, model: Model, sizes: list[int], rounds: int, seconds: float) -> None:
    print(f"\nThe server with {model.name} at {CONNECTIONS} connections, medians of {rounds} rounds of {seconds:.0f} s in turns:\n")
    print("| rows a request | GPU and CPU: rows/s | p50, p99 (ms) | CPU alone: rows/s | p50, p99 (ms) | ratio |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    with ExitStack() as stack:
        servers = []
        for device in ("auto", "cpu"):
            servers.append(Server(tidegate, model, device))
            stack.callback(servers[-1].end)
        for rows in sizes:
            turns = [[load(server.port, model, rows, seconds) for server in servers] for _ in range(rounds)]
            both, cpu = ([statistics.median(column) for column in zip(*side)] for side in zip(*turns))
            ratio = statistics.median(a[0] / b[0] for a, b in turns)
            print(f"| {rows} | {both[0]:,.0f} | {both[1]:.2f}, {both[2]:.2f} | {cpu[0]:,.0f} | {cpu[1]:.2f}, {cpu[2]:.2f} | {ratio:.2f} |", flush=True)
        print(f"\nThe first server's metrics afterwards: {servers[0].gpu() or 'no GPU'}.")
