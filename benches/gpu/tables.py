"""The benchmark: a table for each model, and what we lose.

Two clocks. Host to host: from rows in the host's memory to answers in the host's memory. Device: for us the
device's own clock around a batch, copies included; for the others the time of a call on rows that lie on the
device already, many of them one behind the other, without copies. Parity comes first: a system that answers
otherwise than the training library is not measured. All take turns within a round, rows rotate, tables show
medians over rounds, and what we lose is listed.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack

import numpy as np

import floor
from models import MAKERS, Model, make
from ours import PLACE, Ours
from rivals import Rivals
from steps import Steps, reason

BATCHES = (1, 8, 32, 128, 1024, 8192)
ABOUT = """
Microseconds a batch from rows to answers in the host's memory, medians. In brackets by the device's clock: ours
with copies; of the others calls one behind the other on rows that are there already, each of nvForest's waited
for. `<=`: of our launches for the next size that is recorded, which do more. Ours is called from Rust, the
others from Python, as they are used. The floor is an empty launch and what bus, cache and arithmetic allow.
"""


def bench(options, steps: Steps) -> list[str]:
    """All models, each within its share of the time. Answers what failed."""
    names = options.models or (["rf100", "mlp"] if options.quick else list(MAKERS))
    print(ABOUT.strip())
    with steps.step("floors"):
        floors = floors_or_why()
    failed, losses = [], []
    for at, name in enumerate(names):
        try:
            losses += one_model(options, name, floors, steps, steps.share(len(names) - at))
        except Exception as error:
            failed.append(f"{name}: {reason(error)}")
    print("\nWhat is faster than the faster of our two sides, host to host:\n")
    print("\n".join(f"- {line}" for line in losses) or "- nothing here")
    return failed


def floors_or_why() -> floor.Floors | None:
    try:
        floors = floor.measured()
    except Exception as error:
        print(f"\nFloors are left out ({reason(error)}).")
        return None
    if floors:
        print(f"\nThis machine: an empty launch {floors.dispatch_us:.1f} us, bus {floors.bus / 1e9:.0f} GB/s, cache "
              f"{floors.cache / 1e9:.0f} GB/s, fp32 {floors.flops / 1e12:.0f} TFLOP/s.")
    return floors


def one_model(options, name: str, floors, steps: Steps, seconds: float) -> list[str]:
    """A model's table; answers what we lose."""
    until = Steps(seconds)
    with ExitStack() as stack:
        with steps.step(f"{name} loaded"):
            model = make(name, PLACE / "models")
            ours = {}
            for device in dict.fromkeys((options.device, "cpu")):
                program = stack.enter_context(Ours(options.bench))
                ours[device] = program
                said = program.ask(f"load {model.place} {device}")
                if words := wrong(model, program.answers(PLACE / f"{name}.{device}", model.answers.shape[1]), 0):
                    raise RuntimeError(f"ours, {device}, {words}")
                print(f"\n{placed(name, device, said)}" if device != "cpu" else "", end="")
        table = Table(options, model, ours, floors)
        batches, took = list(BATCHES[::2] if options.quick else BATCHES), []
        while batches and until.left > expected(took):
            began = time.monotonic()
            with steps.step(f"{name} at {batches[0]}"):
                table.row(batches.pop(0), until)
            took.append(time.monotonic() - began)
        table.close(batches)
    return table.losses


def expected(took: list[float]) -> float:
    """Seconds that the next size takes, if it grows as it did: the first has to get going."""
    if len(took) < 3:
        return took[-1] if took else 0.0
    return took[-1] * max(1.0, took[-1] / took[-2])


def placed(name: str, device: str, said: str) -> str:
    """Where it is, and what was measured when it was placed there: rows, and nanoseconds of three clocks."""
    where, *lines = said.split()
    rows = [[int(word) for word in line.split(":")] for line in lines]
    table = ", ".join(f"{count} rows {cpu / 1e3:.0f} / {gpu / 1e3:.0f} ({busy / 1e3:.0f})" for count, cpu, gpu, busy in rows)
    return f"{name} on {where}; when it was placed, us on a core of the CPU / on the GPU (of which busy): {table}.\n"


def wrong(model: Model, answers: np.ndarray, at: int) -> str | None:
    """Words if these are not the training library's answers to the rows from a place on."""
    expected = model.answers[at : at + len(answers)]
    if answers.shape != expected.shape:
        return f"answers of shape {answers.shape}, expected {expected.shape}"
    if np.allclose(answers, expected, rtol=1e-4, atol=1e-5):
        return None
    other = np.count_nonzero(~np.isclose(answers, expected, rtol=1e-4, atol=1e-5).all(axis=1))
    apart = np.abs(answers - expected).max()
    return f"answers {other} of {len(answers)} rows otherwise than the training library, by {apart:.1e} at most"


