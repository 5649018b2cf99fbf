#!/usr/bin/env python3
"""Measures Tidegate beside FastAPI, MLServer and a bare hyper server, all in one interleaved run.

Every round has three parts, each with its servers started afresh:

- alone: each server by itself; start to ready, memory idle and under load, over all its processes;
- closed loop: all servers up, wrk at 1, 64 and 256 connections, each point on all of them in turn;
- constant rate: oha at a rate that the slowest can hold, and at one that only the fast can.

Every server serves the same one model. FastAPI runs with one worker and with one a core. MLServer
speaks the Open Inference Protocol v2, so Tidegate has a second column with the very same v2
requests. Before anything is measured, all must give the same prediction. The rivals are installed
into environments of their own, in the versions that rivals/*.txt pin.

Needs what run.py needs, and Python 3.11 or later. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from harness import (
    CONNECTIONS, HOST, RATE_CONNECTIONS, ROOT, WARM_UP, Load, Results, Server, Trouble,
    add_binaries, add_threads, ask, bare_server, check_requests, closed_loop, constant_rate,
    facts_lines, facts_of, free_ports, generators, measured, positive, program, progress,
    run_bounded, running, sample_rows, tidegate_server, tidegate_version, versions_of,
    write_requests,
)

RIVALS = ROOT / "loadtest/rivals"
MODEL = "diabetes"
INPUT = "input"
PREDICT = "/predict"
INFER = f"/v2/models/{MODEL}/infer"
TOLERANCE = 1e-5
INSTALL_LIMIT = 900
SETTLE = 2.0
SAMPLE_EVERY = 0.2
SHARE = 0.5
ALL_CORES = max(2, len(os.sched_getaffinity(0)))
FASTAPI = "fastapi-all"
BUNDLED = "bundled"
NAME_WIDTH = 11


# --- The contenders -------------------------------------------------------------------------


@dataclass
class Contender:
    """A column of the table: how its server is made, what it is asked, how its answer is read."""

    key: str
    title: str
    make: Callable[[Path], Server]
    load: Load
    bodies: list[str]
    fast: bool = False

    def prediction(self, server: Server) -> float | None:
        """What it predicts for the first row; the bare server predicts nothing."""
        if self.key == "bare":
            return None
        status, text = ask(server.port, "POST", self.load.path, self.bodies[0])
        if status != 200:
            raise Trouble(f"{self.key} answered {status}: {text.decode(errors='replace')}")
        answer = json.loads(text)
        values = answer["outputs"][0]["data"] if "outputs" in answer else answer["predictions"]
        return float(values[0])


def contenders_of(options: argparse.Namespace, folder: Path) -> tuple[list[Contender], Contender]:
    """The columns, and Tidegate with all bundled models, whose start and memory have budgets of their own."""
    plain, v2 = requests_of(options, folder)
    everything = argparse.Namespace(**{**vars(options), "models": ROOT / "models"})
    bundled = Contender(
        BUNDLED, "Tidegate, bundled models", functools.partial(tidegate_server, everything, name=BUNDLED), *plain)
    found = [
        Contender("bare", "bare hyper", functools.partial(bare_server, options), *plain, fast=True),
        Contender("tidegate", "Tidegate", functools.partial(tidegate_server, options), *plain, fast=True),
        Contender("fastapi-1", "FastAPI ×1", functools.partial(fastapi_server, options, "fastapi-1", 1), *plain),
        Contender(FASTAPI, f"FastAPI ×{ALL_CORES}",
                  functools.partial(fastapi_server, options, FASTAPI, ALL_CORES), *plain),
        Contender("tidegate-v2", "Tidegate, v2",
                  functools.partial(tidegate_server, options, name="tidegate-v2"), *v2, fast=True),
        Contender("mlserver", "MLServer, v2", functools.partial(mlserver_server, options), *v2),
    ]
    return (found[:-1] if options.without_mlserver else found), bundled


def requests_of(options: argparse.Namespace, folder: Path) -> list[tuple[Load, list[str]]]:
    """The same rows twice: as the plain body and as a v2 request."""
    rows = sample_rows(options.models / MODEL)
    plain = [json.dumps({"features": row}) for row in rows]
    v2 = [json.dumps({"inputs": [
        {"name": INPUT, "datatype": "FP32", "shape": [1, len(row)], "data": row}]}) for row in rows]
    found = []
    for name, path, bodies in (("plain", PREDICT, plain), ("v2", INFER, v2)):
        place = folder / name
        place.mkdir()
        write_requests(place, path, bodies, strict=False)
        found.append((Load(place, path, options.threads, options.wrk, options.oha), bodies))
    return found


def fastapi_server(options: argparse.Namespace, name: str, workers: int, folder: Path) -> Server:
    (port,) = free_ports(1)
    command = [str(options.venv / "fastapi/bin/python"), "-m", "uvicorn", "fastapi_app:app"]
    command += ["--app-dir", str(RIVALS), "--host", HOST, "--port", str(port), "--workers", str(workers)]
    command += ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
    environment = {**plain_environment(), "MODEL": str(options.models / MODEL / "1/model.onnx")}
    return Server(name, command, port, None, folder / f"{name}.log", environment=environment, folder=folder)


def mlserver_server(options: argparse.Namespace, folder: Path) -> Server:
    """It runs in the temporary folder, where it leaves two folders of its own."""
    port, grpc, metrics = free_ports(3)
    command = [str(options.venv / "mlserver/bin/mlserver"), "start", str(RIVALS / "mlserver_model")]
    environment = {
        **plain_environment(), "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(grpc), "MLSERVER_METRICS_PORT": str(metrics),
    }
    return Server("mlserver", command, port, None, folder / "mlserver.log",
                  ready_path=f"/v2/models/{MODEL}/ready", environment=environment, folder=folder)


def plain_environment() -> dict[str, str]:
    """Without PYTHON* variables: some of them, such as PYTHONDONTWRITEBYTECODE, slow a start down."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


