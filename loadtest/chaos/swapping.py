"""Versions that come and go: every 100 ms, broken, a thousand times, two hundred models at once."""

from __future__ import annotations

import itertools
import random
import shutil
import statistics
import time

from chaos.client import Plan, percentile
from chaos.questions import golden
from chaos.report import mib, ms, row
from chaos.server import Stage, wait_for

EVERY = 0.1
RATIO = 1.2


def churn_questions(stage: Stage, model: str = "churn", headers: str = "") -> list:
    """Odd versions are to be `churn/1` and even ones `churn/2`: an answer tells which it came from."""
    return golden({1: stage.models / "churn/1", 0: stage.models / "churn/2"}, model, headers)


def put_next(stage: Stage, model, number: int, keep: int = 5) -> None:
    stage.plant(f"churn/{1 if number % 2 else 2}", model / str(number))
    if number > keep:
        shutil.rmtree(model / str(number - keep), ignore_errors=True)


@row("swap", 120)
def swap(stage: Stage, report) -> None:
    model = stage.garden() / "churn"
    put_next(stage, model, 1)
    server = stage.serve(stage.garden())
    plan = Plan(server.port, churn_questions(stage), connections=32, rate=1000, upwards=True)
    seconds, rounds = stage.of((1.5, 2), (8, 4))
    report.done = (
        f"1,000 requests/s over 32 connections; in {rounds} turns, {seconds} s of rest, then {seconds} s in which a "
        "new version is put in place every 100 ms and an old one taken away"
    )
    crowd, spans, number = stage.crowd(plan), {"rest": [], "swap": []}, 1
    time.sleep(0.5)
    for _ in range(rounds):
        began = time.time()
        time.sleep(seconds)
        spans["rest"].append((began, time.time()))
        began, due = time.time(), time.monotonic()
        while time.time() < began + seconds:
            number += 1
            put_next(stage, model, number)
            due += EVERY
            time.sleep(max(0.0, due - time.monotonic()))
        spans["swap"].append((began, time.time()))
        time.sleep(1)
    tally = crowd.stop()
    report.answers(tally, promised="no answer lost or wrong, no older version after a newer one")
    report.check("swaps are seen", len(tally.versions) > number / 5, f"{len(tally.versions)} of {number} versions answered")
    p99 = {kind: percentile(sorted(t for a, b in spans[kind] for t in tally.times(200, a, b)), 0.99) for kind in spans}
    judge_ratio(stage, report, p99["swap"], p99["rest"], "at rest")


def judge_ratio(stage: Stage, report, disturbed: float, calm: float, words: str) -> None:
    """A short run is too short for a verdict on p99: it tells, a full run judges."""
    seen = f"p99 {ms(disturbed)} against {ms(calm)} {words}: {disturbed / calm:.2f}"
    if stage.quick:
        report.fact(seen)
    else:
        report.check(f"p99 at most {RATIO} of that {words}", disturbed <= RATIO * calm, seen)


# --- Versions that must not serve ----------------------------------------------------------------


