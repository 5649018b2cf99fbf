"""Our engine beside ONNX Runtime, one thread each, on the same rows, in turns.

    python3 benches/zoo/run.py            # all models
    python3 benches/zoo/run.py rf100 svc --rounds 9

It makes a virtual environment under target/zoo, trains the models once, builds `benches/duel.rs`,
and then lets both run in turns on one processor. Rows rotate, so that no branch predictor learns
them. A ratio is ONNX Runtime's time over ours in one round; the table shows the median of rounds.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLACE = ROOT / "target" / "zoo"
BATCHES = (1, 128, 4096)


def home() -> None:
    """Goes on in an environment that has what `requirements.txt` names."""
    python = PLACE / "venv" / "bin" / "python"
    if Path(sys.prefix) == PLACE / "venv":
        return
    wanted = (HERE / "requirements.txt").read_text()
    mark = PLACE / "venv" / "requirements.txt"
    if not mark.exists() or mark.read_text() != wanted:
        venv.create(PLACE / "venv", with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        mark.write_text(wanted)
    os.execv(python, [python, *sys.argv])


class Ours:
    def __init__(self) -> None:
        build = ["cargo", "bench", "--bench", "duel", "--no-run", "--message-format=json"]
        out = subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = [json.loads(line).get("executable") for line in out.splitlines() if '"duel"' in line]
        program = next(path for path in found if path)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        kind, _, words = self.process.stdout.readline().strip().partition(" ")
        if kind != "ok":
            raise RuntimeError(words)
        return words

    def run(self, rows: int, millis: int) -> float:
        return float(self.ask(f"run {rows} {millis}")) / 1e3


class Theirs:
    def __init__(self, place: Path) -> None:
        import numpy
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(place / "model.onnx"), options, providers=["CPUExecutionProvider"])
        case = json.loads((place / "golden.json").read_text())["cases"][0]
        kinds = {spec.name: object if "string" in spec.type else numpy.float32 for spec in self.session.get_inputs()}
        self.rows = {name: numpy.array(value, kinds[name]) for name, value in case["inputs"].items()}

    def run(self, rows: int, millis: int) -> float:
        total = len(next(iter(self.rows.values())))
        starts = range(0, total - rows + 1, rows)[:512]
        batches = [{name: value[at : at + rows] for name, value in self.rows.items()} for at in starts]
        run, calls, began = self.session.run, 0, time.perf_counter()
        while True:
            for batch in batches:
                run(None, batch)
                calls += 1
                if calls % 16 == 0 or rows > 64:
                    took = time.perf_counter() - began
                    if took > millis / 1e3:
                        return took / calls * 1e6


def main() -> None:
    home()
    sys.path.insert(0, str(HERE))
    sys.dont_write_bytecode = True
    from zoo import TREES, ZOO, make

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(ZOO), help="which (all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--millis", type=int, default=60, help="of each turn")
    arguments = parser.parse_args()
    ours = Ours()
    places = {name: make(name, PLACE / "models") for name in arguments.models}
    os.sched_setaffinity(0, {0})
    os.sched_setaffinity(ours.process.pid, {0})
    print("| model | load, memory | " + " | ".join(f"{b} rows: ours, ONNX Runtime (us) | ratio" for b in BATCHES) + " |")
    print("| --- | --- |" + " ---: | ---: |" * len(BATCHES))
    ratios: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    for name, place in places.items():
        try:
            said = ours.ask(f"load {place}")
        except RuntimeError as error:
            print(f"| {name} | {error} |", flush=True)
            continue
        theirs, cells = Theirs(place), []
        for batch in BATCHES:
            turns = [(ours.run(batch, arguments.millis), theirs.run(batch, arguments.millis)) for _ in range(arguments.rounds)]
            ratio = statistics.median(b / a for a, b in turns)
            a, b = (statistics.median(column) for column in zip(*turns))
            cells.append(f"{a:.2f}, {b:.2f} | {ratio:.1f}")
            if name in TREES:
                ratios[batch].append(ratio)
        print(f"| {name} | {said} | " + " | ".join(cells) + " |", flush=True)
    means = (math.exp(statistics.fmean(map(math.log, r))) if r else float("nan") for r in ratios.values())
    print("| geometric mean of the trees | | " + " | ".join(f" | {mean:.1f}" for mean in means) + " |")


if __name__ == "__main__":
    main()
