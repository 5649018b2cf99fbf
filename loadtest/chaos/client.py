"""HTTP clients that lose count of nothing: an epoll loop over raw sockets, in processes of their own.

A request counts as sent once a byte of it has been handed to the kernel, and then ends in exactly
one way: right, wrong, refused (by status), reset, or unanswered. Times run from that moment to the
kernel's own stamp on the answer, so a busy client does not make the server look slow.
"""

from __future__ import annotations

import array
import collections
import multiprocessing
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass, field

from chaos.server import HOST, die_with_parent

SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
STAMP = struct.Struct("qq")
LOOK = 0.2

_fork = multiprocessing.get_context("fork")


@dataclass
class Plan:
    """What one process of clients does."""

    port: int
    questions: list
    connections: int = 8
    # Requests per second, sent when they fall due, come what may. 0: each connection asks again
    # as soon as it has its answer.
    rate: float = 0.0
    # A connection of its own for every request.
    fresh: bool = False
    patience: float = 10.0
    # Answers other than 200 that are expected.
    refusals: tuple = ()
    # Versions must not go down.
    upwards: bool = False


@dataclass
class Tally:
    sent: int = 0
    right: int = 0
    wrong: int = 0
    codes: collections.Counter = field(default_factory=collections.Counter)
    reset: int = 0
    unanswered: int = 0
    not_connected: int = 0
    not_sent: int = 0
    cpu: float = 0.0
    # When the requests were sent that were reset or never answered.
    lost: array.array = field(default_factory=lambda: array.array("d"))
    examples: list = field(default_factory=list)
    versions: set = field(default_factory=set)
    # Of each answer: when it was asked (seconds since the epoch), what it took (s), its status.
    asked: array.array = field(default_factory=lambda: array.array("d"))
    took: array.array = field(default_factory=lambda: array.array("d"))
    status: array.array = field(default_factory=lambda: array.array("h"))

    def __add__(self, other: Tally) -> Tally:
        both = Tally()
        for name in ("sent", "right", "wrong", "codes", "reset", "unanswered", "not_connected", "not_sent", "cpu",
                     "lost", "asked", "took", "status"):
            setattr(both, name, getattr(self, name) + getattr(other, name))
        both.examples = (self.examples + other.examples)[:8]
        both.versions = self.versions | other.versions
        return both

    def bad(self, allowed: tuple = ()) -> int:
        """Requests that were lost, answered wrongly, or refused where that was not allowed."""
        refused = sum(count for code, count in self.codes.items() if code not in allowed)
        return self.wrong + self.reset + self.unanswered + refused

    def times(self, status: int = 200, since: float = 0.0, until: float = float("inf")) -> list[float]:
        return sorted(t for at, t, s in zip(self.asked, self.took, self.status) if s == status and since <= at < until)

    def say(self) -> str:
        """All that has been counted, without the zeros."""
        parts = [f"{self.sent} sent", f"{self.right} right"]
        parts += [f"{count} x {code}" for code, count in sorted(self.codes.items())]
        for name in ("wrong", "reset", "unanswered"):
            if getattr(self, name):
                parts.append(f"{getattr(self, name)} {name.upper()}")
        return ", ".join(parts)


def percentile(times: list[float], share: float) -> float:
    """Of sorted times; NaN where there are none."""
    if not times:
        return float("nan")
    return times[min(len(times) - 1, int(share * len(times)))]


class Wire:
    """One connection, and the request on it, if any."""

    __slots__ = ("sock", "fd", "question", "sent_at", "since", "left", "buffer", "connecting", "least")

    def __init__(self, sock: socket.socket):
        self.sock, self.fd = sock, sock.fileno()
        self.question, self.sent_at, self.since = None, 0, 0.0
        self.left, self.buffer, self.connecting, self.least = b"", b"", True, 0


