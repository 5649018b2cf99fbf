#!/usr/bin/env python3
"""Holds the statistics of drift against scipy, and the detectors against river, on random columns.

    python3 interop/drift_oracles.py                 3000 pairs of columns, 4000 calls of functions, 150 streams
    python3 interop/drift_oracles.py --pairs 20000 --seed 7
    python3 interop/drift_oracles.py --stream        write river's documented stream beside its test

Pairs have ties, constants, single rows, only missing values, infinities and huge values among them. What
`examples/drift_rows.rs` prints is computed again from the rows: distances and chi-square by scipy on the
same bins, Kolmogorov-Smirnov and Wasserstein on the rows themselves, within the bounds that bins allow.

Needs Python 3.11 or later and cargo; scipy and river are installed into target/interop/drift.
Exits with 1 at the first difference, with its pair.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "target" / "interop" / "drift"
STREAM = ROOT / "src" / "monitor" / "drift" / "stream" / "river_stream.txt"
PACKAGES = ["scipy==1.17.1", "numpy==2.4.6", "river==0.26.1"]
EXACT = 1e-9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stream", action="store_true", help="write the stream and end")
    arguments = parser.parse_args()
    if arguments.stream:
        return write_stream()
    home()
    print(f"seed {arguments.seed}")
    pairs(arguments.pairs, np.random.default_rng(arguments.seed))
    functions(np.random.default_rng(arguments.seed))
    streams(np.random.default_rng(arguments.seed))


def home():
    """Goes on in the virtual environment, which is made on the first run."""
    global np, stats, jensenshannon
    python = PLACE / "bin" / "python"
    if sys.prefix != str(PLACE):
        if not python.exists():
            venv.create(PLACE, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES], check=True)
        if "DRIFT_ROWS" not in os.environ:
            subprocess.run(["cargo", "build", "--quiet", "--example", "drift_rows"], cwd=ROOT, check=True)
        os.execv(python, [python, __file__, *sys.argv[1:]])
    import numpy as np
    from scipy import stats

    # scipy divides by 0 and takes the limit.
    np.seterr(all="ignore")
    from scipy.spatial.distance import jensenshannon


def write_stream():
    generator = random.Random(12345)
    values = generator.choices([0, 1], k=1000) + generator.choices(range(4, 8), k=1000)
    digits = "".join(map(str, values))
    STREAM.write_text("".join(digits[at : at + 100] + "\n" for at in range(0, len(digits), 100)))


def ask(mode, questions):
    """One answer for each question."""
    program = os.environ.get("DRIFT_ROWS", ROOT / "target" / "debug" / "examples" / "drift_rows")
    text = "".join(json.dumps(question) + "\n" for question in questions)
    done = subprocess.run([program, mode], input=text, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(questions), f"{len(answers)} answers to {len(questions)} questions"
    return answers


def close(got, wanted, what, within=EXACT, size=1e-12):
    """The difference is at most `within` of the wanted number, or of `size` if that is larger."""
    got, wanted = (math.nan if x is None else float(x) for x in (got, wanted))
    alike = (math.isnan(got) and math.isnan(wanted)) or got == wanted or abs(got - wanted) <= within * max(abs(wanted), size)
    # Far out in a tail only the size of a probability matters.
    assert alike or max(abs(got), abs(wanted)) < 1e-250, f"{what}: {got!r}, expected {wanted!r}"


# --- pairs of columns


def pairs(count, rng):
    asked = [pair(rng) for _ in range(count)]
    said = ask("pairs", [{"kind": kind, "reference": plain(r), "current": plain(c)} for kind, r, c in asked])
    none = 0
    for (kind, reference, current), answer in zip(asked, said):
        try:
            if answer["compared"] is None:
                none += 1
                assert len(reference) == 0 or len(current) == 0, "rows on both sides, and no comparison"
            elif kind == "numeric":
                numeric(reference, current, answer)
            else:
                categorical(reference, current, answer["compared"])
        except AssertionError as error:
            sys.exit(f"FAILED: {error}\n{kind}\nreference {plain(reference)}\ncurrent {plain(current)}\n{answer}")
    print(f"{count} pairs of columns agree with scipy ({none} had a side without rows)")


def plain(rows):
    """As text, which is read to the last bit; null where there is no value."""
    return [None if math.isnan(x) else repr(x) for x in rows.tolist()]


def pair(rng):
    sizes = [int(rng.choice([0, 1, 2, 7, 60, 300, 1500, 4000], p=[0.01, 0.04, 0.05, 0.1, 0.2, 0.3, 0.2, 0.1])) for _ in "rc"]
    if rng.random() < 0.35:
        values = int(rng.integers(1, 60))
        shares = [rng.dirichlet(np.full(values, rng.choice([0.1, 1.0, 20.0]))) for _ in "rc"]
        if rng.random() < 0.5:
            shares[1] = shares[0]
        sides = [rng.choice(values, n, p=p).astype(float) for n, p in zip(sizes, shares)]
        return "categorical", *(with_holes(rng, side, infinite=False) for side in sides)
    draw = [
        lambda n: rng.standard_normal(n) + rng.choice([0, 0.1, 1.0]),
        lambda n: rng.lognormal(0, 1.5, n),
        lambda n: rng.standard_cauchy(n),
        lambda n: np.round(rng.standard_normal(n), 1),
        lambda n: rng.poisson(3, n).astype(float),
        lambda n: np.full(n, rng.choice([0.0, 1.0, -7.5])),
        lambda n: rng.random(n) * 1e12,
        lambda n: np.where(rng.random(n) < 0.3, 0.0, rng.standard_normal(n)),
    ]
    first = int(rng.integers(len(draw)))
    second = first if rng.random() < 0.7 else int(rng.integers(len(draw)))
    return "numeric", *(with_holes(rng, draw[at](n), infinite=True) for at, n in zip((first, second), sizes))


def with_holes(rng, rows, infinite):
    share = rng.choice([0, 0, 0.02, 0.4, 1.0], p=[0.4, 0.2, 0.2, 0.15, 0.05])
    rows = np.where(rng.random(len(rows)) < share, np.nan, rows)
    if infinite and rng.random() < 0.1:
        rows = np.where(rng.random(len(rows)) < 0.05, rng.choice([np.inf, -np.inf]), rows)
    return rows


def numeric(reference, current, answer):
    found, edges = answer["compared"], np.array(answer["edges"])
    assert len(reference) and len(current), "a comparison without rows"
    r, c = (rows[~np.isnan(rows)] for rows in (reference, current))
    cells = [np.bincount(np.searchsorted(edges, rows), minlength=len(edges) + 1) for rows in (r, c)]
    missing = np.array([len(reference) - len(r), len(current) - len(c)])
    rows = np.array([len(reference), len(current)])
    assert found["ends"] == sorted(set(found["ends"])) and found["ends"][-1] == len(edges), "bins that do not hold all cells"
    starts = [0, *(end + 1 for end in found["ends"][:-1])]
    bins = np.array([np.add.reduceat(side, starts) for side in cells]).T
    assert len(bins) <= 20 and (len(bins) == 1 or expected(bins, rows).min() >= 5), f"bins are too many or too small: {bins}"
    distances(found, np.vstack([bins, missing]))
    table(found, np.vstack([bins, missing]), rows)
    parts = [(found["p_chi2"], 1)]
    if len(r) and len(c):
        ordered(found, cells, r, c)
        parts.append((found["p_ks"], 1))
        parts += scores(found, edges, r, c)
        parts += tails(found, cells)
        wasserstein(found, edges, cells, r, c)
    else:
        assert found["ks"] is None and found["location"] is None and found["w1"] is None, "an order without values"
    parts += proportions(found, "p_missing", missing, rows)
    together(found, parts)


def categorical(reference, current, found):
    r, c = (rows[~np.isnan(rows)].astype(int) for rows in (reference, current))
    known = int(r.max()) + 1 if len(r) else 0
    cells = np.array([np.bincount(np.minimum(side, known), minlength=known + 1) for side in (r, c)]).T
    missing, rows = np.array([len(reference) - len(r), len(current) - len(c)]), np.array([len(reference), len(current)])
    many = expected(cells, rows) >= 5
    rare = cells[~many].sum(0)
    distances(found, np.vstack([cells, missing]), psi=np.vstack([cells[many], rare, missing]))
    table(found, np.vstack([cells[many], rare, missing]), rows)
    parts = [(found["p_chi2"], 2), *proportions(found, "p_rare", rare, rows), *proportions(found, "p_missing", missing, rows)]
    together(found, parts)


def expected(cells, rows):
    return cells.sum(-1) * rows.min() / rows.sum()


def distances(found, cells, psi=None):
    cells = cells[cells.sum(1) > 0]
    p, q = (side / side.sum() for side in cells.T)
    # Near 0 a divergence is a difference of rounding errors, and scipy's may fall below it.
    close(found["js"] ** 2, np.nan_to_num(jensenshannon(p, q)) ** 2, "JS", size=1e-6)
    close(found["hellinger"], np.linalg.norm(np.sqrt(p) - np.sqrt(q)) / 2**0.5, "Hellinger", size=1e-6)
    close(found["tvd"], np.abs(p - q).sum() / 2, "TVD", size=1e-6)
    close(found["linf"], np.abs(p - q).max(), "L infinity", size=1e-6)
    cells = cells if psi is None else psi[psi.sum(1) > 0]
    n, m = cells.sum(0)
    p, q = (side if side.min() > 0 else side + 0.5 for side in cells.T.astype(float))
    p, q = p / p.sum(), q / q.sum()
    wanted = stats.entropy(p, q) + stats.entropy(q, p)
    close(found["psi"], wanted, "PSI", size=1e-6)
    assert found["bins"] == len(cells), f"{found['bins']} bins, expected {len(cells)}"
    close(found["psi_corrected"], max(0, wanted - (len(cells) - 1) * (1 / n + 1 / m)), "corrected PSI", size=1e-5)


def table(found, bins, rows):
    bins = bins[(bins.sum(1) > 0) & (expected(bins, rows) >= 5)]
    if len(bins) < 2 or (bins.sum(0) == 0).any():
        return close(found["p_chi2"], 1, "p of chi-square without a table")
    wanted = stats.chi2_contingency(bins, correction=False)
    close(found["chi2"], wanted.statistic, "chi-square", size=1e-3)
    assert found["df"] == wanted.dof, f"{found['df']} degrees of freedom, expected {wanted.dof}"
    close(found["p_chi2"], wanted.pvalue, "p of chi-square", 1e-8)


def ordered(found, cells, r, c):
    below = [np.cumsum(side) / side.sum() for side in cells]
    largest = max((side / side.sum()).max() for side in cells)
    exact = stats.ks_2samp(r, c, method="asymp").statistic
    assert found["ks"] <= exact + 1e-12, f"KS {found['ks']} above that of the rows, {exact}"
    assert exact <= found["ks_upper"] + 1e-12, f"KS of the rows {exact} above the bound {found['ks_upper']}"
    close(found["ks"], np.abs(below[0] - below[1]).max(), "KS", size=1e-6)
    close(found["ks_upper"], min(1, found["ks"] + largest), "bound of KS")
    close(found["p_ks"], stats.kstwobign.sf(found["ks"] * (len(r) * len(c) / (len(r) + len(c))) ** 0.5), "p of KS", 1e-8)


def scores(found, edges, r, c):
    """Normal scores of every row's mid-rank, rows of a cell tied."""
    n, m = len(r), len(c)
    all_ = np.searchsorted(edges, np.concatenate([r, c]))
    if n + m <= 3 or len(np.unique(all_)) < 2:
        assert found["location"] is None, "scores of one value"
        return []
    score = stats.norm.ppf((stats.rankdata(all_) - 0.5) / (n + m))
    parts = []
    for name, of, weight in (("location", score, 3), ("spread", score**2, 1)):
        off = of - of.mean()
        variance = n * m / ((n + m) * (n + m - 1)) * (off**2).sum()
        if variance <= 1e-9 * min(n, m):
            parts.append((2 * stats.norm.sf(abs(found[name])), weight))
            continue
        skewness = n * m * (n - m) / ((n + m) * (n + m - 1) * (n + m - 2)) * (off**3).sum() / variance**1.5
        z = off[n:].sum() / variance**0.5
        z = 3 / skewness if z * skewness > 3 else z
        close(found[name], z - skewness * (z * z - 1) / 6, name, 1e-7, size=1)
        parts.append((2 * stats.norm.sf(abs(found[name])), weight))
    return parts


