"""What the load tests share: servers, requests, load generators, results, facts of the run.

A server here is a tree of processes on 127.0.0.1: one for most, several where workers are
processes. CPU time and memory are sums over the tree. `run.py` and `rivals.py` say what is
measured with it. Needs Linux (/proc).
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
    """A server with all processes it starts: how to start it, and what /proc says of them."""

    name: str
    command: list[str]
    port: int
    admin_port: int | None
    log: Path
    ready_path: str = "/readyz"
    environment: dict[str, str] | None = None
    folder: Path = ROOT
    process: subprocess.Popen | None = None
    ready_s: float = 0.0

    def start(self) -> None:
        began = time.perf_counter()
        # A session of its own, so that stopping reaches workers whose parent has died.
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, env=self.environment, start_new_session=True,
            )
        while not is_ready(self.port, self.ready_path):
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
        if self.process is None:
            return
        try:
            self.process.terminate()
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            print(f"{self.name} did not stop within {STOP_LIMIT:.0f} s: killed", file=sys.stderr)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def tree(self) -> list[int]:
        return tree_of(self.process.pid)

    def cpu_s(self) -> float:
        """User and system time of the tree so far, with that of workers that ended."""
        return sum(sum(map(int, stat_of(pid)[11:15])) for pid in self.tree()) / TICKS

    def memory(self, key: str) -> float:
        """VmRSS (resident now) or VmHWM (its peak) in MiB; over a tree, shared pages count again and again."""
        return sum(kib_of(pid, "status", key) for pid in self.tree()) * 1024 / MIB

    def proportional_memory(self) -> float:
        """Pss in MiB: resident memory in which a page that n processes share counts 1/n for each."""
        return sum(kib_of(pid, "smaps_rollup", "Pss") for pid in self.tree()) * 1024 / MIB


def tree_of(root: int) -> list[int]:
    """The process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        children.setdefault(int(stat_of(pid)[1]), []).append(pid)
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def stat_of(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name; zeros for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["0"] * 50


def kib_of(pid: int, file: str, key: str) -> int:
    """A line of /proc/PID/FILE such as `VmRSS:  1234 kB`; 0 for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rf"^{key}:\s+(\d+) kB", text, re.M)
    return int(found.group(1)) if found else 0


def is_ready(port: int, path: str) -> bool:
    try:
        return ask(port, "GET", path)[0] == 200
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


def tidegate_server(options: argparse.Namespace, folder: Path, name: str = "tidegate") -> Server:
    port, admin = free_ports(2)
    state = tempfile.mkdtemp(prefix="state-", dir=folder)
    command = [str(options.tidegate), "serve", str(options.models)]
    command += ["--listen", f"{HOST}:{port}", "--admin-listen", f"{HOST}:{admin}"]
    command += ["--default-model", options.model, "--state", state]
    command += shlex.split(options.serve_args)
    return Server(name, command, port, admin, folder / f"{name}.log")


@contextlib.contextmanager
def running(*servers: Server):
    """Starts the servers one after the other; stops all of them, however the block ends."""
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
            server.start()
        yield servers


# --- The requests ---------------------------------------------------------------------------


def sample_rows(folder: Path) -> list:
    """Rows of the model's reference.csv, spread over it."""
    return spread(reference_rows(folder), BODIES)


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


# --- The results ---------------------------------------------------------------------------


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

    def ratios(self, measure: str, over: str = "tidegate", under: str = "bare") -> list[float]:
        of = self.values[measure]
        return [o / u if u else math.nan for o, u in zip(of[over], of[under])]


def progress(number: int, rounds: int, measure: str, server: str, result: dict, width: int = 9) -> None:
    text = f"round {number + 1}/{rounds}  {measure:<8} {server:<{width}}"
    text += f" {result['rate']:>9,.0f}/s  p50 {result['p50']:>8,.0f} us  p99 {result['p99']:>8,.0f} us"
    text += f"  cpu {result['cpu_us']:>6.1f} us"
    print(text, file=sys.stderr, flush=True)


# --- Facts about this run -------------------------------------------------------------------


def facts_of(script: str, versions: list[str]) -> dict:
    return {
        "cpu": cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "versions": versions,
        "command": shlex.join(["python3", f"loadtest/{script}", *sys.argv[1:]]),
    }


def facts_lines(facts: dict) -> list[str]:
    return [
        f"- Machine: {facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}; "
        f"load average at the start {facts['load']:.2f}",
        f"- Date: {facts['date']}",
        "- Versions: " + ", ".join(facts["versions"]),
        f"- Command: `{facts['command']}`",
    ]


def cpu_model() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found.group(1) if found else platform.machine()


def versions_of(tidegate: str, load: Load) -> list[str]:
    """Tidegate as it is told, what Cargo.lock pins, and the generators."""
    found = [tidegate]
    lock = ROOT / "Cargo.lock"
    text = lock.read_text() if lock.exists() else ""
    for name in ("hyper", "tokio"):
        pinned = re.search(rf'^name = "{name}"\nversion = "(.+)"$', text, re.M)
        found += [f"{name} {pinned.group(1)}"] if pinned else []
    found.append(first_line([load.wrk, "-v"]).partition(" [")[0])
    found += [first_line([load.oha, "--version"])] if load.oha else []
    return [*found, f"Python {platform.python_version()}"]


def tidegate_version(program: Path) -> str:
    return first_line([str(program), "--version"]) or "tidegate (unknown)"


def first_line(command: list[str]) -> str:
    """wrk tells its version beside an error code, so the code says nothing."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).partition("\n")[0].strip()


# --- The command line -----------------------------------------------------------------------


def add_binaries(parser: argparse.ArgumentParser) -> None:
    """The options that name the binaries."""
    add = parser.add_argument
    add("--tidegate", type=Path, default=ROOT / "target/release/tidegate", help="the tidegate binary")
    add("--bare", type=Path, default=ROOT / "target/release/bare-hyper", help="the bare-hyper binary")


def add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=positive, default=max(1, len(os.sched_getaffinity(0)) // 2),
                        help="threads of the load generators")


def positive(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError("expected 1 to 3600")
    return value


def program(path: Path, remedy: str) -> Path:
    if not os.access(path, os.X_OK):
        raise Trouble(f"there is no program {path}; build it with: {remedy}")
    return path.resolve()


def generators(rates: bool, without: str) -> tuple[str, str | None]:
    """wrk and oha; oha may be missing where no constant rate is asked for."""
    wrk, oha = shutil.which("wrk"), shutil.which("oha")
    if not wrk:
        raise Trouble("wrk is not installed; see loadtest/README.md")
    if not oha and rates:
        raise Trouble(f"oha is not installed; see loadtest/README.md, or leave it out with {without}")
    return wrk, oha


def run_bounded(action) -> int:
    """Runs `action` with a temporary folder; a signal ends it the orderly way, so servers are stopped."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda signum, frame: sys.exit(128 + signum))
    try:
        with tempfile.TemporaryDirectory(prefix="tidegate-loadtest-") as name:
            return action(Path(name))
    except Trouble as trouble:
        print(f"error: {trouble}", file=sys.stderr)
        return 1
