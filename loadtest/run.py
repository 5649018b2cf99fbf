#!/usr/bin/env python3
"""Measures Tidegate beside a bare hyper server, with packaged load generators.

Both servers are started here, on free ports of 127.0.0.1, and get the same requests in turn:

- closed loop with wrk at 1, 64 and 256 connections: throughput, latency, CPU per request;
- constant rate with oha, corrected for coordinated omission: latency at a share of the peak.

A round measures each point on both servers, one after the other; the order changes from round
to round, and the table shows medians over the rounds. `--smoke` is a check of a few seconds for
CI instead: it runs Tidegate alone and fails on any bad answer or if `/metrics` lost count.

Needs Linux (/proc), wrk, and oha for the constant rate. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import http.client
import json
import math
import os
import platform
import re
import resource
import shlex
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
MIB = 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")

CONNECTIONS = (1, 64, 256)
RATE_CONNECTIONS = 64
BODIES = 32
START_LIMIT = 30.0
STOP_LIMIT = 20.0
SETTLE = 1.0
WARM_UP = 1
GRACE = 30

LUA = """\
local bodies = {
%(bodies)s
}
local ready = {}
local threads = {}
at, refused = 0, 0

function setup(thread)
  thread:set("at", #threads * 7)
  threads[#threads + 1] = thread
end

function init(arguments)
  local headers = { ["Host"] = wrk.headers["Host"], ["Content-Type"] = "application/json" }
  for i, body in ipairs(bodies) do
    ready[i] = wrk.format("POST", %(path)s, headers, body)
  end
end

function request()
  at = at %% #ready + 1
  return ready[at]
end
%(response)s
function done(summary, latency, requests)
  local refused = 0
  for _, thread in ipairs(threads) do refused = refused + thread:get("refused") end
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%%d,"seconds":%%.6f,"p50":%%.1f,"p99":%%.1f,"mean":%%.3f,"max":%%.1f,' ..
    '"refused":%%d,"broken":%%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    latency.mean, latency.max, math.max(refused, e.status),
    e.connect + e.read + e.write + e.timeout))
end
"""

# Counts every answer that is not 2xx; wrk itself counts from 400 on. It costs wrk time, so only
# the smoke run has it.
LUA_RESPONSE = """
function response(status)
  if status < 200 or status > 299 then refused = refused + 1 end
end
"""


class Trouble(Exception):
    """Something that ends the run with a message and no traceback."""


# --- The servers ----------------------------------------------------------------------------


@dataclass
class Server:
    """One server process: how to start it, and what /proc says of it."""

    name: str
    command: list[str]
    port: int
    admin_port: int | None
    log: Path
    process: subprocess.Popen | None = None
    ready_s: float = 0.0

    def start(self) -> None:
        began = time.perf_counter()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT
            )
        while not is_ready(self.port):
            self.still_runs()
            if time.perf_counter() - began > START_LIMIT:
                raise Trouble(f"{self.name} was not ready within {START_LIMIT:.0f} s\n{self.last_words()}")
            time.sleep(0.001)
        self.ready_s = time.perf_counter() - began

    def still_runs(self) -> None:
        code = self.process.poll()
        if code is not None:
            raise Trouble(f"{self.name} ended with code {code}\n{self.last_words()}")

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not stop within {STOP_LIMIT:.0f} s: killed", file=sys.stderr)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()

    def cpu_s(self) -> float:
        """User and system time of the whole process so far."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self, key: str) -> float:
        """VmRSS (resident now) or VmHWM (its peak), in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) * 1024 / MIB


def is_ready(port: int) -> bool:
    try:
        return ask(port, "GET", "/readyz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((HOST, 0))
        return [one.getsockname()[1] for one in sockets]


def bare_server(options: argparse.Namespace, folder: Path, name: str = "bare") -> Server:
    (port,) = free_ports(1)
    command = [str(options.bare), f"{HOST}:{port}"]
    return Server(name, command, port, None, folder / f"{name}.log")


def tidegate_server(options: argparse.Namespace, folder: Path) -> Server:
    port, admin = free_ports(2)
    state = tempfile.mkdtemp(prefix="state-", dir=folder)
    command = [str(options.tidegate), "serve", str(options.models)]
    command += ["--listen", f"{HOST}:{port}", "--admin-listen", f"{HOST}:{admin}"]
    command += ["--state", state, "--default-model", options.model]
    command += shlex.split(options.serve_args)
    return Server("tidegate", command, port, admin, folder / "tidegate.log")


@contextlib.contextmanager
def running(*servers: Server):
    """Starts the servers one after the other; stops all of them, however the block ends."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield servers