# --- Their environments ---------------------------------------------------------------------


def install(name: str, venv: Path) -> None:
    """A virtual environment with what rivals/NAME.txt pins; left alone where it is up to date."""
    pins = RIVALS / f"{name}.txt"
    stamp = venv / name / "installed"
    wanted = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing {name} into {venv / name}", file=sys.stderr, flush=True)
    run_command([sys.executable, "-m", "venv", "--clear", str(venv / name)])
    run_command([str(venv / name / "bin/pip"), "install", "-q", "--no-input", "-r", str(pins)])
    stamp.write_text(wanted)


def run_command(words: list[str]) -> None:
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=INSTALL_LIMIT)
    except subprocess.TimeoutExpired:
        raise Trouble(f"{words[0]} took longer than {INSTALL_LIMIT} s") from None
    if done.returncode != 0:
        raise Trouble(f"{' '.join(words)} ended with code {done.returncode}\n{done.stdout[-2000:]}")


def pinned(name: str, packages: tuple[str, ...]) -> list[str]:
    """`package version` for each, as rivals/NAME.txt has it."""
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (RIVALS / f"{name}.txt").read_text(), re.M))
    return [f"{package} {pins[package]}" for package in packages]


# --- The parts of a round -------------------------------------------------------------------


class PeakMemory:
    """Within its block, reads a server's memory again and again, and keeps the highest."""

    def __init__(self, server: Server):
        self.server = server
        self.highest = 0.0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def watch(self) -> None:
        while not self.done.wait(SAMPLE_EVERY):
            self.highest = max(self.highest, self.server.proportional_memory())

    def __enter__(self) -> PeakMemory:
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.done.set()
        self.thread.join()


