#!/usr/bin/env python3
"""Sketches of Tidegate, read, merged and judged by the Python package of Apache DataSketches, and back.

    python3 interop/sketches.py [--streams 40] [--seed 1]

What must hold, for random streams of 0 to 200,000 values:
- the package reads our bytes and tells what we tell: counts, extremes, quantiles and bounds exactly,
  estimates of distinct values to one part in a million;
- of quantiles, 99 in 100 ranks lie within the error that the package states, measured on the stream;
- the package, fed with the same values, has the same registers: the union of its sketch of distinct
  values with ours estimates what either does;
- we read its bytes and tell what it tells; what either side merges, the other reads.
Exits with 1 if anything differs. The seed and the stream's number say which stream it was.

Packages come from interop/requirements.txt; where they are missing a virtual environment is made in
target/interop. Needs Python 3.11 or later and cargo.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "interop"
PACKAGES = ("datasketches", "numpy")

try:
    import datasketches as ds
    import numpy as np
except ImportError:
    # A second start in the environment that has them.
    python = WORK / "sketches" / "bin" / "python"
    if Path(sys.executable) == python:
        raise
    pins = [line for line in (ROOT / "interop/requirements.txt").read_text().split() if line.split("==")[0] in PACKAGES]
    subprocess.run([sys.executable, "-m", "venv", WORK / "sketches"], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *pins], check=True)
    os.execv(python, [python, *sys.argv])

SIZES = [0, 1, 2, 7, 150, 600, 5_000, 60_000, 200_000]
RANKS = [at / 100 for at in range(101)]


class Ours:
    """The example program, asked a line at a time."""

    def __init__(self):
        subprocess.run(["cargo", "build", "--quiet", "--example", "sketches"], cwd=ROOT, check=True)
        program = ROOT / "target" / "debug" / "examples" / "sketches"
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, kind, numbers=None, texts=(), merge=(), double=0):
        numbers = np.asarray(() if numbers is None else numbers, dtype="<f8")
        order = {"kind": kind, "numbers": encode(numbers.tobytes()), "texts": list(texts), "double": double,
                 "merge": [encode(part) for part in merge]}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        told["bytes"] = base64.b64decode(told["bytes"])
        return told


def encode(data):
    return base64.b64encode(data).decode()


def check(holds, words):
    if not holds:
        raise AssertionError(words)


def numbers(random, size):
    """A stream with ties, huge and tiny numbers, or none of these."""
    law = random.integers(5)
    drawn = [lambda: random.normal(size=size), lambda: random.lognormal(0, 3, size), lambda: random.integers(-9, 9, size),
             lambda: 1.7e9 + random.integers(0, 86_400, size), lambda: random.standard_cauchy(size) * 1e200]
    return drawn[law]().astype(float)


def texts(random, size):
    """Few that come often and many that come once; not only ASCII."""
    drawn = random.zipf(1.3, size) if random.random() < 0.7 else random.integers(0, 50, size)
    return [f"w\u00f6rt {at % 100_000}" for at in drawn]


def kll(ours, random, size, far):
    kind, k = [("kll", 200), ("kll-finer", 400)][random.integers(2)]
    stream, more = numbers(random, size), numbers(random, size // 2)
    double = int(random.integers(3))
    told = ours.ask(kind, stream, double=double)
    theirs = ds.kll_doubles_sketch.deserialize(told["bytes"])
    check((theirs.n, theirs.k) == (len(stream) << double, k) and told["n"] == theirs.n, "n or k")
    check(theirs.serialize() == told["bytes"], "their bytes of our sketch")
    if size == 0:
        return
    check((theirs.get_min_value(), theirs.get_max_value()) == (stream.min(), stream.max()), "extremes")
    # At 0 and 1 we answer the extremes, the package what is left in the sketch.
    check(list(theirs.get_quantiles(RANKS[1:-1], True)) == told["quantiles"][1:-1], "quantiles")
    check((told["quantiles"][0], told["quantiles"][-1]) == (stream.min(), stream.max()), "quantiles at 0 and 1")
    count_far(theirs, stream, far)
    python = ds.kll_doubles_sketch(k)
    python.update(more)
    both = np.concatenate([stream, more])
    merged = ours.ask(kind, stream, merge=[python.serialize()])
    back = ds.kll_doubles_sketch.deserialize(merged["bytes"])
    check(back.n == len(both) and merged["n"] == len(both), "n after our merge")
    check((merged["min"], merged["max"]) == (both.min(), both.max()), "extremes after our merge")
    count_far(back, both, far)
    python.merge(ds.kll_doubles_sketch.deserialize(ours.ask(kind, stream)["bytes"]))
    check(python.n == len(both), "n after their merge")
    check(ours.ask(kind, merge=[python.serialize()])["n"] == len(both), "their merge, read by us")


def count_far(sketch, stream, far):
    """Ranks that are farther from the truth than the package states for one query, 99 % sure."""
    stream = np.sort(stream)
    error = sketch.normalized_rank_error(False)
    points = stream[(np.array(RANKS[1:-1]) * len(stream)).astype(int)]
    true = np.searchsorted(stream, points, side="right") / len(stream)
    estimated = np.array([sketch.get_rank(point, True) for point in points])
    far["queries"] += len(points)
    far["off"] += int((np.abs(true - estimated) > error).sum())


def hll(ours, random, size, _):
    kind, lg_k, stream = [("hll-numbers", 10, numbers(random, size)), ("hll-texts", 12, texts(random, size))][random.integers(2)]
    feed = {"numbers": stream} if kind == "hll-numbers" else {"texts": stream}
    told = ours.ask(kind, **feed)
    theirs = ds.hll_sketch.deserialize(told["bytes"])
    check(theirs.lg_config_k == lg_k, "lg_k")
    same(theirs.get_estimate(), told["estimate"], "estimate")
    python = ds.hll_sketch(lg_k, ds.HLL_4)
    for value in stream:
        python.update(value if isinstance(value, str) else float(value))
    union = ds.hll_union(lg_k)
    # Twice: the estimate of a sketch that was never merged is another, by the order of arrival.
    union.update(python)
    union.update(python)
    alone = union.get_estimate()
    union.update(theirs)
    same(union.get_estimate(), alone, "a union of the same values")
    same(told["estimate"], python.get_estimate(), "the same values")
    merged = ours.ask(kind, merge=[python.serialize_compact()], **feed)
    same(merged["estimate"], alone, "their sketch, merged by us")
    different = len(set(stream))
    check(abs(alone - different) <= 5 * 1.04 / 2 ** (lg_k / 2) * different + 0.5, f"{alone} for {different}")


def same(one, other, words):
    check(abs(one - other) <= 1e-6 * max(abs(one), abs(other)) + 1e-9, f"{words}: {one} and {other}")


def frequent(ours, random, size, _):
    stream, more, double = texts(random, size), texts(random, size // 2), int(random.integers(3))
    told = ours.ask("frequent", texts=stream, double=double)
    theirs = ds.frequent_strings_sketch.deserialize(told["bytes"])
    check(theirs.total_weight == len(stream) << double == told["total"], "weight")
    bounds = {item: (lower, upper) for item, _, lower, upper in theirs.get_frequent_items(ds.NO_FALSE_NEGATIVES)}
    check(bounds == {item: (lower, upper) for item, lower, upper in told["items"]}, "items and bounds")
    true = {}
    for text in stream:
        true[text] = true.get(text, 0) + (1 << double)
    check(all(lower <= true.get(item, 0) <= upper for item, (lower, upper) in bounds.items()), "bounds of the true counts")
    python = ds.frequent_strings_sketch(8)
    for text in more:
        python.update(text)
    merged = ours.ask("frequent", texts=stream, merge=[python.serialize()])
    check(merged["total"] == len(stream) + len(more), "weight after our merge")
    back = ds.frequent_strings_sketch.deserialize(merged["bytes"])
    check(back.total_weight == merged["total"] and back.num_active_items == len(merged["items"]), "our merge, read by them")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--streams", type=int, default=40, help="of each kind")
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    ours, wrong, far = Ours(), 0, {"queries": 0, "off": 0}
    for judge in [kll, hll, frequent]:
        for number in range(options.streams):
            random = np.random.default_rng([options.seed, number])
            size = SIZES[number % len(SIZES)]
            try:
                judge(ours, random, size, far)
            except (AssertionError, RuntimeError, ValueError) as error:
                wrong += 1
                print(f"{judge.__name__}, seed {options.seed}, stream {number} of {size}: {error}")
        print(f"{judge.__name__}: {options.streams} streams")
    share = far["off"] / max(1, far["queries"])
    print(f"{far['off']} of {far['queries']} ranks ({share:.2%}) are off by more than the stated error; 1% may be")
    # Ranks of one sketch hang together, so allow for twice as many.
    sys.exit(wrong > 0 or share > 0.02)


if __name__ == "__main__":
    main()