def requests_counted(server: Server) -> float:
    """The sum of `tidegate_requests_total` over its labels."""
    status, text = ask(server.admin_port, "GET", "/metrics")
    if status != 200:
        raise Trouble(f"/metrics answered {status}")
    values = re.findall(r"^tidegate_requests_total(?:\{.*\})? ([0-9.eE+]+)", text.decode(), re.M)
    return sum(map(float, values))


# --- The requests ---------------------------------------------------------------------------


def bodies_of(options: argparse.Namespace) -> list[str]:
    """Request bodies: the lines of `--bodies`, or rows of the model's reference.csv."""
    if options.bodies:
        bodies = [line for line in options.bodies.read_text().splitlines() if line.strip()]
    else:
        rows = reference_rows(options.models / options.model)
        bodies = [json.dumps({"features": row}) for row in spread(rows, BODIES)]
    if not bodies:
        raise Trouble(f"no request bodies for the model {options.model}")
    return bodies


def reference_rows(folder: Path) -> list:
    """The complete rows of the lowest version; a list of numbers, or by name where any is text."""
    versions = sorted((p for p in folder.glob("*/reference.csv") if p.parent.name.isdigit()),
                      key=lambda path: int(path.parent.name))
    if not versions:
        raise Trouble(f"no reference.csv under {folder}")
    with versions[0].open(newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if all(row.values())]
    rows = [{name: cell(text) for name, text in row.items()} for row in rows]
    if any(isinstance(value, str) for row in rows for value in row.values()):
        return rows
    return [list(row.values()) for row in rows]


def cell(text: str) -> float | int | str:
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            value = kind(text)
            return value if math.isfinite(value) else text
    return text


def spread(rows: list, count: int) -> list:
    step = max(1, len(rows) // count)
    return rows[::step][:count]


def lua_string(text: str) -> str:
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03d}"
        for byte in text.encode()
    )
    return f'"{plain}"'


def write_requests(folder: Path, path: str, bodies: list[str], strict: bool) -> None:
    """The same requests for wrk (a Lua script) and for oha (a body on each line)."""
    script = LUA % {
        "bodies": ",\n".join(f"  {lua_string(body)}" for body in bodies),
        "path": lua_string(path),
        "response": LUA_RESPONSE if strict else "",
    }
    (folder / "requests.lua").write_text(script)
    (folder / "requests.jsonl").write_text("\n".join(bodies) + "\n")


def check_requests(server: Server, path: str, bodies: list[str]) -> int:
    """Sends each body once; the length of the first answer's body."""
    length = 0
    for body in bodies:
        status, answer = ask(server.port, "POST", path, body)
        if not 200 <= status < 300:
            raise Trouble(f"{server.name} answered {status} to {body}\n{answer.decode(errors='replace')}")
        length = length or len(answer)
    return length


# --- The load generators --------------------------------------------------------------------


@dataclass
class Load:
    """What the generators need to know beside the point to measure."""

    folder: Path
    path: str
    threads: int
    wrk: str
    oha: str | None


def closed_loop(load: Load, server: Server, connections: int, seconds: int) -> dict:
    """wrk: each connection sends its next request when it has the last answer. Times in us."""
    threads = min(load.threads, connections)
    output = generate([
        load.wrk, f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "5s",
        "-s", str(load.folder / "requests.lua"), f"http://{HOST}:{server.port}",
    ], seconds)
    found = re.search(r"^RESULT (\{.*\})$", output, re.M)
    if not found:
        raise Trouble(f"wrk gave no result:\n{output[-2000:]}")
    result = json.loads(found.group(1))
    result["rate"] = result["requests"] / result["seconds"]
    return result


def constant_rate(load: Load, server: Server, rate: int, seconds: int) -> dict:
    """oha: requests fall due at a fixed rate; waiting for a free connection counts. Times in us."""
    output = generate([
        load.oha, "--no-tui", "--output-format", "json", "-z", f"{seconds}s", "-q", str(rate),
        "-c", str(RATE_CONNECTIONS), "--latency-correction", "--wait-ongoing-requests-after-deadline",
        "--worker-threads", str(load.threads), "-t", "5s", "--disable-compression",
        "-m", "POST", "-T", "application/json", "-Z", str(load.folder / "requests.jsonl"),
        f"http://{HOST}:{server.port}{load.path}",
    ], seconds)
    return read_oha(json.loads(output), rate, seconds)


