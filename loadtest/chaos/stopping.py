"""Processes that are told to stop, killed, and stopped for a while."""

from __future__ import annotations

import random
import signal
import statistics
import time

from chaos.client import Plan, Tally
from chaos.questions import echo_questions, golden, plant_echo
from chaos.report import ms, row
from chaos.server import Stage, free_ports, wait_for

LAYERS = 16
BATCHING = 'deadline = "5s"'


def fill(stage: Stage) -> None:
    """A model that is answered inline, and one whose requests wait for a worker."""
    plant_echo(stage.garden(), LAYERS, BATCHING)
    stage.plant("diabetes/1", stage.garden() / "diabetes" / "1")


def plans(stage: Stage, port: int) -> list[Plan]:
    """Connections that are kept, connections for one request each, and requests that take a while."""
    quick = golden({"*": stage.models / "diabetes/1"}, "diabetes")
    return [
        Plan(port, quick, connections=8),
        Plan(port, quick, connections=4, fresh=True),
        Plan(port, echo_questions(32), connections=6),
    ]


@row("sigterm", 150)
def sigterm(stage: Stage, report) -> None:
    rounds = stage.of(4, 25)
    report.done = (
        f"{rounds} times: SIGTERM at a random moment, under load from 8 kept connections, 4 that are opened anew for "
        "each request, and 6 with requests that wait for a worker"
    )
    fill(stage)
    total, codes, took = Tally(), [], []
    draw = random.Random(3)
    for _ in range(rounds):
        server = stage.serve(stage.garden(), "--log", "warn")
        crowd = stage.crowd(*plans(stage, server.port))
        time.sleep(0.4 + draw.random() * 0.3)
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        codes.append(server.wait())
        took.append(time.monotonic() - began)
        total = total + crowd.stop()
    report.answers(total, promised="every request that was sent is answered, and rightly")
    report.check("exit code 0", set(codes) == {0}, f"{codes.count(0)} of {rounds} times")
    report.check("over within 5 s", max(took) < 5, f"over in {ms(statistics.median(took))}, at most {ms(max(took))}")


@row("sigkill", 90)
def sigkill(stage: Stage, report) -> None:
    rounds = stage.of(2, 10)
    report.done = f"{rounds} times: SIGKILL under the same load, and a new process on the same ports"
    fill(stage)
    ports = free_ports(2)
    total, ready, wrong_after, lost_later = Tally(), [], 0, 0
    for _ in range(rounds):
        server = stage.serve(stage.garden(), "--log", "warn", ports=ports)
        crowd = stage.crowd(*plans(stage, server.port))
        time.sleep(0.5)
        server.kill()
        dead = time.time()
        again = stage.serve(stage.garden(), "--log", "warn", ports=ports)
        ready.append(again.ready_s)
        time.sleep(0.5)
        tally = crowd.stop()
        lost_later += sum(at > dead for at in tally.lost)
        total = total + tally
        crowd = stage.crowd(*plans(stage, server.port))
        time.sleep(0.3)
        after = crowd.stop()
        wrong_after += after.bad() + (after.right == 0)
        again.kill()
    report.check(
        "only requests sent before the process was dead are lost; refusals until ready say to try again (503)",
        not lost_later and not total.wrong and not total.unanswered and set(total.codes) <= {503},
        f"{total.say()}; {lost_later} lost that were sent later" + (f" ({'; '.join(e for e in total.examples if not e.startswith('reset'))[:200]})"
                            if set(total.codes) - {503} else ""),
    )
    report.check("the same answers afterwards", wrong_after == 0, f"{wrong_after} bad")
    report.check("ready within 2 s", max(ready) <= 2, f"ready in {ms(statistics.median(ready))}, at most {ms(max(ready))}")


@row("sigstop", 60)
def sigstop(stage: Stage, report) -> None:
    pause = stage.of(2, 5)
    report.done = f"SIGSTOP for {pause} s under load (the same, and 200 requests/s besides), then SIGCONT"
    fill(stage)
    server = stage.serve(stage.garden(), "--log", "warn")
    steady = Plan(server.port, golden({"*": stage.models / "diabetes/1"}, "diabetes"), connections=2000, rate=200)
    crowd = stage.crowd(steady, *plans(stage, server.port))
    time.sleep(1)
    server.signal(signal.SIGSTOP)
    time.sleep(pause)
    server.signal(signal.SIGCONT)
    woken = time.time()
    time.sleep(stage.of(2, 5))
    tally = crowd.stop()
    report.answers(tally, allowed=(504,), promised="none lost or wrong; only deadlines that passed meanwhile (504)")
    late = [at for at, status in zip(tally.asked, tally.status) if status != 200 and at > woken + 1]
    report.check("as before a second later", not late and server.is_ready(), f"{len(late)} refused later")
