#!/usr/bin/env python3
"""Counts what a request takes of the processor in user space: instructions, beside the bare hyper server.

Time beside a noisy neighbour says little; instructions are nearly the same on every day. (Not those of the
model's run, whose kernel is chosen by time when it is loaded: they are shown apart.) What the kernel does is not counted, and is the same for both servers: one read, one write.
Both run under valgrind's callgrind and are asked the same requests over one connection, one after the
other; counting begins once they are ready and warm.

    python3 loadtest/instructions.py                  the table
    python3 loadtest/instructions.py --top 40         and where Tidegate's go: functions with all they call
    python3 loadtest/instructions.py --serve-args='--monitor off'

Needs Linux, valgrind, and the binaries of README.md beside this file.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import harness
from harness import HOST, ROOT, Server, Trouble, add_binaries, bare_server, program, running, sample_rows, tidegate_server

WARM = 500
# The function that runs a model on a request's own thread.
MODEL = "Session::run_here"
# Valgrind makes programs some 50 times slower.
harness.START_LIMIT = 300.0
harness.STOP_LIMIT = 120.0
# What is left to do in the background after the start: the first look at the reference data, say.
QUIET = 15.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_binaries(parser)
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="the models directory")
    parser.add_argument("--model", default="diabetes", help="the model that is asked")
    parser.add_argument("--serve-args", default="", help="further arguments of `tidegate serve`")
    parser.add_argument("--requests", type=int, default=4000, help="that are counted")
    parser.add_argument("--top", type=int, default=0, help="functions to show")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        raise Trouble("valgrind is not installed: apt-get install valgrind")
    options.tidegate = program(options.tidegate, "cargo build --release")
    options.bare = program(options.bare, "cargo build --release -p bare-hyper")
    with tempfile.TemporaryDirectory(prefix="tidegate-instructions-") as name:
        folder = Path(name)
        # One model alone: no other is to be loaded while requests are counted.
        shutil.copytree(options.models / options.model, folder / "models" / options.model)
        bodies = [json.dumps({"features": row}) for row in sample_rows(options.models / options.model)]
        options.models = folder / "models"
        options.serve_args += " --device cpu"
        counts = {}
        for server in (bare_server(options, folder), tidegate_server(options, folder)):
            counts[server.name] = counted(server, f"/models/{options.model}/predict", bodies, options.requests)
        bare, ours = counts["bare"], counts["tidegate"]
        functions = inclusive(folder / "tidegate.callgrind", options.requests)
        model = next((count for count, name in functions if name.endswith(MODEL)), 0.0)
        print("| Instructions of a request in user space | bare hyper | Tidegate | Ratio |\n|---|--:|--:|--:|")
        print(f"| all | {bare:,.0f} | {ours:,.0f} | {ours / bare:.2f} |")
        print(f"| without the model's run | {bare:,.0f} | {ours - model:,.0f} | {(ours - model) / bare:.2f} |")
        if options.top:
            print("\n| instructions of a request | function, with all it calls |\n|--:|---|")
            for count, name in functions[: options.top]:
                print(f"| {count:,.0f} | `{name}` |")


def counted(server: Server, path: str, bodies: list[str], requests: int) -> float:
    """Instructions of a request."""
    out = server.log.with_suffix(".callgrind")
    server.command = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={out}", *server.command]
    with running(server):
        connection = http.client.HTTPConnection(HOST, server.port, timeout=60)
        asked(connection, path, bodies, WARM)
        if server.admin_port:
            time.sleep(QUIET)
        switch(server, "on")
        asked(connection, path, bodies, requests)
        switch(server, "off")
        connection.close()
    found = re.search(r"^totals: (\d+)", out.read_text(), re.M)
    if not found:
        raise Trouble(f"callgrind wrote no sum into {out}\n{server.last_words()}")
    return int(found[1]) / requests


def switch(server: Server, state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(server.process.pid)], check=True, capture_output=True)


def asked(connection: http.client.HTTPConnection, path: str, bodies: list[str], count: int) -> None:
    for number in range(count):
        connection.request("POST", path, bodies[number % len(bodies)], {"Content-Type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Trouble(f"answered {answer.status}: {body.decode(errors='replace')}")


def inclusive(out: Path, requests: int) -> list[tuple[float, str]]:
    """Functions with all they call, the largest first. What is inlined counts where it stands."""
    command = ["callgrind_annotate", "--inclusive=yes", "--auto=no", "--threshold=100", str(out)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = {}
    for count, place in re.findall(r"^ *([\d,]+) \([^)]*\)\s+(.*)$", text, re.M)[1:]:
        name = re.sub(r"^\S*?:(?!:)|\s*\[.*$", "", place)
        found.setdefault(name, int(count.replace(",", "")) / requests)
    return [(count, name) for name, count in found.items()]


if __name__ == "__main__":
    try:
        main()
    except Trouble as trouble:
        sys.exit(f"instructions.py: {trouble}")