def read_oha(report: dict, rate: int, seconds: int) -> dict:
    statuses = report["statusCodeDistribution"]
    answered = sum(statuses.values())
    percentiles = report["latencyPercentiles"]
    result = {
        "requests": answered,
        "asked": rate,
        "rate": answered / seconds,
        "refused": sum(count for status, count in statuses.items() if not status.startswith("2")),
        "broken": sum(report["errorDistribution"].values()),
    }
    for key in ("p50", "p99", "p99.9"):
        result[key] = (percentiles.get(key) or math.nan) * 1e6
    return result


def generate(command: list[str], seconds: int) -> str:
    """Runs a generator to its end; it is killed when it takes too long or this run is ended."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, timeout=seconds + GRACE,
        )
    except subprocess.TimeoutExpired:
        raise Trouble(f"{command[0]} took longer than {seconds + GRACE} s") from None
    if done.returncode != 0:
        raise Trouble(f"{command[0]} ended with code {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def generators_cpu_s() -> float:
    """CPU time of the generators that ended; the servers count only once stopped."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measured(run, load: Load, server: Server, point: int, seconds: int) -> dict:
    """One run after a warm-up, with what it cost the server and the generator in CPU."""
    run(load, server, point, WARM_UP)
    server_before, generator_before = server.cpu_s(), generators_cpu_s()
    began = time.perf_counter()
    result = run(load, server, point, seconds)
    elapsed = time.perf_counter() - began
    server.still_runs()
    spent = server.cpu_s() - server_before
    result["cpu_us"] = spent * 1e6 / max(1, result["requests"])
    result["server_cores"] = spent / elapsed
    result["generator_cores"] = (generators_cpu_s() - generator_before) / elapsed
    return result


# --- The full measurement -------------------------------------------------------------------


@dataclass
class Results:
    """Values by measure and server, one for each round."""

    rounds: int
    values: dict = field(default_factory=dict)
    raw: list = field(default_factory=list)
    errors: int = 0

    def add(self, measure: str, server: str, value: float) -> None:
        self.values.setdefault(measure, {}).setdefault(server, []).append(value)

    def add_run(self, measure: str, round_number: int, server: str, result: dict) -> None:
        self.raw.append({"round": round_number, "measure": measure, "server": server, **result})
        self.errors += result["refused"] + result["broken"]
        for key, value in result.items():
            self.add(f"{measure}/{key}", server, value)

    def median(self, measure: str, server: str) -> float:
        return statistics.median(self.values[measure][server])

    def ratios(self, measure: str) -> list[float]:
        of = self.values[measure]
        return [t / b if b else math.nan for t, b in zip(of["tidegate"], of["bare"])]


def pair(options: argparse.Namespace, folder: Path, number: int) -> list[Server]:
    """The two servers in this round's order."""
    if options.noise:
        second = bare_server(options, folder, "tidegate")
    else:
        second = tidegate_server(options, folder)
    servers = [bare_server(options, folder), second]
    return servers[::-1] if number % 2 else servers


def one_round(
    number: int, points: list, load: Load, options: argparse.Namespace, results: Results, lengths: dict
) -> None:
    """Starts both servers, measures each point on the one and then the other, stops both."""
    servers = pair(options, load.folder, number)
    with running(*servers):
        time.sleep(SETTLE)
        for server in servers:
            results.add("ready", server.name, server.ready_s)
            results.add("idle", server.name, server.memory("VmRSS"))
        for server in servers:
            lengths[server.name] = check_requests(server, load.path, options.requests)
        for measure, run, point in points:
            for server in servers:
                result = measured(run, load, server, point, options.duration)
                results.add_run(measure, number, server.name, result)
                progress(number, options.rounds, measure, server.name, result)
        for server in servers:
            results.add("peak", server.name, server.memory("VmHWM"))


