#!/usr/bin/env python3
"""Sends a drifted stream to a server that a real Prometheus scrapes, and computes by scipy what the server tells.

    python3 interop/monitoring.py [--seed N]

The churn model is served beside a reference of 4,000 rows. 3,000 rows with other prices and other contracts are
sent over HTTP. Then, from the very rows that were sent:

- chi-square, PSI and the Kolmogorov-Smirnov distance of every column must equal what scipy and numpy make of the
  same rows on the same bins, and the exact distance of the samples must lie within the bounds that are told;
- Prometheus must have the scores, and an alarm where it belongs;
- a server that is killed and started again must know every row of the panes that were closed.

Needs a release build, `prometheus` (Debian's package) and Python 3.11 or later; scipy comes from
models/requirements.txt, as in sklearn_zoo.py. Exits with 1 if anything differs.
"""

import argparse
import contextlib
import csv
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import sklearn_zoo  # makes the environment where there is none  # noqa: F401

import numpy as np
from scipy import stats
from sklearn_zoo import ROOT

TIDEGATE = Path(os.environ.get("TIDEGATE", ROOT / "target/release/tidegate"))
PATIENCE = 60.0
REFERENCE, SENT, BATCH = 4000, 3000, 100
BINS, ROWS_PER_BIN, LEAST = 20, 10.0, 5.0
"""As src/monitor/drift/bins.rs folds cells."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"seed {options.seed}")
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        faults = check(Path(folder), rng)
    print("\n".join(f"FAILED: {fault}" for fault in faults) or "all equal")
    sys.exit(bool(faults))


def check(folder, rng):
    names, reference, sent = table(rng, REFERENCE, drifted=False), None, None
    names, reference = names
    _, sent = table(rng, SENT, drifted=True)
    models = folder / "models"
    shutil.copytree(ROOT / "models/churn/1", models / "churn/1")
    (models / "churn/1/reference.csv").unlink()
    write_csv(models / "churn/1/reference.csv", names, reference)
    profile = folder / "profile.json"
    run = [TIDEGATE, "profile", models / "churn/1/reference.csv", "--out", profile]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    edges = {column["name"]: column for column in json.loads(profile.read_text())["columns"]}
    with contextlib.ExitStack() as stack:
        data, admin, scraper = free_ports(3)
        server = serve(stack, folder, models, data, admin)
        prometheus(stack, folder, admin, scraper)
        send(data, names, sent)
        report = ask(admin, "/api/models/churn/drift?window=5m")
        faults = list(compare(report, names, reference, sent, edges))
        faults += scores(scraper, report)
        wait_for("the pane to be kept", lambda: sampled_by_metrics(admin) == SENT)
        faults += restart(stack, folder, models, server)
    return faults


# --- The rows -------------------------------------------------------------------------------


def table(rng, rows, drifted):
    """Columns as the churn model takes them, and rows of them."""
    charges = np.round(rng.gamma(9.0, 7.0, rows) * (1.25 if drifted else 1.0), 1)
    shares = [0.3, 0.3, 0.4] if drifted else [0.5, 0.3, 0.2]
    columns = {
        "tenure_months": rng.integers(1, 72, rows),
        "monthly_charges": charges,
        "support_calls": rng.poisson(1.4, rows),
        "data_usage_gb": np.where(rng.random(rows) < (0.09 if drifted else 0.03), np.nan, np.round(rng.lognormal(2.5, 1.0, rows), 1)),
        "contract": rng.choice(["month-to-month", "one-year", "two-year"], rows, p=shares),
        "payment_method": rng.choice(["card", "bank-transfer", "cash"], rows),
        "region": rng.choice(["north", "south", "east", "west"], rows),
    }
    return list(columns), [list(row) for row in zip(*(column.tolist() for column in columns.values()))]


def write_csv(path, names, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([["" if is_missing(value) else value for value in row] for row in rows])


def is_missing(value):
    return isinstance(value, float) and math.isnan(value)


# --- What is compared -----------------------------------------------------------------------


def compare(report, names, reference, sent, profiles):
    """The faults of the report's features."""
    if report["window"]["sampled"] != len(sent):
        yield f"{report['window']['sampled']} rows were counted of {len(sent)}"
    for feature in report["features"]:
        at, name, told = names.index(feature["name"]), feature["name"], feature["stats"]
        before, now = [row[at] for row in reference], [row[at] for row in sent]
        missing = [sum(map(is_missing, side)) for side in (before, now)]
        if feature["type"] == "numeric":
            cut = np.array(profiles[name]["edges"])
            sides = [np.array([np.float32(value) for value in side if not is_missing(value)], dtype=float)
                     for side in (before, now)]
            cells = [np.bincount(np.searchsorted(cut, side), minlength=len(cut) + 1) for side in sides]
            shares = [np.cumsum(side)[:-1] / side.sum() for side in cells]
            yield from differ(name, "ks", told["ks"], np.abs(shares[0] - shares[1]).max())
            exact = stats.ks_2samp(*sides).statistic
            if not told["ks"] - 1e-9 <= exact <= told["ks_upper"] + 1e-9:
                yield f"{name}: the exact distance {exact} is not within {told['ks']} and {told['ks_upper']}"
            # Of rows beyond the reference's range only their mean is known, not where they lie.
            yield from differ(name, "w1", told["w1"], stats.wasserstein_distance(*sides) / sides[0].std(), 0.06)
            bins = folded(np.array(cells), missing)
        else:
            values = sorted(set(before))
            bins = np.array([[side.count(value) for value in values] for side in (before, now)])
        bins = np.column_stack([bins, missing]) if any(missing) else bins
        found = stats.chi2_contingency(bins, correction=False)
        yield from differ(name, "chi2", told["chi2"], found.statistic)
        yield from differ(name, "p_chi2", told["p_chi2"], found.pvalue)
        share = bins / bins.sum(axis=1, keepdims=True)
        yield from differ(name, "psi", told["psi"], ((share[0] - share[1]) * np.log(share[0] / share[1])).sum())
        print(f"{name:16} psi {told['psi']:.4f}  chi2 {told['chi2']:9.3f}  ks {told['ks'] or 0:.4f}  {feature['window_status']}")


