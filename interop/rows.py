"""Rows that a tree walk is likely to get wrong."""

import numpy as np


def awkward(random, values, thresholds, categorical, largest, count=60, kind=np.float32):
    """Rows of the training data with single values replaced: by thresholds and their neighbours, by
    categories that were never seen, by missing values, zeros and the ends of the range.

    `thresholds` gives numbers by column, `largest` the largest number that the library takes, `kind` the type
    of the rows, whose neighbours stand next to a threshold.
    """
    rows = values[random.integers(0, len(values), count)].astype(kind)
    for row in rows:
        for column in range(rows.shape[1]):
            draw = random.random()
            if column in categorical:
                if draw < 0.3:
                    row[column] = random.choice([-1, -0.5, 0.5, 1.9, 31, 32, 63, 64, 1000, 16777215, 16777216, 3e9, np.nan])
            elif draw < 0.35 and thresholds.get(column):
                exact = kind(np.clip(random.choice(thresholds[column]), -3e38, 3e38))
                row[column] = random.choice([exact, np.nextafter(exact, kind(np.inf)), np.nextafter(exact, kind(-np.inf))])
            elif draw < 0.5:
                row[column] = random.choice([0.0, -0.0, 1e-36, -1e-36, 1e-40, np.nan, np.nan, largest, -largest])
    return rows
