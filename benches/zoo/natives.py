"""Native tree files beside the libraries that wrote them, and beside compilers of trees.

    python3 benches/zoo/natives.py            # all models
    python3 benches/zoo/natives.py xgb100 --rounds 9

Everybody has one thread on one processor, and the same rows in turns; rows rotate. A cell is
microseconds per call, and behind it their time over ours in one round, the median of rounds.
XGBoost and LightGBM are asked by the quickest way that their Python packages have; `treelite` is
its general interpreter (GTIL), `tl2cgen` the same trees compiled to C by the machine's compiler.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.dont_write_bytecode = True

from run import BATCHES, PLACE, Ours, home  # noqa: E402

ROWS = 4096
MODELS = ("xgb100", "xgb100_3", "lgb100", "lgb100_3")


def make(name: str):
    """Trains a model of the zoo and writes it as its library does, with what it answers."""
    import numpy as np
    from zoo import ZOO

    place = PLACE / "natives" / name / "1"
    place.mkdir(parents=True, exist_ok=True)
    model, rows = ZOO[name]()
    x = np.ascontiguousarray(rows["X"][:ROWS], np.float32)
    booster = model.get_booster() if name.startswith("xgb") else model.booster_
    file = place / ("model.ubj" if name.startswith("xgb") else "model.txt")
    booster.save_model(str(file))
    answers = {"label": model.predict(x).tolist(), "output__0": model.predict_proba(x).tolist()}
    case = {"inputs": {"input__0": x.tolist()}, "outputs": answers, "rtol": 1e-4, "atol": 1e-6}
    (place / "golden.json").write_text(json.dumps({"cases": [case]}))
    return place, file, x


def rivals(name: str, file: Path):
    """How each answers a matrix of rows, by name."""
    import tl2cgen
    import treelite

    if name.startswith("xgb"):
        import xgboost

        library = xgboost.Booster({"nthread": 1}, model_file=str(file))
        yield "XGBoost", library.inplace_predict
        trees = treelite.frontend.load_xgboost_model(str(file), format_choice="ubjson")
    else:
        import lightgbm

        library = lightgbm.Booster(model_file=str(file), params={"num_threads": 1})
        yield "LightGBM", lambda x: library.predict(x, num_threads=1)
        trees = treelite.frontend.load_lightgbm_model(str(file))
    yield "treelite", lambda x: treelite.gtil.predict(trees, x, nthread=1)
    shared = file.with_suffix(".so")
    if not shared.exists():
        tl2cgen.export_lib(trees, toolchain="gcc", libpath=str(shared), params={"parallel_comp": 8}, verbose=False)
    predictor = tl2cgen.Predictor(str(shared), nthread=1)
    yield "tl2cgen", lambda x: predictor.predict(tl2cgen.DMatrix(x))


def timed(predict, batches, millis: int) -> float:
    calls, began = 0, time.perf_counter()
    while True:
        for batch in batches:
            predict(batch)
            calls += 1
            took = time.perf_counter() - began
            if took > millis / 1e3:
                return took / calls * 1e6


def main() -> None:
    home()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=list(MODELS), help="which (all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--millis", type=int, default=60, help="of each turn")
    arguments = parser.parse_args()
    ours = Ours()
    made = {name: make(name) for name in arguments.models}
    asked = {name: list(rivals(name, file)) for name, (_, file, _) in made.items()}
    os.sched_setaffinity(0, {0})
    os.sched_setaffinity(ours.process.pid, {0})
    print("| model | rows | ours | library | treelite (GTIL) | tl2cgen |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, (place, _, x) in made.items():
        ours.ask(f"load {place}")
        for rows in BATCHES:
            batches = [x[at : at + rows] for at in range(0, len(x) - rows + 1, rows)][:512]
            turns = []
            for _ in range(arguments.rounds):
                own = ours.run(rows, arguments.millis)
                turns.append([own, *(timed(predict, batches, arguments.millis) for _, predict in asked[name])])
            columns = [statistics.median(column) for column in zip(*turns)]
            over = [statistics.median(turn[at] / turn[0] for turn in turns) for at in range(len(columns))]
            cells = [f"{columns[0]:.2f}"] + [f"{time:.1f} ({ratio:.1f})" for time, ratio in zip(columns[1:], over[1:])]
            print(f"| {name} | {rows} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
