"""More work than there is time for: overload, and deadlines while the only worker is busy."""

from __future__ import annotations

import json
import socket
import statistics
import time

from chaos.client import HOST, SO_TIMESTAMPNS, Plan, Tally, exchange, percentile, read_answer
from chaos.questions import echo_questions, http, plant_echo
from chaos.report import mib, ms, row
from chaos.server import Stage

LAYERS = 96
ROWS = 64
DEADLINE = 0.25
# What a thread may have to wait for its turn on cores that the clients use as well.
ALLOWANCE = 0.020
PROMISE = 0.005
SHARE = 0.9
GROWTH = 32


def batching(queue: int) -> str:
    """Each request is a batch of its own, so that the capacity does not depend on how they meet."""
    return f'max_rows = {ROWS}\nqueue_rows = {queue * ROWS}\ndeadline = "{DEADLINE * 1000:.0f}ms"'


def overload(stage: Stage, report, times: int, queue: int) -> None:
    plant_echo(stage.garden(), LAYERS, batching(queue))
    server = stage.serve(stage.garden(), "--log", "warn")
    questions = echo_questions(ROWS)
    turns, seconds = stage.of(2, 4), stage.of(1.5, 3)
    peaks, floods, spans, total, most, cpu = [peak(stage, server, questions, seconds)], [], [], Tally(), 0.0, 0.0
    before, rate = server.rss(), times * peaks[0]
    # In turns, as the machine may change meanwhile.
    for _ in range(turns):
        server.forget_peak()
        spent = server.cpu()
        crowd = stage.crowd(Plan(server.port, questions, connections=2000, rate=rate))
        time.sleep(0.5)
        began = time.time()
        time.sleep(seconds)
        ended = time.time()
        spent = server.cpu() - spent
        most, cpu = max(most, server.peak()), cpu + spent / (seconds + 0.5) / turns
        tally = crowd.stop()
        total = total + tally
        spans.append((began, ended))
        floods.append(sum(t <= DEADLINE for t in tally.times(200, began, ended)) / (ended - began))
        peaks.append(peak(stage, server, questions, seconds))
    report.done = (
        f"a dense network at {times} times its capacity: {rate:.0f} requests/s of {ROWS} rows, sent when due; at most "
        f"{queue} wait, deadline {DEADLINE * 1e3:.0f} ms; {turns} turns of {seconds} s, the capacity measured before and after each"
    )
    best, goodput = statistics.mean(peaks), statistics.mean(floods)
    report.answers(total, allowed=(503, 504), promised="none lost or wrong; what is not answered is refused")
    listed = "/".join(f"{value:.0f}" for value in peaks)
    report.check(
        f"goodput at least {SHARE} of the peak", goodput >= SHARE * best,
        f"{goodput / best:.2f}: {'/'.join(f'{value:.0f}' for value in floods)} per second against {listed}",
    )
    late, took = total.codes[504], total.times(200)
    report.check(
        "accepted requests keep their deadline", late == 0 and took and took[-1] <= DEADLINE + ALLOWANCE,
        f"{late} of {late + total.right} were taken in and not answered in time (504); answers took p50 "
        f"{ms(percentile(took, 0.5))}, p99 {ms(percentile(took, 0.99))}, at most {ms(percentile(took, 1))}",
    )
    judge_refusals(report, total.times(503))
    report.check(f"at most {GROWTH} MiB more", most - before <= GROWTH, f"{mib(before)} before, at most {mib(most)}")
    load = turns * (seconds + 0.5)
    report.fact(f"server {cpu:.2f} cores, clients {total.cpu / load:.2f}; {total.sent / load:.0f}/s were sent")
    if total.not_sent:
        report.fact(f"{total.not_sent} not sent: all connections were in use")