def alone(contender: Contender, number: int, options: argparse.Namespace, results: Results) -> None:
    """Start and memory of one server, with no other up that could share its pages or its cores."""
    with running(contender.make(contender.load.folder)) as (server,):
        time.sleep(SETTLE)
        idle, resident = server.proportional_memory(), server.memory("VmRSS")
        connections = max(CONNECTIONS)
        with PeakMemory(server) as peak:
            result = closed_loop(contender.load, server, connections, options.duration)
        server.still_runs()
        found = {"ready": server.ready_s, "idle": idle, "idle-rss": resident, "loaded": peak.highest}
        for measure, value in found.items():
            results.add(measure, contender.key, value)
        results.errors += result["refused"] + result["broken"]
        results.raw.append({"round": number, "measure": "alone", "server": contender.key, **found})
        text = f"ready {server.ready_s:.3f} s  idle {idle:.1f} MiB  loaded {peak.highest:.1f} MiB"
        print(f"round {number + 1}/{options.rounds}  alone    {contender.key:<{NAME_WIDTH}} {text}",
              file=sys.stderr, flush=True)


def beside(
    contenders: list[Contender], points: list, number: int, options: argparse.Namespace, results: Results
) -> None:
    """Starts all, measures each point on each in turn, stops all. A point names who takes part."""
    servers = [contender.make(contender.load.folder) for contender in contenders]
    with running(*servers):
        time.sleep(SETTLE)
        for contender, server in zip(contenders, servers):
            check_requests(server, contender.load.path, contender.bodies)
        for measure, run, value, keys in points:
            for contender, server in zip(contenders, servers):
                if contender.key in keys:
                    result = measured(run, contender.load, server, value, options.duration)
                    results.add_run(measure, number, contender.key, result)
                    progress(number, options.rounds, measure, contender.key, result, NAME_WIDTH)


def turned(contenders: list[Contender], number: int) -> list[Contender]:
    """Another one begins each round."""
    first = number % len(contenders)
    return contenders[first:] + contenders[:first]


def check_predictions(contenders: list[Contender]) -> dict[str, float]:
    """Asks all for the same row; they must agree before anything is measured."""
    found = {}
    for contender in contenders:
        with running(contender.make(contender.load.folder)) as (server,):
            found[contender.key] = contender.prediction(server)
    found = {key: value for key, value in found.items() if value is not None}
    middle = statistics.median(found.values())
    if any(not math.isclose(value, middle, rel_tol=TOLERANCE) for value in found.values()):
        raise Trouble(f"the servers disagree about the same row: {found}")
    return found


@dataclass
class Rate:
    """A constant rate, and the contenders that can hold it."""

    measure: str
    rate: int
    keys: list[str]


def rates_of(contenders: list[Contender], results: Results) -> list[Rate]:
    """Half of what the slowest rival answers, and half of what the slowest of the fast does."""
    peaks = {contender.key: results.median("c64/rate", contender.key) for contender in contenders}
    slow = max(1, round(SHARE * min(peaks.values())))
    fast = max(1, round(SHARE * min(peaks[one.key] for one in contenders if one.fast)))
    return [Rate("slow", slow, list(peaks)), Rate("fast", fast, [key for key in peaks if peaks[key] > fast])]


def measure_all(
    contenders: list[Contender], bundled: Contender, options: argparse.Namespace
) -> tuple[Results, list[Rate]]:
    results = Results(options.rounds)
    everyone = [contender.key for contender in contenders]
    points = [(f"c{count}", closed_loop, count, everyone) for count in CONNECTIONS]
    for number in range(options.rounds):
        for contender in turned([*contenders, bundled], number):
            alone(contender, number, options, results)
        beside(turned(contenders, number), points, number, options, results)
    if options.no_rates:
        return results, []
    rates = rates_of(contenders, results)
    points = [(one.measure, constant_rate, one.rate, one.keys) for one in rates]
    for number in range(options.rounds):
        beside(turned(contenders, number), points, number, options, results)
    return results, rates


# --- The tables -----------------------------------------------------------------------------


