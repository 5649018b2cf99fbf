#!/usr/bin/env python3
"""Puts the real server into trouble, counts every answer, and prints a table of what was promised and seen.

Each row starts the binary on free ports of 127.0.0.1 with model directories of its own, does one
bad thing to it under load, and checks every answer against the golden cases. Rows run one after
another, and each is bounded in time. The exit code is 1 if any row fails.

    python3 loadtest/chaos.py                     # everything, below 15 minutes
    python3 loadtest/chaos.py --quick             # the same rows, shorter: below 3 minutes
    python3 loadtest/chaos.py --only sigterm      # one row (may be given several times)

Needs Linux and Python 3.9, nothing else. docs/reliability.md says what the rows mean.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from datetime import datetime, timezone
from pathlib import Path

sys.dont_write_bytecode = True

from chaos import bombs, crowding, hostile, overload, shadows, starting, stopping, swapping  # noqa: E402, F401  (they register rows)
from chaos.report import HEAD, ROWS, Report  # noqa: E402
from chaos.server import ROOT, Stage  # noqa: E402

# In the table, rows stand in the order in which a reader would ask.
ORDER = (
    "swap", "bad-versions", "thousand-swaps", "many-models", "shadows", "sigterm", "sigkill", "sigstop",
    "overload-2x", "overload-10x", "overload-deep", "busy-deadline", "noisy-loading", "noisy-overload",
    "slow-headers", "slow-bodies", "vanishing", "malformed", "bombs", "endless-chunks", "full-disk", "port-taken", "bad-config",
)


class OutOfTime(Exception):
    """A row took longer than it may."""


def out_of_time(*_) -> None:
    raise OutOfTime


def stop_now(number: int, _) -> None:
    sys.exit(128 + number)


def run_row(name: str, options: argparse.Namespace, binary: Path) -> Report:
    function, limit = ROWS[name]
    report = Report(name)
    stage = Stage(binary, options.models, options.quick)
    began, busy = time.monotonic(), busy_beside_us()
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        function(stage, report)
    except OutOfTime:
        report.check(f"over within {limit:.0f} s", False, "it was not")
    except Exception as error:  # A row that cannot be carried out has failed.
        traceback.print_exc()
        words = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        report.check("the row could be carried out", False, words)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if options.keep_logs:
            keep_logs(stage, options.keep_logs / name)
        stage.close()
    report.seconds = time.monotonic() - began
    report.others = (busy_beside_us() - busy) / report.seconds
    return report


def busy_beside_us() -> float:
    """CPU seconds that processes other than ours have had, on all cores, since the machine's start."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    all_of_it = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    ours = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return all_of_it - sum(usage.ru_utime + usage.ru_stime for usage in ours)


def keep_logs(stage: Stage, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for log in stage.folder.glob("*.log"):
        shutil.copy(log, folder)


def facts(options: argparse.Namespace, binary: Path) -> str:
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()[:12]
    load = os.getloadavg()
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores of {model}, "
        f"Linux {platform.release()}, Python {platform.python_version()}, binary {digest}, "
        f"load average at the start {load[0]:.1f}, mode {'quick' if options.quick else 'full'}"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tidegate", type=Path, default=ROOT / "target/release/tidegate", help="the binary")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="the bundled models")
    parser.add_argument("--only", action="append", metavar="NAME", choices=ORDER, help="; ".join(ORDER))
    parser.add_argument("--quick", action="store_true", help="short durations, for CI")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was seen")
    parser.add_argument("--keep-logs", type=Path, metavar="DIR", help="keep the servers' logs here")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    if not options.tidegate.is_file():
        print(f"chaos: no binary at {options.tidegate}: cargo build --release", file=sys.stderr)
        return 1
    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, stop_now)
    reports = []
    with tempfile.TemporaryDirectory(prefix="tidegate-chaos-bin-") as folder:
        # A copy: the one in target/ may be built anew meanwhile.
        binary = Path(shutil.copy(options.tidegate, Path(folder) / "tidegate"))
        about = facts(options, binary)
        print(about, end=f"\n\n{HEAD}\n", flush=True)
        for name in [name for name in ORDER if not options.only or name in options.only]:
            reports.append(run_row(name, options, binary))
            print(reports[-1].line(), flush=True)
            print(f"{name}: {reports[-1].verdict}, {reports[-1].seconds:.0f} s, others {reports[-1].others:.1f} cores", file=sys.stderr)
    failed = [report.name for report in reports if not report.passed and not report.skipped]
    seconds = sum(report.seconds for report in reports)
    others = sum(report.others * report.seconds for report in reports) / max(1.0, seconds)
    print(f"\nOther processes had {others:.1f} cores on average, between {min(r.others for r in reports):.1f} and "
          f"{max(r.others for r in reports):.1f} by row.")
    print(f"\n{len(reports)} rows in {seconds:.0f} s, {len(failed)} failed" + (f": {', '.join(failed)}" if failed else ""))
    if options.json:
        rows = [report.json() for report in reports]
        options.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
