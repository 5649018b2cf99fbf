"""The parts of benches/gpu.sh, which says how it is called. What it prints is markdown for docs/gpu.md.

A part that fails says so and keeps no other from running; the exit status is 1 then.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import shlex
import site
import subprocess
import sys
import time
import traceback
from pathlib import Path

sys.dont_write_bytecode = True
# What gpu.sh has installed, behind what the environment has itself.
site.addsitedir(str(Path(__file__).resolve().parent.parent.parent / "target" / "gpu" / "site"))

import server
from checks import TOOLS, check, sanitize
from models import MAKERS, make
from ours import PLACE, brought, built
from steps import Steps, reason
from tables import bench

PACKAGES = ("torch", "onnxruntime", "nvforest-cu13", "cupy-cuda13x", "scikit-learn", "numpy")


def serve(options, steps: Steps) -> list[str]:
    """The whole server, with the GPU and without. Answers what failed."""
    failed = []
    for name in options.models or (["rf100"] if options.quick else ["rf1000", "mlp"]):
        sizes = [1, 256] if options.quick else [1, 32, 256, 1024]
        try:
            with steps.step(name):
                model = make(name, PLACE / "models")
                server.compare(options.tidegate, model, sizes, 2 if options.quick else 3, 2.0)
        except Exception as error:
            failed.append(f"{name}: {reason(error)}")
    return failed


# What is run, under which heading, and which program it needs.
PARTS = {
    "check": (check, "Checks on the device", "bench"),
    "sanitize": (sanitize, "compute-sanitizer", "bench"),
    "bench": (bench, "Beside others", "bench"),
    "serve": (serve, "The server", "tidegate"),
}
BUILDS = {"bench": (["bench", "--bench", "gpu", "--no-run"], "gpu"), "tidegate": (["build", "--release"], "tidegate")}


def main() -> None:
    options = parsed()
    # Whoever ends this early keeps what was said so far.
    sys.stdout.reconfigure(line_buffering=True)
    PLACE.mkdir(parents=True, exist_ok=True)
    facts()
    failed = [part for part in options.only if not passed(part, options)]
    if failed:
        print(f"\nFAILED: {', '.join(failed)}")
        sys.exit(1)


def parsed():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="fewer models, sizes and rounds")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--models", nargs="+", choices=list(MAKERS), help="these, in place of a part's own choice")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=TOOLS, help="of compute-sanitizer")
    parser.add_argument("--seconds", type=float, default=480, help="what a part may take; it leaves out what is too much")
    parser.add_argument("--tidegate", type=Path, help="the server, built elsewhere: a program, FILE.xz, or a folder")
    parser.add_argument("--bench", type=Path, help="the bench binary, likewise")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu tries the script where there is no GPU")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    return parser.parse_args()


def passed(part: str, options) -> bool:
    """Runs a part, and says what failed in it."""
    run, heading, program = PARTS[part]
    print(f"\n### {heading}\n")
    steps = Steps(options.seconds)
    try:
        setattr(options, program, program_of(options, program))
        failed = run(options, steps)
    except Exception as error:
        traceback.print_exc()
        failed = [reason(error)]
    for words in failed:
        print(f"\n**FAILED**: {words}")
    print(f"\n`{part}`: {steps.told()}.", flush=True)
    return not failed


def program_of(options, program: str) -> Path:
    """Brought along, or else built here, once."""
    given = getattr(options, program)
    arguments, name = BUILDS[program]
    return brought(given, name) if given else built(arguments, name).resolve()


def facts() -> None:
    """What it was measured on, first: a figure without it says nothing."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        gpus = subprocess.run(query, capture_output=True, text=True).stdout.split("\n")
        gpu = next((line.strip() for line in gpus if line.strip()), "no GPU")
    except FileNotFoundError:
        gpu = "no nvidia-smi"
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    print(f"## Measured\n\n- `{shlex.join(['benches/gpu.sh', *sys.argv[1:]])}`\n- GPU: {gpu}")
    print(f"- CPU: {len(os.sched_getaffinity(0))} of {cpus[0] if cpus else platform.machine()}")
    print(f"- Python {platform.python_version()}, " + ", ".join(version(name) for name in PACKAGES))


def version(package: str) -> str:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return f"no {package}"


if __name__ == "__main__":
    main()
