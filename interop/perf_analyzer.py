#!/usr/bin/env python3
"""Fetches Triton's load generator and runs it against a Tidegate, over HTTP, gRPC and a gRPC stream.

    python interop/perf_analyzer.py --tidegate target/release/tidegate --folder target/perf_analyzer

The program lies in the Linux wheels of tritonclient and needs a CUDA runtime library (no driver) and libb64;
both come as packages and are unpacked, not installed. Needs pip, apt-get and dpkg. Exits with 1 where a run fails.
"""

import argparse
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from clients import ROOT
from server import Server, ensure

# The last whose program runs with glibc 2.35.
CLIENT = "tritonclient==2.49.0"
RUNTIME = "nvidia-cuda-runtime-cu12==12.9.79"
RUNS = (
    ("http", "diabetes", ["-i", "http"]),
    ("http, batches of 4", "wine", ["-i", "http", "-b", "4"]),
    ("http, text", "churn", ["-i", "http", "--string-data", "x"]),
    ("grpc", "diabetes", ["-i", "grpc"]),
    ("grpc, batches of 4", "wine", ["-i", "grpc", "-b", "4", "--async"]),
    ("grpc stream", "diabetes", ["-i", "grpc", "--streaming"]),
)


def fetch(folder):
    """The program and the folders of its libraries."""
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "-d", str(folder)]
    subprocess.run([*pip, "--platform", "manylinux1_x86_64", CLIENT], check=True)
    subprocess.run([*pip, RUNTIME], check=True)
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)
    if not list(folder.glob("*.deb")):
        subprocess.run(["apt-get", "download", "-q", "libb64-0d"], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    program = next(folder.glob("tritonclient-*.data/data/bin/perf_analyzer"))
    program.chmod(0o755)
    return program, {str(found.parent) for pattern in ("libcudart.so.12", "libb64.so*") for found in folder.rglob(pattern)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    program, libraries = fetch(arguments.folder.resolve())
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}
    with Server(arguments.tidegate, ROOT / "models") as server:
        for name, model, more in RUNS:
            command = [program, "-m", model, "-u", server.data, "--request-count", "200", "--concurrency-range", "2", *more]
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
            found = re.search(r"Request count: (\d+)", ran.stdout)
            ensure(ran.returncode == 0 and found, f"{name}: exit code {ran.returncode}: {ran.stdout[-800:]}{ran.stderr[-400:]}")
            print(f"perf_analyzer, {name}: {found[1]} requests: ok")


if __name__ == "__main__":
    main()
