"""Starts that must fail with clear words, and a disk that is full."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time

from chaos.client import HOST, Plan
from chaos.questions import golden
from chaos.report import ms, row
from chaos.server import Stage, free_ports, wait_for
from chaos.swapping import churn_questions, put_next


@row("port-taken", 30)
def port_taken(stage: Stage, report) -> None:
    stage.plant("diabetes/1", stage.garden() / "diabetes" / "1")
    server = stage.serve(stage.garden(), "--log", "warn")
    crowd = stage.crowd(Plan(server.port, golden({"*": stage.models / "diabetes/1"}, "diabetes"), connections=8, rate=500))
    report.done = "a second server on the data port, then on the admin port, of one that serves 500 requests/s"
    time.sleep(0.5)
    free, trouble, took = free_ports(1)[0], [], 0.0
    for ports, taken in (((server.port, free), server.port), ((free, server.admin), server.admin)):
        second = stage.serve(stage.garden(), start=False, ports=ports)
        began = time.monotonic()
        second.start(wait=False)
        code = second.wait(5)
        took = max(took, time.monotonic() - began)
        if code != 1 or f"{HOST}:{taken}" not in second.last_words():
            trouble.append(f"code {code}: {second.last_words()[-200:]}")
    time.sleep(0.5)
    report.answers(crowd.stop())
    report.check("exit code 1 within 2 s, the address named", not trouble and took < 2, "; ".join(trouble) or f"both, {ms(took)}")


# --- Bad configuration ---------------------------------------------------------------------------

# What is given, and words that must be in the answer.
FLAGS = (
    (("--max-body", "lots"), ("max-body",)),
    (("--settle", "soon"), ("settle",)),
    (("--threads=-1",), ("threads",)),
    (("--threads", "0"), ("threads",)),
    (("--listen", "nowhere"), ("listen",)),
    (("--listen", "127.0.0.1:99999"), ("listen",)),
    (("--model-control", "sometimes"), ("model-control",)),
    (("--max-jason-depth", "3"), ("--max-json-depth",)),
    (("--config", "/nonexistent/tidegate.toml"), ("/nonexistent/tidegate.toml",)),
    (("--settle", "soon", "--max-body", "lots", "--grace", "x"), ("settle", "max-body", "grace")),
)
FILES = (
    ("lisen = '127.0.0.1:0'\n", ("lisen", "listen")),
    ("listen = 5\n", ("listen",)),
    ("settle = '200ms'\nsettle = '1s'\n", ("bad-2.toml",)),
    ("[oops\n", ("bad-3.toml",)),
    ("settle = 'soon'\nmax-body = 'lots'\ngrase = '1s'\n", ("settle", "max-body", "grace")),
)
VARIABLES = (
    ({"TIDEGATE_MAX_BODY": "lots"}, ("TIDEGATE_MAX_BODY",)),
    ({"TIDEGATE_SETTLE": "", "TIDEGATE_THREADS": "many"}, ("TIDEGATE_THREADS",)),
)


@row("bad-config", 60)
def bad_config(stage: Stage, report) -> None:
    cases = [(flags, {}, words) for flags, words in FLAGS]
    for at, (text, words) in enumerate(FILES):
        file = stage.folder / f"bad-{at}.toml"
        file.write_text(text)
        cases.append((("--config", str(file)), {}, words))
    cases += [((), env, words) for env, words in VARIABLES]
    report.done = f"{len(cases)} wrong flags, files and variables, some with several mistakes; and a wrong model.toml beside good models"
    trouble, slowest = [], 0.0
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    for flags, env, words in cases:
        began = time.monotonic()
        name = f"{' '.join(flags)} {env or ''}".strip().replace(str(stage.folder) + "/", "")
        try:
            done = subprocess.run(
                [stage.binary, "serve", *flags], env={**clean, **env}, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=5, cwd=stage.folder,
            )
        except subprocess.TimeoutExpired:
            trouble.append(f"{name}: it started")
            continue
        slowest = max(slowest, time.monotonic() - began)
        missing = [word for word in words if word not in done.stderr]
        if done.returncode != 64 or missing:
            trouble.append(f"{name}: code {done.returncode}, not named: {missing}, said: {done.stderr.strip()[:150]}")
    report.check("exit code 64, every mistake named at once", not trouble, "; ".join(trouble) or f"all, the slowest in {ms(slowest)}")
    for name in ("diabetes", "wine"):
        stage.plant(f"{name}/1", stage.garden() / name / "1")
    (stage.garden() / "wine/model.toml").write_text('verions = "all"\n[batching\n')
    server = stage.serve(stage.garden(), "--log", "warn")
    crowd = stage.crowd(Plan(server.port, golden({"*": stage.models / "diabetes/1"}, "diabetes"), connections=4))
    time.sleep(0.5)
    report.answers(crowd.stop(), promised="models beside a wrong model.toml serve")
    problem = server.index("wine").get("problem", "")
    report.check("a wrong model.toml is told", bool(problem), problem[:120] or "it is not")


# --- A full disk ---------------------------------------------------------------------------------


def mount(stage: Stage) -> str:
    """A small file system of its own below the folder; the reason where that cannot be had."""
    place = stage.garden("disk")
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tidegate-chaos", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError as error:
        return str(error)
    if done.returncode:
        return f"a small file system cannot be mounted ({done.stderr.strip()[:100]})"
    stage.cleanups.append(lambda: subprocess.run(["umount", "-l", str(place)], capture_output=True, timeout=10))
    return ""


def fill_up(path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (4096, 64, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


@row("full-disk", 60)
def full_disk(stage: Stage, report) -> None:
    report.done = (
        "models and the server's log on a disk of 2 MiB that is then filled to the last byte; new versions are copied "
        "onto it, until the copy fails; then there is room again. 500 requests/s all the while"
    )
    report.skipped = mount(stage)
    if report.skipped:
        return
    disk = stage.folder / "disk"
    model = disk / "models" / "churn"
    model.mkdir(parents=True)
    put_next(stage, model, 1)
    # Every load is logged, so the log is written to while there is no room.
    server = stage.serve(disk / "models", "--log", "debug", log=disk / "server.log")
    crowd = stage.crowd(Plan(server.port, churn_questions(stage), connections=8, rate=500, upwards=True))
    time.sleep(0.5)
    fill_up(disk / "filler")
    failures = 0
    for number in range(2, stage.of(6, 20)):
        place = model / str(number)
        try:
            place.mkdir()
            for file in ("model.onnx", "golden.json"):
                shutil.copy(stage.models / f"churn/{1 if number % 2 else 2}" / file, place)
        except OSError:
            failures += 1
        time.sleep(0.3)
        if place.is_dir():
            shutil.rmtree(place)
            fill_up(disk / f"filler-{number}")
    time.sleep(0.5)
    for filler in disk.glob("filler*"):
        filler.unlink()
    put_next(stage, model, 100)
    swapped = True
    try:
        wait_for("the next version serves", lambda: server.state("churn", "100")[0] == "ready", 8, 0.1)
    except Exception:
        swapped = False
    time.sleep(0.3)
    tally = crowd.stop()
    report.answers(tally)
    report.check("only whole versions answer", tally.versions <= {1, 100}, f"answered by {sorted(tally.versions)}; {failures} copies failed")
    report.check("with room again, a new version serves", swapped and 100 in tally.versions,
                 "it does" if swapped else f"it does not; alive: {server.is_alive()}, states {server.index('churn').get('versions')}"[:300])

