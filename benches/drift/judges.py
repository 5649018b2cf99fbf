"""Who judges: our rule through the example program, Evidently and NannyML through their own packages.

Each takes columns (a name of `rows.py`, the reference, the windows in order) and gives for every column
and window whether it would raise an alarm, and a score that is larger the more it finds.
"""

from __future__ import annotations

import json
import os
import subprocess
import warnings
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from rows import kind  # noqa: E402

warnings.simplefilter("ignore")
ROOT = Path(__file__).resolve().parent.parent.parent


class Ours:
    """The server's sketches, comparison and judge, default rule."""

    name = "Tidegate"

    def judge(self, columns, reference, windows, count=None, rows=None):
        """`windows` may be made as they are asked for, if their count and rows are told."""
        head = {"kinds": [kind(column) for column in columns], "reference": len(reference[0])}
        head |= {"window": rows or len(windows[0][0]), "windows": count or len(windows)}
        program = os.environ.get("DRIFT_ROWS", ROOT / "target" / "release" / "examples" / "drift_rows")
        with subprocess.Popen([program, "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdin.write((json.dumps(head) + "\n").encode())
            process.stdin.writelines(side.astype("<f8").tobytes() for side in reference)
            verdicts = []
            for window in windows:
                process.stdin.writelines(side.astype("<f8").tobytes() for side in window)
                process.stdin.flush()
                verdicts.append(json.loads(process.stdout.readline()))
        alarms = np.array([[status in "nwc" for status in verdict["status"]] for verdict in verdicts])
        self.effects = np.array([verdict["effect"] for verdict in verdicts], float)
        of = lambda name: -np.log10(np.maximum(np.array([verdict[name] for verdict in verdicts], float).T, 1e-300))  # noqa: E731
        #: Scores of plainer rules, from the same counts.
        self.plainer = [of("p_chi2"), of("p_chi2_ks")]
        return alarms.T, of("p")


class Evidently:
    """What `DataDriftPreset` calls for a column when nothing is set: the default test and threshold."""

    name = "Evidently"

    def judge(self, columns, reference, windows):
        from evidently.legacy.calculations.stattests import get_stattest
        from evidently.legacy.core import ColumnType

        alarms = np.zeros((len(columns), len(windows)), bool)
        scores = np.zeros((len(columns), len(windows)))
        for at, column in enumerate(columns):
            type_ = ColumnType.Numerical if kind(column) == "numeric" else ColumnType.Categorical
            before = series(column, reference[at]).replace([-np.inf, np.inf], np.nan).dropna()
            for when, window in enumerate(windows):
                now = series(column, window[at]).replace([-np.inf, np.inf], np.nan).dropna()
                test = get_stattest(before, now, type_, None)
                found = test(before, now, type_, None)
                alarms[at, when] = found.drifted
                is_p = "p_value" in test.display_name
                scores[at, when] = -np.log10(max(found.drift_score, 1e-300)) if is_p else found.drift_score
        return alarms, scores


class NannyML:
    """`UnivariateDriftCalculator`: Jensen-Shannon, mean and three deviations over the reference's chunks."""

    name = "NannyML"

    def judge(self, columns, reference, windows):
        from nannyml import UnivariateDriftCalculator

        names = [f"{at} {column}" for at, column in enumerate(columns)]
        frame = lambda side: pd.DataFrame({name: series(name.split()[1], rows) for name, rows in zip(names, side)})  # noqa: E731
        calculator = UnivariateDriftCalculator(column_names=names, chunk_size=len(windows[0][0]))
        calculator.fit(frame(reference))
        alarms, scores = [], []
        for first in range(0, len(windows), 12):
            some = windows[first : first + 12]
            found = calculator.calculate(frame([np.concatenate([w[at] for w in some]) for at in range(len(names))]))
            told = found.filter(period="analysis").to_df()
            alarms.append(np.array([told[name]["jensen_shannon"]["alert"] for name in names], bool))
            scores.append(np.array([told[name]["jensen_shannon"]["value"] for name in names], float))
        return np.concatenate(alarms, 1), np.concatenate(scores, 1)


def series(column: str, rows: np.ndarray) -> pd.Series:
    """Categories are text, as in a table that people have."""
    return pd.Series(rows) if kind(column) == "numeric" else pd.Series(rows.astype(int).astype(str), dtype=object)


ALL = (Ours, Evidently, NannyML)
