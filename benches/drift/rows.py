"""The rows of the bench: columns as tables have them, and what may happen to them.

A column is named by what it holds; `draw` gives any number of its rows from a generator. Categories are
whole numbers, missing values NaN.
"""

from __future__ import annotations

import numpy as np

SIX = np.array([0.3, 0.25, 0.2, 0.12, 0.08, 0.05])


def zipf(values: int) -> np.ndarray:
    shares = 1 / np.arange(1, values + 1)
    return shares / shares.sum()


def codes(shares: np.ndarray):
    return lambda rng, rows: rng.choice(len(shares), rows, p=shares).astype(float)


def holed(rng, rows):
    x = rng.standard_normal(rows)
    x[rng.random(rows) < 0.02] = np.nan
    return x


NUMERIC = {
    "normal": lambda rng, rows: rng.standard_normal(rows),
    "lognormal": lambda rng, rows: rng.lognormal(0, 1, rows),
    "t3": lambda rng, rows: rng.standard_t(3, rows),
    "uniform": lambda rng, rows: rng.random(rows),
    "count": lambda rng, rows: rng.poisson(3, rows).astype(float),
    "holed": holed,
}
CATEGORICAL = {
    "binary": codes(np.array([0.7, 0.3])),
    "six": codes(SIX),
    "twenty": codes(zipf(20)),
    "hundred": codes(zipf(100)),
}
DRAW = NUMERIC | CATEGORICAL

#: How many columns of each make a table of 200.
TABLE = {"normal": 60, "lognormal": 30, "t3": 20, "uniform": 20, "count": 20, "holed": 10}
TABLE |= {"binary": 10, "six": 10, "twenty": 10, "hundred": 10}


def kind(column: str) -> str:
    return "numeric" if column in NUMERIC else "categorical"


def table() -> list[str]:
    return [column for column, count in TABLE.items() for _ in range(count)]


def moved(share: float, low: int, high: int):
    shares = SIX.copy()
    shares[low] -= share
    shares[high] += share
    return codes(shares)


def new_category(rng, rows):
    x = codes(SIX)(rng, rows)
    x[rng.random(rows) < 0.02] = len(SIX)
    return x


def one_percent_null(rng, rows):
    x = rng.standard_normal(rows)
    x[rng.random(rows) < 0.01] = np.nan
    return x


#: What happens: the column that it happens to, and its rows from then on.
SHIFTS = {
    "mean + 0.1 sigma": ("normal", lambda rng, rows: rng.standard_normal(rows) + 0.1),
    "mean + 0.2 sigma": ("normal", lambda rng, rows: rng.standard_normal(rows) + 0.2),
    "mean + 0.3 sigma": ("normal", lambda rng, rows: rng.standard_normal(rows) + 0.3),
    "mean + 0.5 sigma": ("normal", lambda rng, rows: rng.standard_normal(rows) + 0.5),
    "variance x 1.25": ("normal", lambda rng, rows: rng.standard_normal(rows) * 1.25**0.5),
    "variance x 1.5": ("normal", lambda rng, rows: rng.standard_normal(rows) * 1.5**0.5),
    "5 % of rows at + 3 sigma": ("normal", lambda rng, rows: rng.standard_normal(rows) + 3 * (rng.random(rows) < 0.05)),
    "2 % from one category to another": ("six", moved(0.02, 3, 4)),
    "2 % in a new category": ("six", new_category),
    "1 % missing": ("normal", one_percent_null),
}
