"""Requests that are small to send and dear to read, or that have no end."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import select
import socket
import time
import zlib

from chaos.client import HOST, Plan, exchange, percentile
from chaos.hostile import good, plant
from chaos.questions import Question, http
from chaos.report import mib, ms, row
from chaos.server import Stage, die_with_parent


def squeeze(size: int, kind: str) -> bytes:
    """`size` zero digits, packed."""
    if kind == "gzip":
        return gzip.compress(b"0" * size, 6)
    return zlib.compress(b"0" * size, 6)


def shapes() -> list[tuple[str, bytes]]:
    big = 1 << 63
    odd = ([1 << 32, 1 << 32], [big - 1, 2], [big - 1, 13], [1 << 62, 4], [-1, 13], [big, 13], [10**30, 13], [1 << 31] * 9)
    out = []
    for shape in odd:
        tensor = {"name": "input", "datatype": "FP32", "shape": shape, "data": [1.0] * 10}
        out.append((f"shape {shape}"[:40], http("/v2/models/diabetes/infer", json.dumps({"inputs": [tensor]}))))
    return out


def endless(server, start: bytes, more: bytes, limit: float) -> tuple[int, float, float, int]:
    """Sends on until the server ends it: the status, when it came, when the end came, bytes that went out.

    `inf` for what did not come within the limit. An answer alone is no end: a server may read on after it.
    """
    began, sent, got, answered, ended = time.monotonic(), 0, b"", float("inf"), float("inf")
    with socket.create_connection((HOST, server.port), timeout=2) as sock:
        sock.setblocking(False)
        left = start
        while time.monotonic() < began + limit and ended == float("inf"):
            readable, writable, _ = select.select([sock], [sock], [], 0.1)
            try:
                if readable:
                    data = sock.recv(4096)
                    got += data
                    now = time.monotonic() - began
                    answered = min(answered, now) if data else answered
                    ended = ended if data else now
                elif writable:
                    wrote = sock.send(left)
                    sent, left = sent + wrote, left[wrote:] or more
            except OSError:
                ended = time.monotonic() - began
    return int(got[9:12] or 0), answered, ended, sent


@row("bombs", 120)
def bombs(stage: Stage, report) -> None:
    plant(stage)
    limit_mib = 16
    # With the memory of a body that is allowed, packed and unpacked, and its growing copies.
    bound = 4 * limit_mib
    server = stage.serve(stage.garden(), "--max-body", f"{limit_mib}MiB", "--body-timeout", "3s", "--log", "warn")
    size = stage.of(256, 1024)
    path = "/models/diabetes/predict"
    packed = {kind: squeeze(size << 20, kind) for kind in ("gzip", "deflate")}
    cases = [
        (f"{size} MiB in {len(body) >> 10} KiB of {kind}", http(path, body, f"content-encoding: {kind}\r\n"), (413,))
        for kind, body in packed.items()
    ]
    cases += [
        ("gzip in gzip", http(path, gzip.compress(packed["gzip"]), "content-encoding: gzip\r\n"), (400,)),
        ("JSON 10,000 deep", http(path, "[" * 10_000 + "]" * 10_000), (400,)),
        ("JSON a million deep, not closed", http(path, '{"a":' * 1_000_000), (400,)),
        ("JSON 10,000 deep beside the features", http(path, '{"features":[1],"x":' + "[" * 10_000 + "]" * 10_000 + "}"), (400,)),
        ("a length beyond the limit", http(path, b"")[:-5] + b"90000000000000\r\n\r\n", (413,)),
    ]
    cases += [(name, raw, (400, 413)) for name, raw in shapes()]
    crowd = stage.crowd(good(stage, server, 200))
    time.sleep(1)
    before, worst = server.rss(), (0.0, "")
    server.forget_peak()
    for name, raw, wanted in cases:
        status, body, took = exchange(server.port, raw)
        worst = max(worst, (took, name))
        if status not in wanted or took > 1:
            report.check(f"{name}: {wanted[0]} within 1 s", False, f"{status} after {ms(took)} {body[:100].decode(errors='replace')}")
    report.check("each is refused with its status within 1 s", not report.checks, f"{len(cases)} kinds, the slowest {ms(worst[0])} ({worst[1]})")
    alone = server.peak()
    report.done = (
        f"gzip and deflate bombs of {size} MiB, gzip in gzip, JSON 10,000 and a million deep, shapes whose product overflows, headers, "
        f"paths and chunks without end, and 16 clients that send bombs only, beside 200 requests/s; --max-body {limit_mib}MiB"
    )
    report.check(f"one at a time: at most {bound} MiB more (4 times --max-body)", alone - before <= bound, f"{mib(before)}, at most {mib(alone)}")
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\n"
    streams = (
        ("a header without end", f"{head}x-long: ".encode(), b"a" * 65536, (431, 0)),
        ("headers without end", head.encode(), b"x-one: more\r\n" * 500, (431, 0)),
        ("a path without end", b"GET /", b"a" * 65536, (414, 431, 0)),
        ("chunks without end", f"{head}transfer-encoding: chunked\r\n\r\n".encode(), b"10000\r\n" + b" " * 65536 + b"\r\n", (413, 0)),
        ("a chunk's size without end", f"{head}transfer-encoding: chunked\r\n\r\n".encode(), b"0" * 65536, (400, 408, 0)),
    )
    said, endings = [], []
    server.forget_peak()
    for name, start, more, wanted in streams:
        status, answered, ended, sent = endless(server, start, more, 8)
        told = f"{status} after {ms(answered)}" if status else "no answer"
        end = f"closed after {ms(ended)}" if ended < 8 else "still open and read 8 s later"
        said.append(f"{name}: {told}, {end}, {sent / (1 << 20):.1f} MiB")
        endings.append(status in wanted and ended <= 5)
    endings_peak = server.peak()
    report.check("what has no end is ended within 5 s (--body-timeout 3s)", all(endings), "; ".join(said))
    report.check(f"it takes at most {bound} MiB more", endings_peak - before <= bound, f"at most {mib(endings_peak)}")
    server.forget_peak()
    # At once: as many unpacked bodies as there are threads to unpack them.
    bomb = Question(http(path, packed["gzip"], "content-encoding: gzip\r\n"), {})
    many = stage.crowd(Plan(server.port, [bomb], connections=16, refusals=(413,)))
    time.sleep(stage.of(2, 6))
    bombed = many.stop()
    flood = server.peak()
    report.check(
        f"16 bombs at a time: at most {2 * bound} MiB more", flood - before <= 2 * bound and set(bombed.codes) == {413},
        f"at most {mib(flood)}, {bombed.say()}",
    )
    time.sleep(2)
    report.answers(crowd.stop())
    report.fact(f"{mib(server.rss())} two seconds later")


# --- The same, by several at once ----------------------------------------------------------------

ENDLESS = 4


def endless_alone(server, start: bytes, more: bytes, limit: float, giver) -> None:
    die_with_parent()
    giver.send(endless(server, start, more, limit))


@row("endless-chunks", 60)
def endless_chunks(stage: Stage, report) -> None:
    seconds = stage.of(6, 15)
    plant(stage)
    server = stage.serve(stage.garden(), "--body-timeout", "3s", "--log", "warn")
    report.done = f"{ENDLESS} clients whose chunk's size has no end, as fast as it goes, beside 500 requests/s; --body-timeout 3s"
    start = b"POST /models/diabetes/predict HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    crowd, fork, results = stage.crowd(good(stage, server)), multiprocessing.get_context("fork"), []
    time.sleep(0.5)
    began, cpu = time.time(), server.cpu()
    for _ in range(ENDLESS):
        result, giver = fork.Pipe(duplex=False)
        fork.Process(target=endless_alone, args=(server, start, b"0" * 65536, seconds, giver), daemon=True).start()
        results.append(result)
    ends = [result.recv() for result in results]
    cpu = (server.cpu() - cpu) / (time.time() - began)
    tally = crowd.stop()
    report.answers(tally)
    late = [ended for _, _, ended, _ in ends if ended > 5]
    report.check("each is ended within 5 s", not late, f"{len(late)} of {ENDLESS} still open and read after {seconds} s"
                 if late else f"the last after {ms(max(end[2] for end in ends))}")
    took = tally.times(200, began)
    report.check("p99 of the others below 100 ms", percentile(took, 0.99) < 0.1,
                 f"p50 {ms(percentile(took, 0.5))}, p99 {ms(percentile(took, 0.99))}, {tally.not_sent} not even sent: no connection was free")
    report.fact(f"server {cpu:.2f} cores")