def progress(number: int, rounds: int, measure: str, server: str, result: dict) -> None:
    text = f"round {number + 1}/{rounds}  {measure:<8} {server:<9}"
    text += f" {result['rate']:>9,.0f}/s  p50 {result['p50']:>8,.0f} us  p99 {result['p99']:>8,.0f} us"
    text += f"  cpu {result['cpu_us']:>6.1f} us"
    print(text, file=sys.stderr, flush=True)


def measure_all(options: argparse.Namespace, load: Load) -> dict:
    results, lengths = Results(options.rounds), {}
    points = [(f"c{count}", closed_loop, count) for count in CONNECTIONS]
    for number in range(options.rounds):
        one_round(number, points, load, options, results, lengths)
    peak = min(results.median("c64/rate", name) for name in ("bare", "tidegate"))
    rates = {share: max(1, round(peak * share / 100)) for share in options.rates}
    points = [(f"r{share}", constant_rate, rate) for share, rate in rates.items()]
    for number in range(options.rounds if points else 0):
        one_round(number, points, load, options, results, lengths)
    return {"results": results, "rates": rates, "lengths": lengths}


# --- The table ------------------------------------------------------------------------------


@dataclass
class Row:
    """A line of the table: a measure, how it is written, and its budget if it has one."""

    label: str
    measure: str
    form: str = "{:,.0f}"
    budget: float | None = None
    on: str = "ratio"
    at_least: bool = False

    def wanted(self) -> str:
        if self.budget is None:
            return ""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.budget:.2f}" if self.on == "ratio" else f"{sign} {self.on.format(self.budget)}"

    def verdict(self, ratio: float, value: float) -> str:
        if self.budget is None:
            return ""
        got = ratio if self.on == "ratio" else value
        met = got >= self.budget if self.at_least else got <= self.budget
        return "met" if met else "**missed**"


def table_rows(rates: dict) -> list[Row]:
    rows = []
    for count in CONNECTIONS:
        name = f"{count} connection" + ("s" if count > 1 else "")
        budgets = {1: {"p50": 1.15}, 64: {"rate": 0.80, "cpu_us": 1.35}}.get(count, {})
        rows += [
            Row(f"Throughput, {name} (requests/s)", f"c{count}/rate", budget=budgets.get("rate"), at_least=True),
            Row(f"p50, {name} (µs)", f"c{count}/p50", budget=budgets.get("p50")),
            Row(f"p99, {name} (µs)", f"c{count}/p99"),
            Row(f"CPU per request, {name} (µs)", f"c{count}/cpu_us", "{:.1f}", budgets.get("cpu_us")),
        ]
    rows += [
        Row("Resident, idle (MiB)", "idle", "{:.1f}", 40, "{:.0f} MiB"),
        Row("Resident, peak (MiB)", "peak", "{:.1f}"),
        Row("Start to ready (s)", "ready", "{:.3f}", 0.3, "{:.1f} s"),
    ]
    for share, rate in rates.items():
        name = f"{rate:,}/s ({share} % of peak)"
        rows += [Row(f"Rate reached of {name}", f"r{share}/rate")]
        rows += [Row(f"{key} at {name} (µs)", f"r{share}/{key}") for key in ("p50", "p99", "p99.9")]
        rows += [Row(f"CPU per request at {name} (µs)", f"r{share}/cpu_us", "{:.1f}")]
    return rows


def summary_of(row: Row, results: Results, judged: bool) -> dict:
    bare, tidegate = results.median(row.measure, "bare"), results.median(row.measure, "tidegate")
    ratio = tidegate / bare if bare else math.nan
    ratios = results.ratios(row.measure)
    return {
        "measure": row.measure, "label": row.label, "bare": bare, "tidegate": tidegate, "ratio": ratio,
        "ratio_min": min(ratios), "ratio_max": max(ratios),
        "budget": row.wanted() if judged else "",
        "verdict": row.verdict(ratio, tidegate) if judged else "",
        "text": [row.form.format(bare), row.form.format(tidegate)],
    }


def second_name(options: argparse.Namespace) -> str:
    return "bare hyper again" if options.noise else "Tidegate"