@dataclass
class Row:
    """A line of the table of measures."""

    label: str
    measure: str
    form: str = "{:,.0f}"


def table_rows(rates: list[Rate]) -> list[Row]:
    rows = []
    for count in CONNECTIONS:
        name = f"{count} connection" + ("s" if count > 1 else "")
        rows += [
            Row(f"Throughput, {name} (requests/s)", f"c{count}/rate"),
            Row(f"p50, {name} (µs)", f"c{count}/p50"),
            Row(f"p99, {name} (µs)", f"c{count}/p99"),
            Row(f"CPU per request, {name} (µs)", f"c{count}/cpu_us", "{:.1f}"),
        ]
    for rate in rates:
        name = f"{rate.rate:,}/s"
        rows += [Row(f"Rate reached of {name}", f"{rate.measure}/rate")]
        rows += [Row(f"{key} at {name} (µs)", f"{rate.measure}/{key}") for key in ("p50", "p99", "p99.9")]
        rows += [Row(f"CPU per request at {name} (µs)", f"{rate.measure}/cpu_us", "{:.1f}")]
    return rows + [
        Row("Memory, idle (MiB, PSS)", "idle", "{:.1f}"),
        Row("Memory under load, 256 connections (MiB, PSS)", "loaded", "{:.1f}"),
        Row("Resident, idle (MiB, RSS)", "idle-rss", "{:.1f}"),
        Row("Start to ready (s)", "ready", "{:.3f}"),
    ]


def medians_of(row: Row, results: Results) -> dict[str, float]:
    return {key: statistics.median(values) for key, values in results.values[row.measure].items()}


def table(rows: list[Row], contenders: list[Contender], results: Results) -> str:
    lines = ["| Measure | " + " | ".join(one.title for one in contenders) + " |",
             "|---|" + "--:|" * len(contenders)]
    for row in rows:
        found = medians_of(row, results)
        cells = [row.form.format(found[one.key]) if one.key in found else "–" for one in contenders]
        lines.append("| " + " | ".join([row.label, *cells]) + " |")
    return "\n".join(lines)


@dataclass
class Budget:
    """What a measure of one contender has to be, beside another's or on its own; without a limit it is only told."""

    label: str
    measure: str
    limit: float | None
    wanted: str
    under: str | None = "bare"
    over: str = "tidegate"
    at_least: bool = False
    form: str = "{:.2f}"

    def judge(self, results: Results) -> dict:
        value = results.median(self.measure, self.over)
        each = results.values[self.measure][self.over]
        if self.under is not None:
            value /= results.median(self.measure, self.under)
            each = results.ratios(self.measure, self.over, self.under)
        return {
            "label": self.label, "wanted": self.wanted, "value": value, "min": min(each), "max": max(each),
            "text": self.form.format(value),
            "range": f"{self.form.format(min(each))} to {self.form.format(max(each))}",
            "verdict": self.verdict(value),
        }

    def verdict(self, value: float) -> str:
        if self.limit is None:
            return ""
        met = value >= self.limit if self.at_least else value <= self.limit
        return "met" if met else "**missed**"


def budgets_of(contenders: list[Contender]) -> list[Budget]:
    rival = dict(under=FASTAPI, form="{:.3f}")
    found = [
        Budget("Throughput, 64 connections, beside bare hyper", "c64/rate", 0.80, "at least 0.80", at_least=True),
        Budget("p50, 1 connection, beside bare hyper", "c1/p50", 1.15, "at most 1.15"),
        Budget("CPU per request, 64 connections, beside bare hyper", "c64/cpu_us", 1.35, "at most 1.35"),
        Budget("Throughput, 64 connections, beside FastAPI, both on all cores", "c64/rate", 7, "at least 7",
               under=FASTAPI, at_least=True),
        Budget("Memory, idle, beside FastAPI", "idle", 1 / 6, "at most a sixth (0.167)", **rival),
        Budget("Memory under load, beside FastAPI", "loaded", 1 / 6, "at most a sixth (0.167)", **rival),
        Budget("Start to ready, beside FastAPI", "ready", 1 / 10, "at most a tenth (0.100)", **rival),
        Budget("CPU per request, 64 connections, beside FastAPI", "c64/cpu_us", 1 / 10, "at most a tenth (0.100)",
               **rival),
        Budget("Resident, idle, all bundled models", "idle-rss", 40, "at most 40 MiB", under=None, over=BUNDLED,
               form="{:.1f} MiB"),
        Budget("Start to ready, all bundled models", "ready", 0.3, "at most 0.3 s", under=None, over=BUNDLED,
               form="{:.3f} s"),
    ]
    found += bundled_beside_fastapi()
    if any(contender.key == "mlserver" for contender in contenders):
        found += beside_mlserver()
    return found