class Loop:
    """Runs a plan until the word comes to stop, then waits for what is still open."""

    def __init__(self, plan: Plan, word: int):
        self.plan, self.word = plan, word
        self.tally = Tally()
        self.epoll = select.epoll()
        self.epoll.register(word, select.EPOLLIN)
        self.wires: dict[int, Wire] = {}
        self.idle: list[Wire] = []
        self.next_question, self.highest = 0, 0
        self.hold_until = 0.0
        self.cpu = time.process_time()

    def run(self) -> Tally:
        stopping, due, look = False, time.monotonic(), 0.0
        while True:
            now = time.monotonic()
            if not stopping:
                due = self.ask_due(now, due)
            elif not any(wire.question for wire in self.wires.values()):
                break
            if now >= look:
                self.look(now)
                look = now + LOOK
            wait = LOOK if not self.plan.rate or stopping else max(0.0, min(LOOK, due - time.monotonic()))
            if self.hold_until > now:
                wait = min(wait, 0.005)
            for fd, event in self.epoll.poll(wait):
                if fd == self.word:
                    stopping = True
                    self.epoll.unregister(self.word)
                    for wire in [wire for wire in self.wires.values() if wire.connecting]:
                        self.drop(wire)
                elif fd in self.wires:
                    self.handle(self.wires[fd], event)
        for wire in list(self.wires.values()):
            self.drop(wire)
        self.tally.cpu = time.process_time() - self.cpu
        return self.tally

    def ask_due(self, now: float, due: float) -> float:
        if self.plan.rate:
            while due <= now:
                self.ask()
                due += 1.0 / self.plan.rate
            return due
        if now < self.hold_until:
            return due
        while self.idle and not self.plan.fresh:
            self.send(self.idle.pop())
        while len(self.wires) < self.plan.connections and now >= self.hold_until:
            self.ask()
        return due

    def ask(self) -> None:
        while self.idle:
            wire = self.idle.pop()
            if wire.fd in self.wires and self.wires[wire.fd] is wire:
                return self.send(wire)
        if len(self.wires) >= self.plan.connections:
            self.tally.not_sent += 1
            return None
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        wire = Wire(sock)
        wire.question, wire.since = self.pick(), time.monotonic()
        self.wires[wire.fd] = wire
        self.epoll.register(wire.fd, select.EPOLLOUT | select.EPOLLIN)
        sock.connect_ex((HOST, self.plan.port))
        return None

    def pick(self):
        self.next_question += 1
        return self.plan.questions[self.next_question % len(self.plan.questions)]

    def send(self, wire: Wire) -> None:
        wire.question = wire.question or self.pick()
        wire.buffer, wire.left, wire.least = b"", wire.question.raw, self.highest
        wire.since, wire.sent_at = time.monotonic(), time.time_ns()
        try:
            wrote = wire.sock.send(wire.left)
        except OSError:
            # Nothing of it went out: the server had closed the connection before.
            wire.question = None
            return self.drop(wire)
        self.tally.sent += 1
        wire.left = wire.left[wrote:]
        if wire.left:
            self.epoll.modify(wire.fd, select.EPOLLIN | select.EPOLLOUT)
        return None

    def handle(self, wire: Wire, event: int) -> None:
        if wire.connecting:
            if wire.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.tally.not_connected += 1
                wire.question = None
                self.hold_until = time.monotonic() + 0.005
                return self.drop(wire)
            wire.connecting = False
            self.epoll.modify(wire.fd, select.EPOLLIN)
            return self.send(wire)
        if event & select.EPOLLOUT and wire.left:
            try:
                wire.left = wire.left[wire.sock.send(wire.left):]
            except OSError:
                wire.left = b""
            if not wire.left:
                self.epoll.modify(wire.fd, select.EPOLLIN)
        if event & ~select.EPOLLOUT:
            self.receive(wire)
        return None

    def receive(self, wire: Wire) -> None:
        try:
            data, notes, _, _ = wire.sock.recvmsg(65536, 64)
        except BlockingIOError:
            return None
        except OSError:
            data, notes = b"", []
        if not data:
            return self.drop(wire)
        wire.buffer += data
        head, found, body = wire.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        lower = head.lower()
        length = int(lower.partition(b"content-length:")[2].split(b"\r", 1)[0] or 0)
        if len(body) < length:
            return None
        stamp = time.time_ns()
        for level, kind, raw in notes:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanos = STAMP.unpack(raw[:16])
                stamp = seconds * 1_000_000_000 + nanos
        self.finish(wire, int(head[9:12]), body[:length], stamp, b"connection: close" in lower)
        return None

    def finish(self, wire: Wire, status: int, body: bytes, stamp: int, closes: bool) -> None:
        tally, question = self.tally, wire.question
        wire.question = None
        if question is None:
            self.note(f"an answer to no request: {status} {body[:100]!r}")
            tally.wrong += 1
            return self.drop(wire)
        tally.asked.append(wire.sent_at / 1e9)
        tally.took.append((stamp - wire.sent_at) / 1e9)
        tally.status.append(status)
        if status == 200 == question.status:
            trouble, version = question.judge(body)
            if not trouble and self.plan.upwards and version < wire.least:
                trouble = f"version {version} answered after {wire.least}"
            self.highest = max(self.highest, version)
            tally.versions.add(version)
            if trouble:
                tally.wrong += 1
                self.note(trouble)
            else:
                tally.right += 1
        elif status == question.status and b'"error"' in body:
            # A refusal that is the right answer.
            tally.right += 1
        else:
            tally.codes[status] += 1
            if status not in self.plan.refusals:
                self.note(f"{status} {body[:160].decode(errors='replace')}")
        if closes or self.plan.fresh:
            return self.drop(wire)
        self.idle.append(wire)
        return None

    def drop(self, wire: Wire, late: bool = False) -> None:
        if wire.question is not None and not wire.connecting:
            self.tally.lost.append(wire.sent_at / 1e9)
            if late:
                self.tally.unanswered += 1
            else:
                self.tally.reset += 1
                self.note(f"reset after {time.monotonic() - wire.since:.3f} s")
        wire.question = None
        del self.wires[wire.fd]
        self.epoll.unregister(wire.fd)
        wire.sock.close()
        if self.idle and wire in self.idle:
            self.idle.remove(wire)

    def look(self, now: float) -> None:
        """Gives up on what has taken too long."""
        for wire in list(self.wires.values()):
            if wire.question is not None and now - wire.since > self.plan.patience:
                if wire.connecting:
                    self.tally.not_connected += 1
                self.drop(wire, late=True)

    def note(self, words: str) -> None:
        if len(self.tally.examples) < 8:
            self.tally.examples.append(words)


