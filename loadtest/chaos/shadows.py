"""Shadows that misbehave beside a version that answers: slow, asleep, panicking, without a number.

The one that sleeps is stopped by the kernel in the midst of its work: its thread alone, by ptrace.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import struct
import time
import urllib.request
from pathlib import Path

from chaos.client import Plan, percentile
from chaos.onnx import COLUMNS, FLOAT, message, node, number, tensor, value, write_echo
from chaos.questions import ANY, Question, http
from chaos.report import row
from chaos.server import HOST, Stage, Trouble, wait_for
from chaos.swapping import judge_ratio

INT64 = 7
# Every question holds it, and the panicking shadow cannot bear it.
FATAL = 7.0
# Layers of the slow shadow; the version that answers has none.
LAYERS = 90

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


def write_nan(path: Path) -> None:
    """The root of the input's negative: not a number but for zeros, which the load is tried with."""
    negative = struct.pack(f"{COLUMNS}f", *[-1.0] * COLUMNS)
    nodes = [node("Mul", ["x", "negative"], "below"), node("Sqrt", ["below"], "y")]
    write_model(path, nodes, [tensor("negative", 1, COLUMNS, negative)])


def write_panic(path: Path) -> None:
    """Looks up whole numbers below 7 in a table, and the engine panics at 7."""
    whole = message(1, b"to") + number(3, INT64) + number(20, 2)
    same = struct.pack(f"{COLUMNS * COLUMNS}f", *[float(a == b) for a in range(COLUMNS) for b in range(COLUMNS)])
    words = struct.pack(f"{int(FATAL)}f", *range(int(FATAL)))
    nodes = [
        # A matrix product with the identity makes it a network, for the engine of networks.
        node("MatMul", ["x", "same"], "network"),
        node("Cast", ["network"], "whole") + message(5, whole),
        node("Gather", ["words", "whole"], "y"),
    ]
    table = number(1, int(FATAL)) + number(2, FLOAT) + message(8, b"words") + message(9, words)
    write_model(path, nodes, [tensor("same", COLUMNS, COLUMNS, same), table])


def write_model(path: Path, nodes: list[bytes], stored: list[bytes]) -> None:
    graph = b"".join(message(1, one) for one in nodes) + message(2, b"shadow")
    graph += b"".join(message(5, one) for one in stored) + message(11, value("x")) + message(12, value("y"))
    opset = message(1, b"") + number(2, 13)
    path.write_bytes(number(1, 8) + message(7, graph) + message(8, opset))


def thread_of(pid: int, name: str) -> int | None:
    for folder in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (folder / "comm").read_text().strip() == name:
                return int(folder.name)
    return None


@contextlib.contextmanager
def asleep(pid: int, name: str):
    """Stops one thread of another process, and lets it go on at the end."""
    thread = wait_for(f"a thread {name}", lambda: thread_of(pid, name))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
        if libc.ptrace(request, thread, None, None) != 0:
            raise Trouble(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        libc.ptrace(PTRACE_DETACH, thread, None, None)


def plant(place: Path) -> None:
    """Version 1 answers its own input, at once; the others are to be its shadows."""
    folder = place / "echo"
    for number_, write in ((1, lambda path: write_echo(path, 0)), (2, lambda path: write_echo(path, LAYERS)),
                           (3, write_nan), (4, write_panic)):
        (folder / str(number_)).mkdir(parents=True)
        write(folder / str(number_) / "model.onnx")
    (folder / "model.toml").write_text("versions = 'all'\n[aliases]\nchampion = '1'\n")


def shadow_questions(count: int = 64) -> list[Question]:
    asked = []
    for at in range(count):
        rows = [[FATAL, float(at + 1), float(at * 31 % 101 + 1), FATAL]]
        body = json.dumps({"features": rows})
        asked.append(Question(http("/models/echo/predict", body), {ANY: {"predictions": rows}}))
    return asked


def put_plan(server, version: str | None) -> None:
    plan = {"shadow": [{"version": version}]} if version else {}
    url = f"http://{HOST}:{server.admin}/api/models/echo/traffic"
    request = urllib.request.Request(url, json.dumps(plan).encode(), {"content-type": "application/json"}, method="PUT")
    with urllib.request.urlopen(request, timeout=35):
        pass


def shadow_of(server) -> dict:
    shadows = json.loads(server.get(server.admin, "/api/models/echo/experiment")[1]).get("shadows") or [{}]
    return shadows[0]


def seen(server) -> int:
    shadow = shadow_of(server)
    return sum(shadow.get(name, 0) for name in ("requests", "dropped", "failed"))


@row("shadows", 240)
def shadows(stage: Stage, report) -> None:
    plant(stage.garden())
    server = stage.serve(stage.garden(), "--state", str(stage.folder / "state"))
    seconds, rounds = stage.of((1, 1), (5, 5))
    report.done = (
        f"1,000 requests/s over 32 connections; in {rounds} turns of {seconds} s each: no shadow, one that is 100 times "
        "slower, one whose thread is stopped in its work, one that answers NaN, one whose engine panics at every request"
    )
    kinds = (("rest", None), ("slow", "2"), ("asleep", "2"), ("NaN", "3"), ("panics", "4"))
    crowd = stage.crowd(Plan(server.port, shadow_questions(), connections=32, rate=1000))
    spans, last = {kind: [] for kind, _ in kinds}, {}
    for _ in range(rounds):
        for kind, version in kinds:
            put_plan(server, version)
            if version:
                wait_for("the shadow is at work", lambda: seen(server) > 10)
            with asleep(server.pid, f"shadow-{version}") if kind == "asleep" else contextlib.nullcontext():
                began = time.time()
                time.sleep(seconds)
                spans[kind].append((began, time.time()))
                last[kind] = shadow_of(server)
    tally = crowd.stop()
    report.answers(tally)
    pace = last["slow"].get("latency_ratio") or 0.0
    report.check("the slow one takes at least 100 times as long", pace >= 100, f"{pace:.0f} times")
    report.check("the one that sleeps keeps nobody", last["asleep"]["dropped"] > 0, f"{last['asleep']['dropped']} dropped")
    nan = last["NaN"]["not_finite"]["shadow"]
    report.check("NaN is counted", nan > 0, f"{nan} rows")
    panics = server.log.read_text(errors="replace").count("an engine panicked; contained")
    report.check("panics are contained and counted", last["panics"]["failed"] > 0 and panics > 0,
                 f"{panics} panics")
    p99 = {kind: percentile(sorted(t for a, b in turns for t in tally.times(200, a, b)), 0.99)
           for kind, turns in spans.items()}
    for kind, _ in kinds[1:]:
        judge_ratio(stage, report, p99[kind], p99["rest"], f"without a shadow ({kind})")
