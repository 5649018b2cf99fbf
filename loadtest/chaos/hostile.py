"""Clients that are slow, leave, or send nonsense; good ones ask beside them."""

from __future__ import annotations

import multiprocessing
import random
import socket
import struct
import time

from chaos.client import HOST, Plan, exchange
from chaos.malformed import NO_HTTP, malformed
from chaos.questions import echo_questions, golden, plant_echo
from chaos.report import mib, row
from chaos.server import Stage, die_with_parent, wait_for

SLOW = 200
GROWTH = 16


def good(stage: Stage, server, rate: float = 500) -> Plan:
    return Plan(server.port, golden({"*": stage.models / "diabetes/1"}, "diabetes"), connections=16, rate=rate)


def plant(stage: Stage) -> None:
    stage.plant("diabetes/1", stage.garden() / "diabetes" / "1")


# --- Slow ones -----------------------------------------------------------------------------------


class Slow:
    """One connection that sends a byte now and then, and what became of it."""

    def __init__(self, port: int, head: bytes, silent: bool):
        self.sock = socket.create_connection((HOST, port), timeout=10)
        self.began, self.ended, self.got = time.monotonic(), 0.0, b""
        self.silent = silent
        if not silent:
            self.sock.sendall(head)
        self.sock.setblocking(False)

    def step(self) -> None:
        if self.ended:
            return
        try:
            if not self.silent:
                self.sock.send(b"a")
        except BlockingIOError:
            pass
        except OSError:
            self.end()
            return
        try:
            data = self.sock.recv(4096)
            self.got += data
            if not data:
                self.end()
        except BlockingIOError:
            pass
        except OSError:
            self.end()

    def end(self) -> None:
        self.ended = time.monotonic()
        self.sock.close()


def slow_clients(stage: Stage, report, head: bytes, silent_share: float, flag: str, what: str) -> None:
    limit, waves = stage.of(2, 5), stage.of(1, 3)
    plant(stage)
    server = stage.serve(stage.garden(), flag, f"{limit}s", "--log", "warn")
    report.done = f"{SLOW} clients {what}, in {waves} waves, beside 500 requests/s; {flag} {limit}s"
    crowd = stage.crowd(good(stage, server))
    time.sleep(1)
    before, took, answers, most = server.rss(), [], [], 0.0
    for _ in range(waves):
        clients = [Slow(server.port, head, at < SLOW * silent_share) for at in range(SLOW)]
        until = time.monotonic() + limit + 5
        while any(not client.ended for client in clients) and time.monotonic() < until:
            for client in clients:
                client.step()
            most = max(most, server.rss())
            time.sleep(0.1)
        took += [client.ended - client.began if client.ended else float("inf") for client in clients]
        answers += [client.got[9:12].decode() for client in clients]
        for client in clients:
            client.sock.close()
    tally = crowd.stop()
    report.answers(tally)
    late = sum(1 for one in took if one > limit + 1.5)
    report.check(f"each is ended within {limit} s and 1.5 s more", late == 0, f"{late} of {len(took)} late, the last after {max(took):.1f} s")
    if silent_share == 0:
        told = sum(1 for code in answers if code == "408")
        report.check("each is told why (408)", told == len(answers), f"{told} of {len(answers)}")
    report.check(f"at most {GROWTH} MiB more", most - before <= GROWTH, f"{mib(before)} before, at most {mib(most)}")


@row("slow-headers", 90)
def slow_headers(stage: Stage, report) -> None:
    head = b"POST /models/diabetes/predict HTTP/1.1\r\nhost: localhost\r\nx-slow: "
    slow_clients(stage, report, head, 0.25, "--header-timeout", "whose head comes a byte at a time (50 of them silent)")


@row("slow-bodies", 90)
def slow_bodies(stage: Stage, report) -> None:
    head = b"POST /models/diabetes/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000\r\n\r\n"
    slow_clients(stage, report, head, 0.0, "--body-timeout", "whose body comes a byte at a time")


# --- Those who leave -----------------------------------------------------------------------------