def peak(stage: Stage, server, questions: list, seconds: float) -> float:
    """Answers per second at saturation: as many connections as keep the workers and half the queue busy."""
    crowd = stage.crowd(Plan(server.port, questions, connections=4))
    time.sleep(0.5)
    began = time.time()
    time.sleep(seconds)
    ended = time.time()
    tally = crowd.stop()
    if tally.bad():
        raise RuntimeError(f"at capacity: {tally.say()} {tally.examples}")
    return len(tally.times(200, began, ended)) / (ended - began)


def judge_refusals(report, times: list[float]) -> None:
    promised = f"refused within {PROMISE * 1e3:.0f} ms (p50; p99 with {ALLOWANCE * 1e3:.0f} ms more for the wait for a core)"
    if not times:
        report.check(promised, False, "nothing was refused early")
        return
    p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
    report.check(
        promised, p50 <= PROMISE and p99 <= PROMISE + ALLOWANCE,
        f"{len(times)} refusals: p50 {ms(p50)}, p99 {ms(p99)}, at most {ms(times[-1])}",
    )


@row("overload-2x", 90)
def twice(stage: Stage, report) -> None:
    overload(stage, report, 2, 8)


@row("overload-10x", 90)
def ten_times(stage: Stage, report) -> None:
    overload(stage, report, 10, 8)


@row("overload-deep", 90)
def deep(stage: Stage, report) -> None:
    """The queue could hold far more than can be computed before the deadline: bounds alone do not help."""
    overload(stage, report, 2, 1000)


@row("busy-deadline", 90)
def busy_deadline(stage: Stage, report) -> None:
    plant_echo(stage.garden(), LAYERS, 'deadline = "60s"\nqueue_rows = 100000')
    server = stage.serve(stage.garden(), "--threads", "1", "--log", "warn")
    rounds, wait = stage.of(4, 20), 0.1
    probe = echo_questions(ROWS, 1)[0]
    took = min(exchange(server.port, probe.raw)[2] for _ in range(5))
    rows = int(ROWS * max(1.0, 0.6 / took))
    report.done = (
        f"{rounds} times: one worker, kept busy for about 0.6 s by a request of {rows} rows, and then 8 requests with "
        f"a deadline of {wait * 1e3:.0f} ms (x-timeout-ms and timeout)"
    )
    blocker = echo_questions(rows, 1)[0]
    plain = echo_questions(1, 1, headers=f"x-timeout-ms: {wait * 1e3:.0f}\r\n")[0].raw
    tensor = {"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    oip = http("/v2/models/echo/infer", json.dumps({"parameters": {"timeout": int(wait * 1e6)}, "inputs": [tensor]}))
    late, codes, wrong = [], [], 0
    for _ in range(rounds):
        with socket.create_connection((HOST, server.port), timeout=20) as slow:
            slow.sendall(blocker.raw)
            began_slow = time.time_ns()
            time.sleep(0.1)
            socks = []
            for at in range(8):
                sock = socket.create_connection((HOST, server.port), timeout=10)
                sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
                began = time.time_ns()
                sock.sendall(plain if at % 2 else oip)
                socks.append((sock, began))
            for sock, began in socks:
                status, _, took = read_answer(sock, began)
                codes.append(status)
                late.append(took - wait)
                sock.close()
            status, body, _ = read_answer(slow, began_slow)
            wrong += status != 200 or blocker.judge(body)[0] is not None
    late.sort()
    report.check("each is answered with 504, the long one rightly", set(codes) == {504} and not wrong,
                 f"{codes.count(504)} of {len(codes)}, {wrong} wrong")
    report.check(
        f"answered within {PROMISE * 1e3:.0f} ms of the deadline (p50; p99 with {ALLOWANCE * 1e3:.0f} ms more)",
        late[0] >= -0.001 and percentile(late, 0.5) <= PROMISE and percentile(late, 0.99) <= PROMISE + ALLOWANCE,
        f"p50 {ms(percentile(late, 0.5))} after it, p99 {ms(percentile(late, 0.99))}, between {ms(late[0])} and {ms(late[-1])}",
    )