class Crowd:
    """Processes that run plans until they are told to stop."""

    def __init__(self, *plans: Plan):
        self.parts = []
        for plan in plans:
            word, tell = os.pipe()
            result, giver = _fork.Pipe(duplex=False)
            process = _fork.Process(target=run_plan, args=(plan, word, tell, giver), daemon=True)
            process.start()
            os.close(word)
            giver.close()
            self.parts.append([process, tell, result])

    def stop(self) -> Tally:
        """Stops asking, waits for the open requests, and adds everything up."""
        for part in self.parts:
            os.write(part[1], b"x")
            os.close(part[1])
            part[1] = None
        total = Tally()
        for process, _, result in self.parts:
            if not result.poll(60):
                raise RuntimeError("clients do not come to an end")
            total = total + result.recv()
            process.join(5)
        self.parts = []
        return total

    def kill(self) -> None:
        for process, tell, _ in self.parts:
            process.kill()
            if tell is not None:
                os.close(tell)
        self.parts = []


def run_plan(plan: Plan, word: int, tell: int, giver) -> None:
    os.close(tell)
    die_with_parent()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    giver.send(Loop(plan, word).run())
    giver.close()


# --- Single requests, for the rows themselves ----------------------------------------------------


def exchange(port: int, raw: bytes, limit: float = 10.0, finish: bool = False) -> tuple[int, bytes, float]:
    """Sends bytes on a connection of their own: status (0: closed without an answer), body, seconds."""
    began = time.time_ns()
    with socket.create_connection((HOST, port), timeout=limit) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        began = time.time_ns()
        try:
            sock.sendall(raw)
            if finish:
                sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return read_answer(sock, began)


def read_answer(sock: socket.socket, began: int) -> tuple[int, bytes, float]:
    buffer = b""
    while True:
        try:
            data, notes, _, _ = sock.recvmsg(65536, 64)
        except OSError:
            data, notes = b"", []
        if not data:
            return 0, buffer, (time.time_ns() - began) / 1e9
        buffer += data
        head, found, body = buffer.partition(b"\r\n\r\n")
        if not found:
            continue
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0] or 0)
        if len(body) < length:
            continue
        stamp = time.time_ns()
        for level, kind, raw in notes:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanos = STAMP.unpack(raw[:16])
                stamp = seconds * 1_000_000_000 + nanos
        return int(head[9:12]), body[:length], (stamp - began) / 1e9
