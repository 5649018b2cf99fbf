#!/usr/bin/env python3
"""Customers for the churn model, as it was trained on or as they have become; Python 3 alone is needed.

    python3 examples/drift.py table 10000 > train.csv
    python3 examples/drift.py send 5000 --shifted --url http://127.0.0.1:8080

`--shifted` changes three things: charges are 15 % higher, one customer in ten pays by a wallet that
the model has never heard of, and the usage of data is missing for three in ten instead of one in eight.
"""

import argparse
import csv
import json
import math
import random
import sys
import urllib.request

CATEGORIES = {
    "contract": (["month-to-month", "one-year", "two-year"], [55, 25, 20]),
    "payment_method": (["bank-transfer", "card", "check", "direct-debit"], [20, 40, 15, 25]),
    "region": (["east", "north", "south", "west"], [30, 20, 25, 25]),
}
MISSING = {"monthly_charges": 0.03, "support_calls": 0.06, "data_usage_gb": 0.12}
BATCH = 100


def poisson(rng, mean):
    """Knuth's method: fine for a small mean."""
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def customer(rng, shifted):
    row = {
        "tenure_months": int(min(max(rng.gammavariate(1.6, 18.0), 1), 120)),
        "monthly_charges": round(rng.uniform(15, 120) * (1.15 if shifted else 1), 1),
        "support_calls": poisson(rng, 1.5),
        "data_usage_gb": round(rng.lognormvariate(2.3, 0.8), 1),
    }
    for name, (values, weights) in CATEGORIES.items():
        row[name] = rng.choices(values, weights)[0]
    if shifted and rng.random() < 0.1:
        row["payment_method"] = "wallet"
    for name, share in MISSING.items():
        if shifted and name == "data_usage_gb":
            share = 0.3
        if rng.random() < share:
            row[name] = None
    return row


def send(url, rows):
    body = json.dumps({"features": rows}).encode()
    request = urllib.request.Request(f"{url}/models/churn/predict", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        reply.read()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["table", "send"])
    parser.add_argument("rows", type=int)
    parser.add_argument("--shifted", action="store_true")
    parser.add_argument("--seed", type=int, help="default: 1 for a table, 2 to send")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    given = parser.parse_args()
    rng = random.Random(given.seed if given.seed is not None else 1 if given.what == "table" else 2)
    rows = [customer(rng, given.shifted) for _ in range(given.rows)]
    if given.what == "table":
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return
    for start in range(0, len(rows), BATCH):
        send(given.url, rows[start : start + BATCH])
    print(f"{len(rows)} rows sent")


if __name__ == "__main__":
    main()