def folded(cells, missing):
    """Cells joined into bins of equal reference mass, with enough rows in each for a test."""
    rows = cells.sum(axis=1) + missing
    expected = lambda cell: cell.sum() * rows.min() / rows.sum()
    n, m = cells.sum(axis=1)
    wanted = math.floor(min(max(min(n, m) / ROWS_PER_BIN, 1), BINS))
    bins, part, below, last = [], np.zeros(2), 0.0, None
    for cell in cells.T:
        place = min(math.floor((below + cell[0] / 2) / n * wanted), wanted - 1)
        if last is not None and place != last and expected(part) >= LEAST:
            bins.append(part)
            part = np.zeros(2)
        last, below, part = place, below + cell[0], part + cell
    if bins and expected(part) < LEAST:
        bins[-1] = bins[-1] + part
    else:
        bins.append(part)
    return np.array(bins).T


def differ(name, what, told, wanted, tolerance=1e-9):
    if told is None or abs(told - wanted) > tolerance * max(1.0, abs(wanted)):
        yield f"{name}: {what} is told as {told}, and is {wanted}"


def scores(port, report):
    """What Prometheus has, beside what the report says."""
    by_name = {feature["name"]: feature for feature in report["features"]}
    query = 'tidegate_data_drift_score{model="churn",statistic="psi"}'
    found = wait_for("Prometheus to have the scores", lambda: {
        one["metric"]["feature"]: float(one["value"][1]) for one in prometheus_query(port, query)})
    for name in by_name:
        told = by_name[name]["primary"]["effect_corrected"]
        if name not in found or abs(found[name] - told) > 1e-6 + 1e-6 * told:
            yield f"{name}: Prometheus has {found.get(name)}, the report {told}"
    moved = {name for name, feature in by_name.items() if feature["window_status"] not in ("ok", "insufficient")}
    if moved != {"monthly_charges", "contract", "data_usage_gb"}:
        yield f"an alarm was expected for other columns than {sorted(moved)}"


def restart(stack, folder, models, server):
    server.send_signal(signal.SIGKILL)
    server.wait()
    data, admin = free_ports(2)
    serve(stack, folder, models, data, admin)
    window = ask(admin, "/api/models/churn/drift?window=24h")["window"]
    print(f"after a kill and a start: {window['sampled']} rows are known")
    if window["sampled"] != SENT:
        yield f"{window['sampled']} rows are known after a restart, of {SENT}"


# --- Programs and requests ------------------------------------------------------------------


def serve(stack, folder, models, data, admin):
    command = [TIDEGATE, "serve", models, "--listen", f"127.0.0.1:{data}", "--admin-listen", f"127.0.0.1:{admin}"]
    command += ["--state", folder / "state", "--monitor-pane", "1s", "--log", "warn"]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    stack.callback(process.kill)
    wait_for("the server", lambda: ask(admin, "/api/models")["models"] and is_ready(admin))
    return process


def prometheus(stack, folder, admin, port):
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n"
        f"  - job_name: tidegate\n    static_configs: [{{targets: ['127.0.0.1:{admin}']}}]\n")
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    stack.callback(process.kill)
    wait_for("Prometheus", lambda: prometheus_query(port, 'up{job="tidegate"} == 1'))


def prometheus_query(port, query):
    found = ask(port, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
    return found["data"]["result"]


def sampled_by_metrics(port):
    """Rows behind the figures that are published: those of panes that have been closed."""
    return ask(port, "/api/models/churn/drift?window=24h")["window"]["sampled"]


def send(port, names, rows):
    for start in range(0, len(rows), BATCH):
        records = [{name: None if is_missing(value) else value for name, value in zip(names, row)}
                   for row in rows[start:start + BATCH]]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/models/churn/predict", json.dumps(records).encode(),
            {"content-type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            reply.read()


def is_ready(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as reply:
        return reply.status == 200


def ask(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as reply:
        return json.load(reply)


def wait_for(what, found):
    """Asks until something is there; connections that are refused count as nothing yet."""
    until = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError, urllib.error.URLError):
            if result := found():
                return result
        if time.monotonic() > until:
            sys.exit(f"FAILED: waited {PATIENCE:.0f} s for {what}")
        time.sleep(0.1)


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


if __name__ == "__main__":
    main()
