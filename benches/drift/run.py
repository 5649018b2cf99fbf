#!/usr/bin/env python3
"""False alarms, power and delay of the drift rule beside Evidently and NannyML, on the same rows.

    python3 benches/drift/run.py             # six minutes of processor time; writes docs/drift.md
    python3 benches/drift/run.py --quick     # a minute or two; prints only

It makes a virtual environment under target/drift with both packages from PyPI, and builds
`examples/drift_rows.rs`, which counts, compares and judges with the server's own code. All three judge
with their defaults. NannyML's chunks are the windows. Seeds are fixed, so a run can be repeated.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import itertools
import multiprocessing
import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLACE = ROOT / "target" / "drift"
DOCUMENT = ROOT / "docs" / "drift.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

WEEK = 7 * 24
GRID = [(n, m) for n in (500, 2000, 10000) for m in (200, 500, 2000)]
SETUPS = [(10000, 500), (10000, 1000), (2000, 2000)]
#: Columns that change, of 200; windows before and after; the share of false alarms at which scores are compared.
CHANGED, BEFORE, AFTER, MATCHED = 10, 3, 12, 0.005


def home() -> None:
    """Goes on in the virtual environment, which is made on the first run."""
    python = PLACE / "venv" / "bin" / "python"
    if sys.prefix == str(PLACE / "venv"):
        return
    if not python.exists():
        venv.create(PLACE / "venv", with_pip=True)
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        subprocess.run(install, check=True)
    if "DRIFT_ROWS" not in os.environ:
        subprocess.run(["cargo", "build", "--quiet", "--release", "--example", "drift_rows"], cwd=ROOT, check=True)
    os.execv(python, [python, __file__, *sys.argv[1:]])


def quiet(job):
    """Alarms of each judge over windows in which nothing has changed."""
    (n, m), hours, seed = job
    rng, columns = np.random.default_rng(seed), table()
    reference = [DRAW[column](rng, n) for column in columns]
    windows = [[DRAW[column](rng, m) for column in columns] for _ in range(hours)]
    counts = [int(Judge().judge(columns, reference, windows)[0].sum()) for Judge in ALL]
    return (n, m), counts


def long(job):
    """Our alarms over a whole week, for the others would take an hour."""
    (n, m), hours, seed = job
    rng, columns = np.random.default_rng(seed), table()
    reference = [DRAW[column](rng, n) for column in columns]
    windows = ([DRAW[column](rng, m) for column in columns] for _ in range(hours))
    return (n, m), int(Ours().judge(columns, reference, windows, hours, m)[0].sum())


def thresholds(job):
    """What scores exceed in a share MATCHED of windows without a change: ours in two of three, then each in one."""
    (n, m), column, draws, seed = job
    rng, columns = np.random.default_rng(seed), [column] * 200
    reference = [DRAW[column](rng, n) for column in columns]
    windows = [[DRAW[column](rng, m) for column in columns] for _ in range(draws // 200)]
    ours = Ours()
    scores = [ours.judge(columns, reference, windows)[1]]
    scores += [Judge().judge(columns, reference, windows)[1] for Judge in ALL[1:]]
    return ((n, m), column), [np.quantile(of, 1 - MATCHED) for of in compared(scores, ours.plainer)]


def compared(scores, plainer):
    """Ours in two of three windows, in one, by plainer rules; then the others."""
    return lasting(scores[0]), scores[0], *plainer, *scores[1:]


def lasting(scores):
    """The second largest of three windows in a row: what persistence asks of."""
    three = np.stack([scores[:, :-2], scores[:, 1:-1], scores[:, 2:]])
    return np.sort(three, 0)[1]


def changed(job):
    """Alarms and scores of the changed columns, for each judge; and the effect that we see."""
    (n, m), shift, seed = job
    rng, (column, after) = np.random.default_rng(seed), SHIFTS[shift]
    columns = [column] * CHANGED + ["normal"] * (200 - CHANGED)
    reference = [DRAW[name](rng, n) for name in columns]
    draw = lambda when, at: after if when >= BEFORE and at < CHANGED else DRAW[columns[at]]  # noqa: E731
    windows = [[draw(when, at)(rng, m) for at in range(200)] for when in range(BEFORE + AFTER)]
    ours = Ours()
    found = [ours.judge(columns, reference, windows)]
    effect = float(ours.effects[BEFORE:, :CHANGED].mean())
    few = [window[:CHANGED] for window in windows]
    found += [Judge().judge(columns[:CHANGED], reference[:CHANGED], few) for Judge in ALL[1:]]
    cut = lambda of: of[:CHANGED, BEFORE:]  # noqa: E731
    parts = [(cut(alarms), cut(scores)) for alarms, scores in found]
    return (n, m), shift, effect, parts, [cut(of) for of in ours.plainer]


def alarms_table(quiets, longs, hours) -> list[str]:
    scale = WEEK / hours
    lines = [
        "| reference rows | rows a window | Tidegate | Tidegate, whole week | Evidently | NannyML |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for ((n, m), counts), (_, week) in zip(quiets, longs):
        ours, evidently, nannyml = (f"{count * scale:.0f}" for count in counts)
        lines.append(f"| {n} | {m} | {ours} | {week} | {evidently} | {nannyml} |")
    sums = [sum(counts[at] for _, counts in quiets) for at in range(3)]
    total = sum(week for _, week in longs)
    ours, evidently, nannyml = (f"{count * scale:.0f}" for count in sums)
    lines.append(f"| **total** | | **{ours}** | **{total}** | **{evidently}** | **{nannyml}** |")
    times = lambda theirs: f"{theirs * scale / max(total, 1):.0f}"  # noqa: E731
    least = "at least " if total == 0 else ""
    lines += ["", f"Alarms without a change, theirs over ours (whole week): Evidently {least}{times(sums[1])}, NannyML {least}{times(sums[2])}."]
    return lines


def power_table(found) -> list[str]:
    lines = [
        "| reference, window | change | corrected PSI | Tidegate | Evidently | NannyML |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for (n, m), shift, effect, parts, _ in found:
        cells = []
        for alarms, _ in parts:
            delays = [int(row.argmax()) + 1 if row.any() else None for row in alarms]
            known = sorted(AFTER + 1 if delay is None else delay for delay in delays)
            middle = known[(len(known) - 1) // 2]
            cells.append(f"{alarms.mean():.2f}, {'never' if middle > AFTER else middle}")
        lines.append(f"| {n}, {m} | {shift} | {effect:.3f} | " + " | ".join(cells) + " |")
    return lines


def matched_table(found, limits) -> list[str]:
    lines = [
        "| reference, window | change | corrected PSI | Tidegate, 2 of 3 windows | Tidegate, 1 window | chi-square | chi-square and KS | Evidently | NannyML |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    behind = [], []
    for (n, m), shift, effect, parts, plainer in found:
        limit, scores = limits[(n, m), SHIFTS[shift][0]], [scores for _, scores in parts]
        power = [float((of > least).mean()) for of, least in zip(compared(scores, plainer), limit)]
        lines.append(f"| {n}, {m} | {shift} | {effect:.3f} | " + " | ".join(f"{share:.2f}" for share in power) + " |")
        for own, losses in zip(power, behind):
            if max(power[-2:]) > own + 0.01:
                losses.append(f"{shift} at {n}, {m} ({own:.2f} against {max(power[-2:]):.2f})")
    told = ["; ".join(losses) if losses else "nowhere" for losses in behind]
    lines += ["", f"Where another finds over 0.01 more than ours in two of three: {told[0]}.", f"In single windows: {told[1]}."]
    return lines


def gather(pool, work, jobs):
    """The results of all jobs in their order; says how far it is."""
    results = []
    for result in pool.imap(work, jobs):
        results.append(result)
        print(f"{work.__name__}: {len(results)} of {len(jobs)}", file=sys.stderr, flush=True)
    return results


def main() -> None:
    home()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small part, printed only")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one per core)")
    arguments = parser.parse_args()
    grid, setups = (GRID[:2], SETUPS[:1]) if arguments.quick else (GRID, SETUPS)
    hours, week, draws = (4, 24, 1000) if arguments.quick else (24, WEEK, 4000)
    with multiprocessing.get_context("fork").Pool(arguments.jobs) as pool:
        everything = functools.partial(gather, pool)
        quiets = everything(quiet, [(at, hours, 1000 + index) for index, at in enumerate(grid)])
        longs = everything(long, [(at, week, 2000 + index) for index, at in enumerate(grid)])
        columns = sorted({column for column, _ in SHIFTS.values()})
        jobs = [(at, column, draws, 3000 + index) for index, (at, column) in enumerate(itertools.product(setups, columns))]
        limits = dict(everything(thresholds, jobs))
        jobs = [(at, shift, 4000 + index) for index, (at, shift) in enumerate(itertools.product(setups, SHIFTS))]
        found = everything(changed, jobs)
    today = datetime.date.today().isoformat()
    command = "python3 benches/drift/run.py" + (" --quick" if arguments.quick else "")
    text = [f"Measured {today} with `{command}`; evidently 0.7.23, nannyml 0.13.1.", ""]
    text += ["### False alarms", "", f"Alarms per model-week where nothing changes: 200 columns, hourly windows; {hours} hours each", "on the same rows, as a week; and a whole week of our own.", ""]
    text += [*alarms_table(quiets, longs, hours), "", "### Power and delay, each with its defaults", ""]
    text += [f"{CHANGED} of 200 columns change. The share of column-windows in alarm over the {AFTER} windows after the change, and the", "median number of windows to the first.", ""]
    text += [*power_table(found), "", "### Power at a matched rate of false alarms", ""]
    text += [f"Every score has the threshold that it exceeds in {MATCHED:.1%} of column-windows without a change, found on {draws} of them.", "The share of windows found after the change, without a floor. Ours stands twice: as the rule takes it, in two of the", "last three windows, and in single windows as the others take theirs. Chi-square, and chi-square with Kolmogorov-Smirnov at", "half the level each, are the plainer rules from the same counts, in single windows.", ""]
    text += matched_table(found, limits)
    print("\n".join(text))
    if not arguments.quick:
        before, rest = DOCUMENT.read_text().split(BEGIN)
        DOCUMENT.write_text("\n".join([before + BEGIN, *text, END + rest.split(END)[1]]))


if __name__ == "__main__":
    if sys.prefix == str(PLACE / "venv"):
        sys.path.insert(0, str(HERE))
        sys.dont_write_bytecode = True
        import numpy as np
        from judges import ALL, Ours
        from rows import DRAW, SHIFTS, table
    main()
