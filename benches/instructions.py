"""Instructions per row of the bundled models: a figure that a busy machine does not change.

    python3 benches/instructions.py           # against benches/instructions.json
    python3 benches/instructions.py --write   # and write it anew

Callgrind counts what `benches/duel.rs` executes in its calls of the engine, with kernels that are
fixed instead of measured. More than a tenth above the recorded figure is an error: find out why,
or say why and write the figures anew. Compilers and libraries move them a little. Needs valgrind.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORD = HERE / "instructions.json"
# Tables alone: which plans a network runs is measured.
MODELS = ("breast-cancer/1", "churn/1", "diabetes/1", "wine/1")
# Rows of a call, and calls.
SIZES = ((1, 400), (128, 12))
SLACK = 1.10


def program() -> Path:
    build = ["cargo", "bench", "--bench", "duel", "--no-run", "--message-format=json"]
    lines = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return Path(next(path for line in lines if '"duel"' in line and (path := json.loads(line).get("executable"))))


def count(duel: Path, model: str, rows: int, calls: int) -> float:
    """Instructions per row."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", "--toggle-collect=*count_calls*", f"--callgrind-out-file={folder}/out", duel]
        asked = f"fix\nload {ROOT / 'models' / model}\ncount {rows} {calls}\n"
        ran = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
        if ran.stdout.count("ok ") != 3:
            raise SystemExit(f"{model}: {ran.stdout}")
        total = re.search(r"^(?:summary|totals): (\d+)", Path(f"{folder}/out").read_text(), re.MULTILINE)
    return int(total[1]) / (rows * calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="record what is counted")
    arguments = parser.parse_args()
    known = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    duel, counted, worse = program(), {}, []
    print("| model | rows | instructions per row | recorded |\n| --- | ---: | ---: | ---: |")
    for model in MODELS:
        for rows, calls in SIZES:
            key = f"{model} {rows}"
            counted[key] = round(count(duel, model, rows, calls))
            print(f"| {model} | {rows} | {counted[key]} | {known.get(key, '-')} |", flush=True)
            if counted[key] > SLACK * known.get(key, counted[key]):
                worse.append(key)
    if arguments.write:
        RECORD.write_text(json.dumps(counted, indent=1) + "\n")
    elif worse:
        sys.exit(f"more than a tenth above what is recorded: {', '.join(worse)}")


if __name__ == "__main__":
    main()
