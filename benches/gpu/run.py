"""Checks and tables of benches/gpu.sh, which says how it is called.

Two clocks. Host to host: from rows in the host's memory to answers in the host's memory. Device: for us the
device's own clock around a batch, copies included; for the others the time of a call on rows that lie on the
device already, many of them one behind the other, without copies. Parity comes first: a system that answers
otherwise than the training library is not measured. All take turns within a round, rows rotate, tables show
medians over rounds, and what we lose is listed.
"""

from __future__ import annotations

import argparse
import os
import platform
import site
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
# What gpu.sh has installed, behind what the environment has itself.
site.addsitedir(str(Path(__file__).resolve().parent.parent.parent / "target" / "gpu" / "site"))

import numpy as np

import floor
import server
from models import MAKERS, Model, make
from ours import ROOT, Ours, built
from rivals import all_of

PLACE = ROOT / "target" / "gpu"
BATCHES = (1, 8, 32, 128, 1024, 8192)
PARTS = ("check", "sanitize", "bench", "serve")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer models, sizes and rounds")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--tidegate", type=Path, help="the server, built elsewhere")
    parser.add_argument("--bench", type=Path, help="the bench binary, built elsewhere")
    parser.add_argument("--device", default="cuda", help="cpu tries the script where there is no GPU")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    options.bench = (options.bench or built(["bench", "--bench", "gpu", "--no-run"], "gpu")).resolve()
    options.tidegate = (options.tidegate or built(["build", "--release"], "tidegate")).resolve()
    PLACE.mkdir(parents=True, exist_ok=True)
    facts()
    failed = []
    for part in options.only:
        began = time.monotonic()
        if globals()[part](options) is False:
            failed.append(part)
        print(f"\n({part}: {time.monotonic() - began:.0f} s)", flush=True)
    if failed:
        sys.exit(f"FAILED: {', '.join(failed)}")


def facts() -> None:
    """What it was measured on, first: a figure without it says nothing."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        gpu = subprocess.run(query, capture_output=True, text=True).stdout.strip() or "no GPU"
    except FileNotFoundError:
        gpu = "no nvidia-smi"
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    print(f"- GPU: {gpu}\n- CPU: {len(os.sched_getaffinity(0))} of {cpus[0] if cpus else platform.machine()}")
    for name in ("torch", "onnxruntime", "nvforest", "sklearn"):
        try:
            print(f"- {name} {__import__(name).__version__}")
        except ImportError:
            print(f"- {name}: not installed")


# ---- Checks -----------------------------------------------------------------------------------------------------

def check(options) -> bool:
    """The suite of every engine, and leaves of random forests."""
    count = 30 if options.quick else 300
    holds = True
    print("\nChecks on the device:\n")
    for line in ("conformance", f"forests {options.seed} {count}"):
        ours = Ours(options.bench)
        try:
            print(f"- {line}: {ours.ask(line)}")
        except RuntimeError as error:
            holds = False
            print(f"- {line}: FAILED: {error}")
        ours.end()
    return holds


def sanitizer() -> str | None:
    """compute-sanitizer of the toolkit, or else of the wheel."""
    own = list(PLACE.glob("site/nvidia/*/bin/compute-sanitizer"))
    found = subprocess.run(["bash", "-c", "command -v compute-sanitizer"], capture_output=True, text=True).stdout.strip()
    return found or (str(own[0]) if own else None)


def sanitize(options) -> bool:
    """Every kernel on small shapes under each of the tools."""
    program = sanitizer()
    print(f"\ncompute-sanitizer: {program or 'not installed'}\n")
    holds = program is not None
    for tool in ("memcheck", "racecheck", "initcheck", "synccheck") if program else ():
        ours = Ours(options.bench, [program, f"--tool={tool}", "--error-exitcode=9", "--log-file", str(PLACE / f"{tool}.log")])
        try:
            said = ours.ask("small")
        except RuntimeError as error:
            said = f"FAILED: {error}"
        clean = ours.end() == 0 and not said.startswith("FAILED")
        summary = [line for line in (PLACE / f"{tool}.log").read_text().splitlines() if "SUMMARY" in line]
        print(f"- {tool}: {said}; {summary[-1].strip('= ') if summary else 'no summary'}")
        holds &= clean
    return holds


# ---- The benchmark ----------------------------------------------------------------------------------------------

class OursHere:
    """Our binary as one of the systems."""

    def __init__(self, options, model: Model, device: str) -> None:
        self.program = Ours(options.bench)
        self.said = self.program.ask(f"load {model.place} {device}")
        self.all = self.program.answers(PLACE / f"{model.name}.{device}", model.answers.shape[1])


def bench(options) -> bool:
    names = ["rf100", "mlp"] if options.quick else list(MAKERS)
    batches = BATCHES[::2] if options.quick else BATCHES
    floors = None
    if options.device != "cpu":
        floors = floor.measured()
        print(f"\nThis machine: an empty dispatch {floors.dispatch_us:.1f} us, bus {floors.bus / 1e9:.0f} GB/s, cache "
              f"{floors.cache / 1e9:.0f} GB/s, fp32 {floors.flops / 1e12:.0f} TFLOP/s.")
    losses = []
    for name in names:
        model = make(name, PLACE / "models")
        ours = {device: OursHere(options, model, device) for device in dict.fromkeys((options.device, "cpu"))}
        print(f"\n{name}, us a batch.", " ".join(f"{device}: {own.said}." for device, own in ours.items()), "\n")
        parity = {f"Tidegate, {device}": own.all for device, own in ours.items()}
        for words in (wrong(model, answers, name) for name, answers in parity.items()):
            if words:
                print(f"FAILED: {words}")
                return False
        for rows in batches:
            losses += row_of_tables(options, model, ours, rows, floors, rows == batches[0])
        for own in ours.values():
            own.program.end()
    print("\nWhat we lose:\n")
    print("\n".join(f"- {line}" for line in losses) or "nothing here")
    return True


def wrong(model: Model, answers: np.ndarray, name: str) -> str | None:
    """Words if these are not the training library's answers."""
    expected = model.answers[: len(answers)]
    if answers.shape != expected.shape or not np.allclose(answers, expected, rtol=1e-4, atol=1e-5):
        return f"{name} answers otherwise than the training library"
    return None


