"""Noisy neighbours: one model's loads and overload beside another model's traffic."""

from __future__ import annotations

import multiprocessing
import shutil
import time

from chaos.client import Plan, percentile
from chaos.overload import LAYERS, ROWS, batching, peak
from chaos.questions import echo_questions, plant_echo
from chaos.report import ms, row
from chaos.server import Stage, die_with_parent
from chaos.swapping import churn_questions, judge_ratio, put_next

RATE = 500


def phases(stage: Stage, report, server, noise) -> None:
    """Rest and noise in turn, all the while asking the neighbour; and the same noise made outside the server."""
    seconds, rounds = stage.of((1.5, 2), (4, 5))
    crowd = stage.crowd(Plan(server.port, churn_questions(stage), connections=32, rate=RATE))
    time.sleep(0.5)
    spans = {"rest": [], "noise": [], "outside": []}
    for _ in range(rounds):
        for kind in spans:
            began = time.time()
            if kind == "noise":
                noise(began + seconds)
            elif kind == "outside":
                burn(began + seconds)
            else:
                time.sleep(seconds)
            spans[kind].append((began, time.time()))
            time.sleep(0.5)
    tally = crowd.stop()
    report.answers(tally)
    times = {kind: sorted(t for a, b in spans[kind] for t in tally.times(200, a, b)) for kind in spans}
    p99 = {kind: percentile(times[kind], 0.99) for kind in spans}
    judge_ratio(stage, report, p99["noise"], p99["rest"], "at rest")
    report.fact(
        f"p50 {ms(percentile(times['noise'], 0.5))} against {ms(percentile(times['rest'], 0.5))}; "
        f"with two busy processes outside the server p99 {ms(p99['outside'])}"
    )


def burn(until: float) -> None:
    """Two processes that do nothing but compute: what any load on the machine does to a server."""
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=spin, args=(until,), daemon=True) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def spin(until: float) -> None:
    die_with_parent()
    while time.time() < until:
        pass


@row("noisy-loading", 120)
def noisy_loading(stage: Stage, report) -> None:
    put_next(stage, stage.garden() / "churn", 1)
    plant_echo(stage.garden(), LAYERS, batching(8))
    server = stage.serve(stage.garden(), "--log", "warn")
    report.done = f"{RATE} requests/s to A while B, a network of {LAYERS} layers, is loaded again and again"
    source = stage.garden() / "echo" / "1"
    number = 1

    def load_until(end: float) -> None:
        nonlocal number
        while time.time() < end:
            number += 1
            aside = source.with_name(f"{number}.tmp")
            shutil.copytree(source, aside)
            aside.rename(source.with_name(str(number)))
            if number > 4:
                shutil.rmtree(source.with_name(str(number - 3)))
            time.sleep(0.25)

    before = server.metric("tidegate_model_swaps_total", result="ok")
    phases(stage, report, server, load_until)
    report.fact(f"{server.metric('tidegate_model_swaps_total', result='ok') - before:.0f} loads of B")


@row("noisy-overload", 120)
def noisy_overload(stage: Stage, report) -> None:
    put_next(stage, stage.garden() / "churn", 1)
    plant_echo(stage.garden(), LAYERS, batching(8))
    server = stage.serve(stage.garden(), "--log", "warn")
    questions = echo_questions(ROWS)
    rate = 2 * peak(stage, server, questions, 1)
    report.done = f"{RATE} requests/s to A while B is offered twice its capacity ({rate:.0f} requests/s of {ROWS} rows)"

    def flood_until(end: float) -> None:
        crowd = stage.crowd(Plan(server.port, questions, connections=500, rate=rate))
        time.sleep(max(0.0, end - time.time()))
        crowd.stop()

    phases(stage, report, server, flood_until)