def half_written(stage: Stage, place) -> None:
    """Written in place, piece by piece, and given up half-way."""
    whole = (stage.models / "churn/2/model.onnx").read_bytes()
    shutil.copy(stage.models / "churn/2/golden.json", place)
    with (place / "model.onnx").open("wb") as file:
        for at in range(0, len(whole) // 2, len(whole) // 24):
            file.write(whole[at: at + len(whole) // 24])
            file.flush()
            time.sleep(0.03)


def noise(stage: Stage, place) -> None:
    (place / "model.onnx").write_bytes(random.Random(1).randbytes(40_000))


def empty(stage: Stage, place) -> None:
    (place / "model.onnx").write_bytes(b"")


def no_model(stage: Stage, place) -> None:
    shutil.copy(stage.models / "churn/2/golden.json", place)


def flipped(stage: Stage, place) -> None:
    """A few bytes of the trees changed: it may load, but its golden answers cannot be right."""
    whole = bytearray((stage.models / "churn/2/model.onnx").read_bytes())
    for at in range(len(whole) // 4, len(whole) * 3 // 4, 101):
        whole[at] ^= 0x55
    (place / "model.onnx").write_bytes(whole)
    shutil.copy(stage.models / "churn/2/golden.json", place)


def golden_failing(stage: Stage, place) -> None:
    """A good model with the golden cases of another."""
    shutil.copy(stage.models / "churn/2/model.onnx", place)
    shutil.copy(stage.models / "churn/1/golden.json", place)


def bad_golden(stage: Stage, place) -> None:
    shutil.copy(stage.models / "churn/2/model.onnx", place)
    (place / "golden.json").write_text('{"cases": [{"inputs": {')


def other_file(stage: Stage, place) -> None:
    """A page of HTML where the model should be, as a failed download leaves it."""
    (place / "model.onnx").write_text("<html><body>503 Service Unavailable</body></html>\n" * 50)


def no_file_but_folder(stage: Stage, place) -> None:
    (place / "model.onnx").mkdir()


BAD = (half_written, noise, empty, no_model, flipped, golden_failing, bad_golden, other_file, no_file_but_folder)


@row("bad-versions", 120)
def bad_versions(stage: Stage, report) -> None:
    model = stage.garden() / "churn"
    put_next(stage, model, 1)
    server = stage.serve(stage.garden())
    rounds = stage.of(1, 3)
    report.done = (
        f"1,000 requests/s to version 1; beside it, {rounds} times over, newer versions that are half-written, noise, "
        "empty, without a model, with flipped bytes, golden-failing, with broken golden cases, a web page, a folder"
    )
    crowd = stage.crowd(Plan(server.port, churn_questions(stage), connections=16, rate=1000))
    numbers, told = itertools.count(2), 0
    for _ in range(rounds):
        for make in BAD:
            place = model / str(next(numbers))
            place.mkdir()
            make(stage, place)
    bad = [path.name for path in model.iterdir() if path.name != "1"]
    wait_for("all are tried", lambda: all(server.state("churn", name)[0] == "failed" for name in bad), 20, 0.1)
    told = sum(1 for name in bad if server.state("churn", name)[1])
    ready, body = server.get(server.port, "/readyz")
    tally = crowd.stop()
    report.answers(tally)
    report.check("only the good version answers", tally.versions == {1}, f"answered by {sorted(tally.versions)}")
    report.check("each failure is told with its reason", told == len(bad), f"{told} of {len(bad)}")
    report.check("ready, but degraded", ready == 200 and b'"degraded":true' in body, f"{ready} {body.decode()[:80]}")
    for name in bad:
        shutil.rmtree(model / name)
    number = next(numbers)
    number += number % 2
    crowd = stage.crowd(Plan(server.port, churn_questions(stage), connections=16, rate=500, upwards=True))
    stage.plant("churn/2", model / str(number))
    wait_for("the good one serves", lambda: server.state("churn", str(number))[0] == "ready")
    time.sleep(0.3)
    tally = crowd.stop()
    healed = b'"degraded":false' in server.get(server.port, "/readyz")[1]
    report.check(
        "a good version afterwards serves, and nothing is left of the bad", number in tally.versions and healed
        and not tally.bad(), f"answered by {sorted(tally.versions)}, {tally.say()}, degraded: {not healed}",
    )


# --- A thousand swaps, two hundred models --------------------------------------------------------


def rested(server) -> float:
    """Resident memory, the median over half a second."""
    seen = []
    for _ in range(10):
        time.sleep(0.05)
        seen.append(server.rss())
    return statistics.median(seen)


@row("thousand-swaps", 480)
def thousand_swaps(stage: Stage, report) -> None:
    count = stage.of(60, 1000)
    churn, digits = stage.garden() / "churn", stage.garden() / "digits"
    digits.mkdir()
    shutil.copy(stage.models / "digits/model.toml", digits)
    put_next(stage, churn, 1)
    server = stage.serve(stage.garden(), "--settle", "20ms", "--log", "warn")
    report.done = f"{count:,} swaps of a tree model and of a network side by side, each seen to serve, at 200 requests/s"
    crowd = stage.crowd(Plan(server.port, churn_questions(stage), connections=8, rate=200, upwards=True))
    early, marks, done = 0.0, [], 0
    for number in range(2, count + 2):
        put_next(stage, churn, number, keep=2)
        stage.plant("digits/1", digits / str(number))
        shutil.rmtree(digits / str(number - 2), ignore_errors=True)
        for model in ("churn", "digits"):
            wait_for(f"{model}/{number}", lambda: server.state(model, str(number))[0] == "ready", 10, 0.02)
        done += 1
        if done == 10:
            early = rested(server)
        if done % max(1, count // 10) == 0:
            marks.append(server.rss())
    late = rested(server)
    tally = crowd.stop()
    report.answers(tally)
    report.check("every version comes into service", done == count, f"{done:,} of each model")
    report.check(
        "resident memory at the end at most 5 % above that after swap 10", late - early <= 0.05 * early,
        f"{early:.1f} MiB, then {late:.1f} MiB ({(late / early - 1) * 100:+.1f} %)",
    )
    report.fact("on the way " + ", ".join(f"{mark:.0f}" for mark in marks) + " MiB")


@row("many-models", 90)
def many_models(stage: Stage, report) -> None:
    bundled, questions = ("churn", "wine", "diabetes", "breast-cancer", "digits"), []
    for at in range(40):
        for name in bundled:
            place = stage.garden() / f"{name}-{at}"
            place.mkdir()
            (place / "1").mkdir()
            for file in ("model.onnx", "golden.json"):
                shutil.copy(stage.models / name / "1" / file, place / "1" / file)
            if name != "churn":
                shutil.copy(stage.models / name / "model.toml", place)
            questions += golden({"*": stage.models / name / "1"}, place.name)[:3]
    report.done = "200 models in one directory: 40 copies of each of the five bundled ones, all asked"
    server = stage.serve(stage.garden(), "--log", "warn", start=False)
    server.start(limit=60)
    time.sleep(1)
    report.check("ready within 10 s", server.ready_s <= 10, f"ready in {server.ready_s:.2f} s")
    before = server.cpu()
    time.sleep(2)
    idle = (server.cpu() - before) / 2
    crowd = stage.crowd(Plan(server.port, questions, connections=8))
    time.sleep(stage.of(2, 8))
    tally = crowd.stop()
    report.answers(tally)
    states = [line["state"] for model in server.index()["models"] for line in model["versions"]]
    good = states.count("ready")
    report.check("all serve", good == 200 and tally.sent >= len(questions), f"{good} ready, each asked {tally.sent // 200} times")
    report.fact(f"{mib(server.rss())} resident, {idle * 100:.1f} % of a core at rest")