def row_of_tables(options, model: Model, ours: dict, rows: int, floors, first: bool) -> list[str]:
    """One line of the table; answers what we lose."""
    systems = all_of(model, rows)
    for name, system in systems.items():
        if not isinstance(system, str) and (words := wrong(model, np.asarray(system.host(0, rows)).reshape(rows, -1), name)):
            systems[name] = words
    ready = {name: system for name, system in systems.items() if not isinstance(system, str)}
    if first:
        for name in systems.keys() - ready.keys():
            print(f"{name}: not measured ({systems[name]})")
        columns = [f"ours, {device}" for device in ours] + list(systems)
        print("\n| rows | floor | " + " | ".join(columns) + " |\n| ---: | ---: |" + " ---: |" * len(columns))
    rounds, millis = (3, 20) if options.quick else (5, 40)
    host: dict[str, list[float]] = {}
    device: dict[str, list[float]] = {}
    for _ in range(rounds):
        for at, own in ours.items():
            host.setdefault(f"ours, {at}", []).append(own.program.host_us(rows, millis))
            if at != "cpu":
                device.setdefault(f"ours, {at}", []).append(own.program.device_us(rows))
        for name, system in ready.items():
            host.setdefault(name, []).append(host_us(system, len(model.rows), rows, millis))
            if hasattr(system, "synchronize"):
                device.setdefault(name, []).append(device_us(system, len(model.rows), rows, millis))
    cells = [cell(host, device, name) for name in [f"ours, {at}" for at in ours] + list(systems)]
    least = f"{floors.host_us(model, rows):.1f} ({floors.device_us(model, rows):.2f})" if floors else ""
    print(f"| {rows} | {least} | " + " | ".join(cells) + " |", flush=True)
    own = statistics.median(host[f"ours, {options.device}"])
    return [f"{model.name}, {rows} rows, host to host: {name} takes {statistics.median(took):.1f} us, we {own:.1f} on the {options.device}"
            for name, took in host.items() if statistics.median(took) < own]


def cell(host: dict, device: dict, name: str) -> str:
    """Host to host, and by the device's clock in brackets."""
    if name not in host:
        return ""
    inner = f" ({statistics.median(device[name]):.1f})" if name in device else ""
    return f"{statistics.median(host[name]):.1f}{inner}"


def rotation(total: int, rows: int):
    """Where batches begin, for ever."""
    while True:
        yield from range(0, total - rows + 1, rows)


def host_us(system, total: int, rows: int, millis: int) -> float:
    """The median of calls, each from rows to answers."""
    took, places, until = [], rotation(total, rows), time.perf_counter() + millis / 1e3
    while time.perf_counter() < until or len(took) < 5:
        at = next(places)
        began = time.perf_counter()
        system.host(at, rows)
        took.append(time.perf_counter() - began)
    return 1e6 * statistics.median(took)


def device_us(system, total: int, rows: int, millis: int) -> float:
    """Calls one behind the other, waited for once."""
    places = rotation(total, rows)
    calls, began = 0, time.perf_counter()
    while time.perf_counter() - began < millis / 1e3 or calls < 5:
        system.device(next(places), rows)
        calls += 1
        if calls % 64 == 0:
            system.synchronize()
    system.synchronize()
    return 1e6 * (time.perf_counter() - began) / calls


# ---- The server -------------------------------------------------------------------------------------------------

def serve(options) -> None:
    for name in ["rf100"] if options.quick else ["rf1000", "mlp"]:
        model = make(name, PLACE / "models")
        sizes = [1, 256] if options.quick else [1, 32, 256, 1024]
        server.compare(options.tidegate, model, sizes, 2 if options.quick else 3, 2.0)


if __name__ == "__main__":
    main()