def table(summaries: list[dict], second: str) -> str:
    lines = [f"| Measure | bare hyper | {second} | Ratio | Over the rounds | Budget | |",
             "|---|--:|--:|--:|--:|--:|---|"]
    for one in summaries:
        spread_text = f"{one['ratio_min']:.2f} to {one['ratio_max']:.2f}"
        cells = [one["label"], *one["text"], f"{one['ratio']:.2f}", spread_text, one["budget"], one["verdict"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def notes(options: argparse.Namespace, facts: dict, measured_all: dict) -> str:
    results, lengths = measured_all["results"], measured_all["lengths"]
    lines = [
        f"- Machine: {facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}; "
        f"load average at the start {facts['load']:.2f}",
        f"- Date: {facts['date']}",
        "- Versions: " + ", ".join(facts["versions"]),
        f"- Command: `{facts['command']}`",
        f"- Requests: POST {options.path}, {len(options.requests)} different bodies in turn; answers of "
        f"{lengths['bare']} bytes (bare hyper) and {lengths['tidegate']} bytes ({second_name(options)})",
        f"- Medians over {options.rounds} rounds of {options.duration} s at each point, after {WARM_UP} s of "
        f"warm-up; generators with {options.threads} thread(s)",
        f"- CPU at 64 connections: {cores(results, 'c64', second_name(options))}",
        f"- Answers other than 2xx, and broken or timed-out requests: {results.errors}",
    ]
    lines += [warning for share, rate in measured_all["rates"].items()
              for warning in lagging(results, share, rate)]
    return "\n".join(lines)


def cores(results: Results, measure: str, second: str) -> str:
    texts = []
    for name, label in (("bare", "bare hyper"), ("tidegate", second)):
        own = results.median(f"{measure}/server_cores", name)
        other = results.median(f"{measure}/generator_cores", name)
        texts.append(f"{label} {own:.2f} cores beside {other:.2f} of the generator")
    return "; ".join(texts)


def lagging(results: Results, share: int, rate: int) -> list[str]:
    """A line where less than 98 % of the rate was reached: its latencies say little."""
    slow = [name for name in ("bare", "tidegate") if results.median(f"r{share}/rate", name) < 0.98 * rate]
    if not slow:
        return []
    return [f"- **{rate:,}/s was not reached** with {' and '.join(slow)}: server and generator together "
            "need more than this machine has, so latencies at this rate are queues, not service"]


# --- Facts about this run -------------------------------------------------------------------


def facts_of(options: argparse.Namespace, load: Load) -> dict:
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions(options, load),
        "command": shlex.join(["python3", "loadtest/run.py", *sys.argv[1:]]),
    }


def cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1) if found else platform.machine()


def versions(options: argparse.Namespace, load: Load) -> list[str]:
    tidegate = first_line([str(options.tidegate), "--version"])
    found = ["no Tidegate (--noise)" if options.noise else tidegate or "tidegate (unknown)"]
    lock = ROOT / "Cargo.lock"
    text = lock.read_text() if lock.exists() else ""
    for name in ("hyper", "tokio"):
        pinned = re.search(rf'^name = "{name}"\nversion = "(.+)"$', text, re.M)
        found += [f"{name} {pinned.group(1)}"] if pinned else []
    found.append(first_line([load.wrk, "-v"]).partition(" [")[0])
    found += [first_line([load.oha, "--version"])] if load.oha else []
    return [*found, f"Python {platform.python_version()}"]