def bundled_beside_fastapi() -> list[Budget]:
    """The same ratios when Tidegate holds every bundled model and FastAPI still one; told, not judged."""
    lines = (("Memory, idle", "idle"), ("Memory under load", "loaded"), ("Start to ready", "ready"))
    return [Budget(f"{label}, Tidegate with all bundled models, beside FastAPI with one", measure, None, "",
                   under=FASTAPI, over=BUNDLED, form="{:.3f}") for label, measure in lines]


def beside_mlserver() -> list[Budget]:
    """No budget is set here; these lines tell how far apart the two are on the same v2 requests."""
    lines = (
        ("Throughput, 64 connections", "c64/rate", "{:.1f}"),
        ("CPU per request, 64 connections", "c64/cpu_us", "{:.3f}"),
        ("Memory, idle", "idle", "{:.3f}"),
        ("Memory under load", "loaded", "{:.3f}"),
        ("Start to ready", "ready", "{:.3f}"),
    )
    return [Budget(f"{label}, v2, beside MLServer", measure, None, "", under="mlserver", over="tidegate-v2", form=form)
            for label, measure, form in lines]


def budget_table(judged: list[dict]) -> str:
    lines = ["| What | Budget | Tidegate | Over the rounds | |", "|---|---|--:|--:|---|"]
    for one in judged:
        lines.append("| " + " | ".join(one[key] for key in ("label", "wanted", "text", "range", "verdict")) + " |")
    return "\n".join(lines)


def notes(
    contenders: list[Contender], options: argparse.Namespace, facts: dict, results: Results, rates: list[Rate],
    predictions: dict[str, float],
) -> str:
    lines = [*(["- **A try (`--quick`), not a measurement**"] if options.quick else []), *facts_lines(facts)]
    lines += [
        f"- Every server serves the one model {MODEL} unless told otherwise. Requests: "
        f"{len(contenders[0].bodies)} rows, one a request, in turn; POST {PREDICT}, and "
        f"POST {INFER} for the v2 columns. All predict {min(predictions.values()):.6g} for the first",
        f"- Medians over {options.rounds} round(s) of {options.duration} s at each point, after {WARM_UP} s of "
        f"warm-up; generators with {options.threads} thread(s)",
        f"- FastAPI runs with 1 and with {ALL_CORES} workers; budgets are held against {ALL_CORES}, one a core",
        "- CPU time and memory are sums over all processes of a server. PSS counts a page that several "
        "processes share once, in parts",
        f"- CPU at 64 connections: {cores_text(contenders, results)}",
        f"- Answers other than 2xx, and broken or timed-out requests: {results.errors}",
    ]
    return "\n".join(lines + [line for rate in rates for line in rate_notes(rate, contenders, results)])


def cores_text(contenders: list[Contender], results: Results) -> str:
    texts = []
    for one in contenders:
        own, other = (results.median(f"c64/{key}_cores", one.key) for key in ("server", "generator"))
        texts.append(f"{one.title} {own:.2f} cores beside {other:.2f} of the generator")
    return "; ".join(texts)


