"""Loading a large tree file, beside the library that wrote it.

    cargo build --release && python3 benches/zoo/large.py

Trains an XGBoost model whose JSON file has some 190 MB (once; kept under `target/zoo/large`) and
loads it in turns, each time in a process of its own: from the file, from the file and written into
the cache, from the cache, and by XGBoost's `Booster.load_model`. Times are of the load alone, as
the process itself tells it, in milliseconds; the files are in the machine's page cache.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from run import PLACE, ROOT, home  # noqa: E402

TREES = 690
PLACE = PLACE / "large"
BINARY = ROOT / "target" / "release" / "tidegate"

LIBRARY = """
import sys, time, xgboost
from_ = time.perf_counter()
xgboost.Booster(model_file=sys.argv[1])
print((time.perf_counter() - from_) * 1e3)
"""


def model() -> Path:
    """The models' directory, with the large one in it."""
    file = PLACE / "models" / "large" / "1" / "model.json"
    if not file.exists():
        import numpy as np
        import xgboost

        random = np.random.default_rng(7)
        x, y = random.normal(size=(6000, 30)).astype("f4"), random.normal(size=6000).astype("f4")
        asked = {"max_depth": 16, "eta": 0.01, "min_child_weight": 1, "reg_lambda": 0, "tree_method": "hist", "max_bin": 64}
        booster = xgboost.train(asked, xgboost.DMatrix(x, y), TREES)
        file.parent.mkdir(parents=True, exist_ok=True)
        booster.save_model(str(file))
    return file


def ours(*more: str) -> float:
    """One load of everything under the models' directory, in milliseconds."""
    command = [str(BINARY), "check", *more, str(PLACE / "models")]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r"^ok large version 1 \(([0-9.]+) ms", told, re.MULTILINE)[1])


def theirs(file: Path) -> float:
    told = subprocess.run([sys.executable, "-c", LIBRARY, str(file)], check=True, capture_output=True, text=True)
    return float(told.stdout)


def main() -> None:
    home()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    file, cache = model(), PLACE / "cache"
    turns: dict[str, list[float]] = {}
    for _ in range(arguments.rounds):
        shutil.rmtree(cache, ignore_errors=True)
        kept = ("--cache-dir", str(cache))
        turns.setdefault("from the file", []).append(ours())
        turns.setdefault("from the file, and written into the cache", []).append(ours(*kept))
        turns.setdefault("from the cache", []).append(ours(*kept))
        turns.setdefault("XGBoost's own `Booster.load_model`", []).append(theirs(file))
    held = sum(part.stat().st_size for part in cache.rglob("*") if part.is_file())
    print(f"model file {file.stat().st_size / 1e6:.0f} MB, cache {held / 1e6:.1f} MB, {arguments.rounds} rounds")
    print("| | median ms | all |")
    print("|---|--:|---|")
    for what, times in turns.items():
        print(f"| {what} | {statistics.median(times):,.0f} | {min(times):,.0f} to {max(times):,.0f} |")


if __name__ == "__main__":
    main()