def wrong_somewhere(model: Model, system, rows: int) -> str | None:
    """Words if a system answers otherwise, in one of several batches: answers of a batch before would show."""
    for at in range(0, min(len(model.rows) - rows, 8 * rows) + 1, rows):
        if words := wrong(model, np.array(system.host(at, rows)).reshape(rows, -1), at):
            return words
    return None


class Table:
    """A line for each size of batch."""

    def __init__(self, options, model: Model, ours: dict[str, Ours], floors) -> None:
        self.options, self.model, self.ours, self.floors = options, model, ours, floors
        self.rivals = Rivals(model, options.device)
        self.left_out: dict[str, str] = {}
        self.losses: list[str] = []
        self.begun = False

    def row(self, rows: int, until: Steps) -> None:
        ready = {}
        for name, system in self.rivals.at(rows).items():
            try:
                words = system if isinstance(system, str) else wrong_somewhere(self.model, system, rows)
            except Exception as error:
                words = reason(error)
            if words:
                self.left_out.setdefault(f"{name}: {words}", f"{rows} rows")
            ready[name] = None if words else system
        if not self.begun:
            self.begin(list(ready))
        host, device = self.measured({name: system for name, system in ready.items() if system}, rows, until)
        cells = [cell(host, device, name) for name in [self.own(at) for at in self.ours] + list(ready)]
        least = ""
        if self.floors:
            least = f"{self.floors.host_us(self.model, rows):.1f} ({self.floors.device_us(self.model, rows):.2f})"
        print(f"| {rows} | {least} | " + " | ".join(cells) + " |", flush=True)
        self.lose(host, rows)

    @staticmethod
    def own(device: str) -> str:
        return f"ours, {device}"

    def begin(self, names: list[str]) -> None:
        self.begun = True
        columns = [self.own(at) for at in self.ours] + names
        print(f"\n| {self.model.name}, rows | floor | " + " | ".join(columns) + " |\n| ---: | ---: |" + " ---: |" * len(columns))

    def close(self, unmeasured: list[int]) -> None:
        notes = [f"{words} (first at {where})" for words, where in self.left_out.items()]
        if unmeasured:
            notes.append(f"{', '.join(map(str, unmeasured))} rows: no time was left")
        if notes:
            print("\nNot measured: " + "; ".join(notes) + ".", flush=True)

    def measured(self, ready: dict, rows: int, until: Steps) -> tuple[dict, dict]:
        """Microseconds of every round, host to host, and by the device's clock with a mark before it. Fewer rounds
        where the time is up."""
        rounds, millis = (3, 20) if self.options.quick else (5, 40)
        host: dict[str, list[float]] = {}
        device: dict[str, tuple[str, list[float]]] = {}
        total = len(self.model.rows)
        for done in range(rounds):
            if done and not until.left:
                break
            for at, own in self.ours.items():
                host.setdefault(self.own(at), []).append(own.host_us(rows, millis))
                if at != "cpu":
                    took, recorded = own.device_us(rows)
                    device.setdefault(self.own(at), ("<= " if recorded > rows else "", []))[1].append(took)
            for name, system in list(ready.items()):
                try:
                    host.setdefault(name, []).append(host_us(system, total, rows, millis))
                    if hasattr(system, "synchronize"):
                        device.setdefault(name, ("", []))[1].append(device_us(system, total, rows, millis))
                except Exception as error:
                    self.left_out.setdefault(f"{name}: {reason(error)}", f"{rows} rows")
                    del ready[name], host[name]
        return host, device

    def lose(self, host: dict, rows: int) -> None:
        """What is faster than the side of ours that the server would take."""
        ours = {at: statistics.median(host[self.own(at)]) for at in self.ours}
        at = min(ours, key=ours.get)
        for name, took in host.items():
            other = statistics.median(took)
            if name not in map(self.own, self.ours) and other < ours[at]:
                self.losses.append(f"{self.model.name}, {rows} rows: {name} takes {other:.1f} us, we {ours[at]:.1f} on "
                                   f"the {at}, {ours[at] / other:.2f} times that")


def cell(host: dict, device: dict, name: str) -> str:
    """Host to host, and by the device's clock in brackets."""
    if name not in host:
        return ""
    mark, took = device.get(name, ("", []))
    inner = f" ({mark}{statistics.median(took):.1f})" if took else ""
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