def rate_notes(rate: Rate, contenders: list[Contender], results: Results) -> list[str]:
    """Who cannot be asked for this rate, and who did not hold it though it was."""
    absent = [one.title for one in contenders if one.key not in rate.keys]
    behind = [one.title for one in contenders
              if one.key in rate.keys and results.median(f"{rate.measure}/rate", one.key) < 0.98 * rate.rate]
    lines = [f"- {rate.rate:,}/s on {RATE_CONNECTIONS} connections, constant"]
    if absent:
        lines[0] += f"; not asked of {', '.join(absent)}: it is more than they answer in a closed loop"
    if behind:
        lines.append(f"- **{rate.rate:,}/s was not reached** by {', '.join(behind)}: latencies at this rate "
                     "are those of a growing queue")
    return lines


# --- The command line -----------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measures Tidegate beside FastAPI, MLServer and a bare hyper server.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="one round of 1 s at each point: a try, not a measurement")
    add_binaries(parser)
    add("--venv", type=Path, default=ROOT / "target/rivals-venv", help="where the rivals are installed")
    add("--without-mlserver", action="store_true", help="leave MLServer out, where it cannot be installed")
    add("--serve-args", default="", help="more arguments for tidegate serve, as one string: --serve-args='...'")
    add("--duration", type=positive, default=5, help="seconds at each point")
    add("--rounds", type=positive, default=5, help="rounds; the tables show medians over them")
    add("--no-rates", action="store_true", help="without the constant rates (and without oha)")
    add_threads(parser)
    add("--json", type=Path, help="write all values to this file")
    options = parser.parse_args()
    options.model, options.venv = MODEL, options.venv.resolve()
    if options.quick:
        options.duration = options.rounds = 1
    return options


def prepare(options: argparse.Namespace, folder: Path) -> None:
    """Finds the programs and installs the rivals; says what is missing before anything starts."""
    if sys.version_info < (3, 11):
        raise Trouble("the pinned versions of the rivals need Python 3.11 or later")
    options.tidegate = program(options.tidegate, "cargo build --release")
    options.bare = program(options.bare, "cargo build --release -p bare-hyper")
    options.wrk, options.oha = generators(not options.no_rates, "--no-rates")
    install("fastapi", options.venv)
    if not options.without_mlserver:
        install("mlserver", options.venv)
    options.models = folder / "models"
    shutil.copytree(ROOT / "models" / MODEL, options.models / MODEL)


def versions(options: argparse.Namespace, load: Load) -> list[str]:
    found = versions_of(tidegate_version(options.tidegate), load)
    found += pinned("fastapi", ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "onnxruntime"))
    if not options.without_mlserver:
        theirs = ", ".join(pinned("mlserver", ("fastapi", "uvicorn", "uvloop", "onnxruntime")))
        found += [pinned("mlserver", ("mlserver",))[0] + f" (with {theirs})"]
    return found


def compare(options: argparse.Namespace, folder: Path) -> int:
    prepare(options, folder)
    contenders, bundled = contenders_of(options, folder)
    facts = facts_of("rivals.py", versions(options, contenders[0].load))
    predictions = check_predictions(contenders)
    results, rates = measure_all(contenders, bundled, options)
    rows = table_rows(rates)
    judged = [budget.judge(results) for budget in budgets_of(contenders)]
    print(table(rows, contenders, results), budget_table(judged),
          notes(contenders, options, facts, results, rates, predictions), sep="\n\n")
    if options.json:
        medians = [{"measure": row.measure, "label": row.label, "medians": medians_of(row, results)} for row in rows]
        raw = {"facts": facts, "predictions": predictions, "summary": medians, "budgets": judged,
               "values": results.values, "runs": results.raw}
        options.json.write_text(json.dumps(raw, indent=1) + "\n")
    return 1 if results.errors else 0


def main() -> int:
    return run_bounded(functools.partial(compare, arguments()))


if __name__ == "__main__":
    sys.exit(main())