def vanish(port: int, raws: list, rate: float, seconds: float, giver) -> None:
    """Connects, sends a request or a part of one, and is gone, half of the time with a reset."""
    die_with_parent()
    draw, sent, failed = random.Random(5), 0, 0
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        raw = draw.choice(raws)
        try:
            with socket.create_connection((HOST, port), timeout=5) as sock:
                if draw.random() < 0.5:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(raw if draw.random() < 0.7 else raw[: draw.randrange(1, len(raw))])
                if draw.random() < 0.3:
                    time.sleep(draw.random() * 0.003)
            sent += 1
        except OSError:
            failed += 1
        time.sleep(max(0.0, began + sent / rate - time.monotonic()))
    giver.send((sent, failed))


@row("vanishing", 90)
def vanishing(stage: Stage, report) -> None:
    seconds, rate = stage.of(4, 20), 1000
    plant(stage)
    plant_echo(stage.garden(), 16, 'deadline = "2s"')
    server = stage.serve(stage.garden(), "--log", "warn")
    crowd = stage.crowd(good(stage, server), Plan(server.port, echo_questions(8), connections=8, rate=50))
    time.sleep(1)
    handles, before = server.handles(), server.rss()
    raws = [question.raw for question in golden({"*": stage.models / "diabetes/1"}, "diabetes")[:4]]
    raws += [question.raw for question in echo_questions(16, 4)]
    result, giver = multiprocessing.get_context("fork").Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(
        target=vanish, args=(server.port, raws, rate, seconds, giver), daemon=True)
    process.start()
    sent, failed = result.recv()
    process.join()
    time.sleep(0.3)
    during = server.rss()
    tally = crowd.stop()
    report.done = (
        f"for {seconds} s, {sent / seconds:.0f} clients/s that send a request, or a part of one, and are gone (half of "
        "them with a reset), to a model that waits for a worker too; beside them 550 requests/s"
    )
    report.answers(tally)
    report.check("every connection is taken", failed == 0, f"{sent} taken, {failed} not")

    def idle() -> bool:
        return server.metric("tidegate_in_flight") == 0 and server.metric("tidegate_queue_rows") == 0

    try:
        wait_for("nothing in flight", idle, 5, 0.1)
        left = "nothing in flight, nothing queued"
    except Exception as error:
        left = str(error)
    report.check("nothing is left of them", left.startswith("nothing in") and server.handles() <= handles + 8,
                 f"{left}; {handles} handles before, {server.handles()} after")
    report.check(f"at most {GROWTH} MiB more", during - before <= GROWTH, f"{mib(before)}, then {mib(during)}")
    dropped = server.metric("tidegate_dropped_requests_total", reason="cancelled")
    report.fact(f"{dropped:.0f} dropped before they were computed")


# --- What no server should read ------------------------------------------------------------------


@row("malformed", 60)
def storm(stage: Stage, report) -> None:
    for name in ("diabetes", "churn", "wine"):
        stage.plant(f"{name}/1", stage.garden() / name / "1")
    server = stage.serve(stage.garden(), "--log", "warn", "--max-body", "1MiB")
    bad = malformed()
    report.done = f"{len(bad)} kinds of malformed requests and {len(NO_HTTP)} of bytes that are no HTTP, as fast as they go, beside 500 good requests/s"
    nice, nasty = stage.crowd(good(stage, server)), stage.crowd(Plan(server.port, bad, connections=6))
    until, bytes_sent, unsound = time.monotonic() + stage.of(3, 12), 0, []
    while time.monotonic() < until:
        for what, raw in NO_HTTP:
            status, _, _ = exchange(server.port, raw, finish=True)
            bytes_sent += 1
            if status and not 400 <= status < 500:
                unsound.append(f"{what}: {status}")
        time.sleep(0.05)
    bad_tally, tally = nasty.stop(), nice.stop()
    report.answers(tally)
    report.check(
        "each malformed request gets the refusal that it deserves, in words, never a 5xx",
        bad_tally.bad() == 0 and bad_tally.sent > len(bad), bad_tally.say() + f" {'; '.join(bad_tally.examples[:3])}".rstrip(),
    )
    report.check("bytes that are no HTTP: 4xx or the end", not unsound, f"{bytes_sent} sent" + "; ".join(unsound[:3]))
    panics = server.metric("tidegate_engine_failures_total")
    report.check("no engine fails", panics == 0 and server.is_alive(), f"{panics:.0f} failures")
