#!/usr/bin/env python3
"""The CUDA kernels on the host: every one beside plain code, and then without each of its barriers.

    python3 tests/cuda/check.py [--rounds 400] [--seed 1] [--folder target/cuda]

Builds the fake driver (build.sh) and the checks (check/), and runs them. Then takes one barrier out of
the kernels at a time: the checks must notice every one that is missing, or they would not notice a
kernel that forgot it. Exits with 1 otherwise. Needs a C++17 compiler, $CXX or c++.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KERNELS = ROOT / "src/engine/cuda/kernels"
CXX = os.environ.get("CXX", "c++").split()
BARRIER = re.compile(r"__syncthreads\(\);|__syncthreads_or(?=\()")
# Enough for a barrier to be missed, and for the mutants to be quick.
MUTANT_ROUNDS = 60


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=ROOT / "target/cuda")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([HERE / "build.sh", folder], check=True)
    flags = ["-std=c++17", "-O1", "-Wall", "-Wextra", "-ffp-contract=off", "-pthread"]
    sources = sorted((HERE / "check").glob("*.cpp"))
    subprocess.run([*CXX, *flags, "-o", folder / "check", *sources, folder / "libcuda.so.1"], check=True)
    done = check(folder, folder, arguments.rounds, arguments.seed)
    print(done.stdout + done.stderr, end="")
    if done.returncode:
        sys.exit(1)
    break_devices(folder)
    missed = [name for name, survives in mutants(folder) if survives]
    if missed:
        sys.exit("nobody notices that a barrier is missing: " + ", ".join(missed))


def check(folder, library, rounds, seed):
    """The checks of `folder` on the library of another one."""
    environment = os.environ | {"LD_LIBRARY_PATH": str(library), "TIDEGATE_FAKE_CUDA": f"seed={seed}"}
    command = [folder / "check", str(rounds), str(seed)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def break_devices(folder):
    """The fake driver breaks as it is told, and its log says what was called after that."""
    log, control = folder / "calls.log", folder / "control"
    cases = {
        "call": ("once=cuMemAlloc_v2:1:2,fail=cuMemAlloc_v2:3:719", ["lost cuMemAlloc_v2 719", "after cuCtxSynchronize", "after cuMemAlloc_v2"]),
        "kernel": ("fault=softmax_rows:1:700", ["lost softmax_rows 700", "after cuEventQuery"]),
        "stream": ("", []),
    }
    for mode, (rules, lines) in cases.items():
        log.write_text("")
        control.write_text("")
        environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "TIDEGATE_FAKE_CUDA": f"log={log},{rules}",
                                    "TIDEGATE_FAKE_CUDA_CONTROL": str(control)}
        subprocess.run([folder / "check", mode], env=environment, check=True, timeout=60)
        if log.read_text().splitlines()[: len(lines)] != lines:
            sys.exit(f"{mode}: the log has {log.read_text().splitlines()}, expected {lines}")
    print("devices break as they are told")


def mutants(folder):
    """Each barrier's place, and whether the checks pass without it."""
    work = folder / "mutant"
    for source in sorted(KERNELS.glob("*.cuh")):
        text = source.read_text()
        for found in BARRIER.finditer(text):
            name = f"{source.name}:{text.count(chr(10), 0, found.start()) + 1}"
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(KERNELS, work, ignore=shutil.ignore_patterns("images"))
            # What was said to the barrier is still asked for.
            (work / source.name).write_text(text[: found.start()] + text[found.end() :])
            unit = f'-DKERNELS="{work / "kernels.cu"}"'
            subprocess.run([HERE / "build.sh", work, "-O1", unit], check=True)
            done = check(folder, work, MUTANT_ROUNDS, 1)
            words = "survives" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["crashed"])[0]
            print(f"without the barrier of {name}: {words}")
            yield name, done.returncode == 0


if __name__ == "__main__":
    main()
