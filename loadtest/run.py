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
import json
import math
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness import (
    CONNECTIONS, ROOT, SETTLE, WARM_UP, Load, Results, Server, Trouble, add_binaries, add_threads,
    ask, bare_server, check_requests, closed_loop, constant_rate, facts_lines, facts_of, generators,
    measured, positive, program, progress, run_bounded, running, sample_rows, tidegate_server,
    tidegate_version, versions_of, write_requests,
)


# --- The full measurement -------------------------------------------------------------------


def pair(options: argparse.Namespace, folder: Path, number: int) -> list[Server]:
    """The two servers in this round's order."""
    if options.noise:
        second = bare_server(options, folder, "tidegate")
    else:
        second = tidegate_server(options, folder)
    servers = [first_server(options, folder), second]
    return servers[::-1] if number % 2 else servers


def first_server(options: argparse.Namespace, folder: Path) -> Server:
    """What the second is held against: the bare server, or Tidegate with other arguments."""
    if options.beside is None:
        return bare_server(options, folder)
    changed = argparse.Namespace(**{**vars(options), "serve_args": options.beside})
    return tidegate_server(changed, folder, "bare")


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


BESIDE_BARE = {1: {"p50": 1.15}, 64: {"rate": 0.80, "cpu_us": 1.35}}
"""Budgets beside the bare server, by connections."""
BESIDE_UNWATCHED = {64: {"rate": 0.97, "cpu_us": 1.03}}
"""Budgets beside Tidegate without monitoring."""


def table_rows(rates: dict, beside: str | None = None) -> list[Row]:
    rows = []
    unwatched = beside is not None and "--monitor" in beside
    for count in CONNECTIONS:
        name = f"{count} connection" + ("s" if count > 1 else "")
        budgets = (BESIDE_UNWATCHED if unwatched else {} if beside else BESIDE_BARE).get(count, {})
        rows += [
            Row(f"Throughput, {name} (requests/s)", f"c{count}/rate", budget=budgets.get("rate"), at_least=True),
            Row(f"p50, {name} (µs)", f"c{count}/p50", budget=budgets.get("p50")),
            Row(f"p99, {name} (µs)", f"c{count}/p99"),
            Row(f"CPU per request, {name} (µs)", f"c{count}/cpu_us", "{:.1f}", budgets.get("cpu_us")),
        ]
    rows += [
        Row("Resident, idle (MiB)", "idle", "{:.1f}", None if beside else 40, "{:.0f} MiB"),
        Row("Resident, peak (MiB)", "peak", "{:.1f}"),
        Row("Start to ready (s)", "ready", "{:.3f}", None if beside else 0.3, "{:.1f} s"),
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


def first_name(options: argparse.Namespace) -> str:
    return "bare hyper" if options.beside is None else f"Tidegate {options.beside}"


def table(summaries: list[dict], first: str, second: str) -> str:
    lines = [f"| Measure | {first} | {second} | Ratio | Over the rounds | Budget | |",
             "|---|--:|--:|--:|--:|--:|---|"]
    for one in summaries:
        spread_text = f"{one['ratio_min']:.2f} to {one['ratio_max']:.2f}"
        cells = [one["label"], *one["text"], f"{one['ratio']:.2f}", spread_text, one["budget"], one["verdict"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def notes(options: argparse.Namespace, facts: dict, measured_all: dict) -> str:
    results, lengths = measured_all["results"], measured_all["lengths"]
    lines = facts_lines(facts) + [
        f"- Requests: POST {options.path}, {len(options.requests)} different bodies in turn; answers of "
        f"{lengths['bare']} bytes ({first_name(options)}) and {lengths['tidegate']} bytes ({second_name(options)})",
        f"- Medians over {options.rounds} rounds of {options.duration} s at each point, after {WARM_UP} s of "
        f"warm-up; generators with {options.threads} thread(s)",
        f"- CPU at 64 connections: {cores(results, 'c64', first_name(options), second_name(options))}",
        f"- Answers other than 2xx, and broken or timed-out requests: {results.errors}",
    ]
    lines += [warning for share, rate in measured_all["rates"].items()
              for warning in lagging(results, share, rate)]
    return "\n".join(lines)


def cores(results: Results, measure: str, first: str, second: str) -> str:
    texts = []
    for name, label in (("bare", first), ("tidegate", second)):
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


# --- The two modes --------------------------------------------------------------------------


def full(options: argparse.Namespace, load: Load) -> int:
    tidegate = "no Tidegate (--noise)" if options.noise else tidegate_version(options.tidegate)
    facts = facts_of("run.py", versions_of(tidegate, load))
    measured_all = measure_all(options, load)
    results = measured_all["results"]
    judged = not options.noise
    summaries = [summary_of(row, results, judged) for row in table_rows(measured_all["rates"], options.beside)]
    print(table(summaries, first_name(options), second_name(options)) + "\n\n" + notes(options, facts, measured_all))
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


def requests_counted(server: Server) -> float:
    """The sum of `tidegate_requests_total` over its labels."""
    status, text = ask(server.admin_port, "GET", "/metrics")
    if status != 200:
        raise Trouble(f"/metrics answered {status}")
    values = re.findall(r"^tidegate_requests_total(?:\{.*\})? ([0-9.eE+]+)", text.decode(), re.M)
    return sum(map(float, values))


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
    add_binaries(parser)
    add("--models", type=Path, default=ROOT / "models", help="the folder of models to serve")
    add("--model", default="diabetes", help="the model to ask")
    add("--path", help="where to post, if not /models/MODEL/predict")
    add("--bodies", type=Path, help="a file of request bodies, one a line, in place of reference.csv")
    add("--serve-args", default="", help="more arguments for tidegate serve, as one string: --serve-args='...'")
    add("--beside", help="Tidegate with these arguments in the bare server's place: --beside='--monitor off'")
    add("--duration", type=positive, default=5, help="seconds at each point")
    add("--rounds", type=positive, default=5, help="rounds; the table shows medians over them")
    add("--rates", type=shares, default="20,60", help="constant rates in percent of the peak, or 'none'")
    add_threads(parser)
    add("--json", type=Path, help="write all values to this file")
    options = parser.parse_args()
    options.path = options.path or f"/models/{options.model}/predict"
    return options


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
    if not options.smoke and options.beside is None:
        options.bare = program(options.bare, "cargo build --release -p bare-hyper")
    wrk, oha = generators(bool(options.rates) and not options.smoke, "--rates none")
    options.requests = bodies_of(options)
    write_requests(folder, options.path, options.requests, strict=options.smoke)
    return Load(folder, options.path, options.threads, wrk, oha)


def bodies_of(options: argparse.Namespace) -> list[str]:
    """Request bodies: the lines of `--bodies`, or rows of the model's reference.csv."""
    if options.bodies:
        bodies = [line for line in options.bodies.read_text().splitlines() if line.strip()]
    else:
        bodies = [json.dumps({"features": row}) for row in sample_rows(options.models / options.model)]
    if not bodies:
        raise Trouble(f"no request bodies for the model {options.model}")
    return bodies


def main() -> int:
    options = arguments()

    def action(folder: Path) -> int:
        load = prepare(options, folder)
        return smoke(options, load) if options.smoke else full(options, load)

    return run_bounded(action)


if __name__ == "__main__":
    sys.exit(main())