def tails(found, cells):
    rows = np.array([side.sum() for side in cells])
    p = [share(np.array([side[at] for side in cells]), rows) for at in (0, -1)]
    p = [above for above, _ in filter(None, p)]
    close(found["p_tails"], min(1, 2 * min(p)) if p else None, "p of the tails", 1e-8)
    return [(found["p_tails"], 1)] if p else []


def share(hits, rows):
    """P of so many hits on the current side or more, and of so many or fewer."""
    (r, c), (n, m), all_ = hits, rows, hits.sum()
    if all_ == 0 or all_ == n + m:
        return None
    if min(all_, n + m - all_) * min(n, m) / (n + m) >= 20:
        pooled = all_ / (n + m)
        z = (c / m - r / n) / (pooled * (1 - pooled) * (1 / n + 1 / m)) ** 0.5
        return stats.norm.sf(z), stats.norm.cdf(z)
    if all_ > (n + m) / 2:
        above, below = exact(m - c, n + m - all_, m / (n + m))
        return below, above
    return exact(c, all_, m / (n + m))


def exact(hits, all_, chance):
    return stats.binom.sf(hits - 1, all_, chance), stats.binom.cdf(hits, all_, chance)


def proportions(found, name, hits, rows):
    both = share(hits, rows)
    if both is None:
        assert found[name] is None, f"{name} of none or all"
        return []
    close(found[name], min(1, 2 * min(both)), name, 1e-7)
    return [(found[name], 1)]