def first_line(command: list[str]) -> str:
    """wrk tells its version beside an error code, so the code says nothing."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).partition("\n")[0].strip()


# --- The two modes --------------------------------------------------------------------------


def full(options: argparse.Namespace, load: Load) -> int:
    facts = facts_of(options, load)
    measured_all = measure_all(options, load)
    results = measured_all["results"]
    judged = not options.noise
    summaries = [summary_of(row, results, judged) for row in table_rows(measured_all["rates"])]
    print(table(summaries, second_name(options)) + "\n\n" + notes(options, facts, measured_all))
    if options.json:
        raw = {"facts": facts, "summary": summaries, "values": results.values, "runs": results.raw}
        options.json.write_text(json.dumps(raw, indent=1) + "\n")
    return 1 if results.errors else 0


def smoke(options: argparse.Namespace, load: Load) -> int:
    """Short runs against Tidegate alone: every answer 2xx, and all of them in /metrics."""
    server = tidegate_server(options, load.folder)
    with running(server):
        check_requests(server, load.path, options.requests)
        before = requests_counted(server)
        runs = [closed_loop(load, server, count, 1) for count in (1, 64)]
        if load.oha:
            runs.append(constant_rate(load, server, 200, 1))
        server.still_runs()
        answered = sum(run["requests"] for run in runs)
        counted = growth(server, before, answered)
    faults = smoke_faults(runs, answered, counted)
    print(f"smoke: ready in {server.ready_s:.3f} s, {answered} requests answered, {counted:.0f} counted")
    for fault in faults:
        print(f"smoke: FAILED: {fault}")
    return 1 if faults else 0


def growth(server: Server, before: float, wanted: int) -> float:
    """How far the count has grown; the last answers get a moment to be counted."""
    grown = 0.0
    for _ in range(20):
        grown = requests_counted(server) - before
        if grown >= wanted:
            break
        time.sleep(0.05)
    return grown


def smoke_faults(runs: list[dict], answered: int, counted: float) -> list[str]:
    faults = []
    refused, broken = (sum(run[key] for run in runs) for key in ("refused", "broken"))
    if not all(run["requests"] for run in runs):
        faults.append("a run got no answers at all")
    if refused:
        faults.append(f"{refused} answers were not 2xx")
    if broken:
        faults.append(f"{broken} requests broke off or timed out")
    if counted < answered:
        faults.append(f"tidegate_requests_total grew by {counted:.0f}, less than the {answered} answers")
    return faults


# --- The command line -----------------------------------------------------------------------


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Measures Tidegate beside a bare hyper server.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--smoke", action="store_true", help="a short check for CI: Tidegate alone, exit 1 on any fault")
    add("--noise", action="store_true",
        help="a second bare server in Tidegate's place: how far the ratios stray by chance")
    add("--tidegate", type=Path, default=ROOT / "target/release/tidegate", help="the tidegate binary")
    add("--bare", type=Path, default=ROOT / "target/release/bare-hyper", help="the bare-hyper binary")
    add("--models", type=Path, default=ROOT / "models", help="the folder of models to serve")
    add("--model", default="diabetes", help="the model to ask")
    add("--path", help="where to post, if not /models/MODEL/predict")
    add("--bodies", type=Path, help="a file of request bodies, one a line, in place of reference.csv")
    add("--serve-args", default="", help="more arguments for tidegate serve, as one string: --serve-args='...'")
    add("--duration", type=positive, default=5, help="seconds at each point")
    add("--rounds", type=positive, default=5, help="rounds; the table shows medians over them")
    add("--rates", type=shares, default="20,60", help="constant rates in percent of the peak, or 'none'")
    add("--threads", type=positive, default=max(1, len(os.sched_getaffinity(0)) // 2),
        help="threads of the load generators")
    add("--json", type=Path, help="write all values to this file")
    options = parser.parse_args()
    options.path = options.path or f"/models/{options.model}/predict"
    return options


def positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError("expected 1 to 3600")
    return value


def shares(text: str) -> list[int]:
    values = [] if text == "none" else [int(part) for part in text.split(",")]
    if not all(1 <= value <= 100 for value in values):
        raise argparse.ArgumentTypeError("expected percentages from 1 to 100, or 'none'")
    return values


def prepare(options: argparse.Namespace, folder: Path) -> Load:
    """Finds the programs and writes the requests; says what is missing before anything starts."""
    if not options.noise or options.smoke:
        options.tidegate = program(options.tidegate, "cargo build --release")
    options.models = options.models.resolve()
    if not options.smoke:
        options.bare = program(options.bare, "cargo build --release -p bare-hyper")
    wrk, oha = shutil.which("wrk"), shutil.which("oha")
    if not wrk:
        raise Trouble("wrk is not installed; see loadtest/README.md")
    if not oha and options.rates and not options.smoke:
        raise Trouble("oha is not installed; see loadtest/README.md, or leave it out with --rates none")
    options.requests = bodies_of(options)
    write_requests(folder, options.path, options.requests, strict=options.smoke)
    return Load(folder, options.path, options.threads, wrk, oha)


def program(path: Path, remedy: str) -> Path:
    if not os.access(path, os.X_OK):
        raise Trouble(f"there is no program {path}; build it with: {remedy}")
    return path.resolve()


def main() -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, frame: sys.exit(128 + signum))
    options = arguments()
    try:
        with tempfile.TemporaryDirectory(prefix="tidegate-loadtest-") as name:
            load = prepare(options, Path(name))
            return smoke(options, load) if options.smoke else full(options, load)
    except Trouble as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