def wasserstein(found, edges, cells, r, c):
    finite = [side[np.isfinite(side)] for side in (r, c)]
    if any(len(side) == 0 for side in finite) or finite[0].std() == 0:
        return None
    std, (low, high) = finite[0].std(), (finite[0].min(), finite[0].max())
    close(found["mean_shift"], (finite[1].mean() - finite[0].mean()) / std, "shift of the mean", 1e-7, size=1)
    if sum(map(len, finite)) < len(r) + len(c):
        return None
    wanted = stats.wasserstein_distance(*finite)
    # The largest share of a cell times its width, over all cells up to the extremes of either side.
    borders = np.concatenate([[min(low, finite[1].min(), edges[0])], edges, [max(high, finite[1].max(), edges[-1])]])
    bound = sum(max(a, b) * w for a, b, w in zip(cells[0] / len(r), cells[1] / len(c), np.diff(borders)))
    off = abs(found["w1"] * std - wanted)
    assert off <= bound * (1 + 1e-9), f"Wasserstein {found['w1'] * std}, of the rows {wanted}, bound of the error {bound}"


def together(found, parts):
    parts = [(p, weight) for p, weight in parts if p is not None]
    total = sum(weight for _, weight in parts)
    close(found["p"], min(1, min(p * total / weight for p, weight in parts)), "p of all tests", 1e-7)


# --- functions and streams


def functions(rng):
    calls = []
    for _ in range(1000):
        lam, df = rng.exponential(1), float(rng.integers(1, 256))
        calls.append(("kolmogorov_sf", [lam], stats.kstwobign.sf(lam)))
        x = df * rng.lognormal(0, 0.7)
        calls.append(("chi2_sf", [x, df], stats.chi2.sf(x, df)))
        z = rng.normal(0, 8)
        calls.append(("normal_sf", [z], stats.norm.sf(z)))
        p = rng.random() ** rng.integers(1, 30)
        calls.append(("normal_quantile", [p], stats.norm.ppf(p)))
        n, p = int(rng.integers(1, 400)), float(rng.random())
        x = int(rng.binomial(n, min(1, p * rng.lognormal(0, 0.3))))
        calls.append(("binomial_at_least", [x, n, p], stats.binom.sf(x - 1, n, p)))
    for _ in range(100):
        p = rng.random(int(rng.integers(1, 50))) ** 3
        calls.append(("benjamini_hochberg", p.tolist(), stats.false_discovery_control(p)))
        calls.append(("benjamini_yekutieli", p.tolist(), stats.false_discovery_control(p, method="by")))
    answers = ask("values", [{"name": name, "numbers": [repr(float(x)) for x in numbers]} for name, numbers, _ in calls])
    for (name, numbers, wanted), answer in zip(calls, answers):
        for got, want in zip(answer, np.atleast_1d(wanted), strict=True):
            close(got, want, f"{name} of {numbers}", 1e-10)
    print(f"{len(calls)} calls of functions agree with scipy")


def streams(rng):
    from river import drift

    calls = []
    for _ in range(150):
        parts = [part(rng) for _ in range(int(rng.integers(1, 4)))]
        calls.append(np.concatenate(parts).tolist())
    for name, make in (("adwin", drift.ADWIN), ("page_hinkley", drift.PageHinkley)):
        answers = ask("values", [{"name": name, "numbers": stream} for stream in calls])
        total = 0
        for stream, answer in zip(calls, answers):
            detector, wanted = make(), []
            for at, x in enumerate(stream):
                detector.update(x)
                if detector.drift_detected:
                    wanted.append(at)
            assert answer == wanted, f"{name} finds changes at {answer}, river at {wanted}"
            total += len(wanted)
        print(f"{name}: {total} changes in {len(calls)} streams, all where river finds them")


def part(rng):
    n = int(rng.integers(50, 1500))
    mean = rng.choice([0.0, 0.1, 0.3, 0.5, 2.0, 5.0])
    return (rng.random(n) < mean).astype(float) if mean < 1 else rng.normal(mean, 1, n)


if __name__ == "__main__":
    main()
