#!/usr/bin/env python3
"""Runs the node tests of the ONNX project through Tidegate's engines and writes what they show.

    python3 interop/onnx_nodes.py             fetch, run, print the table, write docs/reference/operators.md
    python3 interop/onnx_nodes.py --check     the same, but fail if the document is not what would be written

Every case is asked twice: on the way that a served model takes (tract or the tabular engine, whichever
import chooses), and on the tabular engine alone. A case passes, is refused with a reason, or is wrong.
Exits with 1 if any is wrong.

The cases are in the wheel of onnx 1.19.1 on PyPI (later ones do not carry them); it is fetched with pip
into target/interop. Needs Python 3.9 or later and cargo.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "target" / "interop"
DOCUMENT = ROOT / "docs" / "reference" / "operators.md"
WHEEL = "onnx==1.19.1"
FOLDER = "onnx/backend/test/data/node/"
# The ONNX project compares with 1e-3 and 1e-7. Its 1e-7 is below what the sums of a Fourier transform or
# a recurrent network differ by from one machine to the next, for results whose true value is 0.
TOLERANCE = ["--rtol", "1e-3", "--atol", "1e-5"]
AT_ONCE = 200


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail if the document would change")
    check = parser.parse_args().check
    cases = fetch()
    cargo = ["cargo", "build", "--quiet", "--example", "run_onnx"]
    subprocess.run(cargo, cwd=ROOT, check=True)
    runs = {engine: run(cases, engine) for engine in ("auto", "tabular")}
    for engine, fates in runs.items():
        report(engine, fates)
    write(document(runs), check)
    wrong = [fate for fates in runs.values() for fate in fates if fate["outcome"] == "wrong"]
    if wrong:
        sys.exit(f"FAILED: {len(wrong)} answers are wrong")


def fetch():
    """The directories of all cases, in order."""
    unpacked = WORK / "node"
    if not unpacked.is_dir():
        wheels = WORK / "wheel"
        python = venv()
        download = [python, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*download, "--only-binary", ":all:", "-d", wheels, WHEEL], check=True)
        partial = WORK / "node.partial"
        with zipfile.ZipFile(next(wheels.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                if name.startswith(FOLDER) and not name.endswith("/"):
                    path = partial / name[len(FOLDER) :]
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(wheel.read(name))
        partial.rename(unpacked)
    return sorted(path for path in unpacked.iterdir() if (path / "model.onnx").is_file())


def venv():
    """An interpreter with pip."""
    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", WORK / "venv"], check=True)
    return python


def run(cases, engine):
    """What became of each case."""
    program = ROOT / "target" / "debug" / "examples" / "run_onnx"
    fates = []
    for start in range(0, len(cases), AT_ONCE):
        some = cases[start : start + AT_ONCE]
        done = subprocess.run(
            [program, "--engine", engine, *TOLERANCE, *some], cwd=ROOT, capture_output=True, text=True, check=True
        )
        fates += [json.loads(line) for line in done.stdout.splitlines()]
    if len(fates) != len(cases):
        sys.exit(f"FAILED: {len(cases)} cases were asked and {len(fates)} answered")
    return fates


def report(engine, fates):
    counts = collections.Counter(fate["outcome"] for fate in fates)
    by = collections.Counter(fate.get("engine") for fate in fates if fate["outcome"] == "pass")
    told = ", ".join(f"{name} {number}" for name, number in sorted(by.items()))
    print(f"\n{engine}: {len(fates)} cases, {counts['pass']} pass ({told}), {counts['refused']} refused, {counts['wrong']} wrong")
    for fate in fates:
        if fate["outcome"] == "wrong":
            print(f"  WRONG {fate['case']}: {fate['reason'][:200]}")
    reasons = collections.Counter(short(fate["reason"]) for fate in fates if fate["outcome"] == "refused")
    for reason, number in reasons.most_common(12):
        print(f"  {number:5} {reason}")


def short(reason):
    """A reason without what differs from case to case."""
    return re.sub(r"\(node '[^']*'\)|'[^']*'|[0-9]+", "_", reason.split(";")[-1].strip())[:110]


def document(runs):
    """The text of docs/reference/operators.md."""
    program = ROOT / "target" / "debug" / "examples" / "run_onnx"
    listed = subprocess.run([program, "--operators"], capture_output=True, text=True, check=True).stdout.split("\n")
    ours = [tuple(line.split(" ", 1)) for line in listed if line]
    seen = {engine: tallies(fates) for engine, fates in runs.items()}
    lines = [
        "# Operators",
        "",
        "Written by `python3 interop/onnx_nodes.py`, which runs the node tests of the ONNX project (onnx 1.19.1,",
        f"{len(runs['auto'])} cases) through the engines. *Tests* counts cases of this operator alone that pass, of all there are;",
        "those that do not pass are refused at load or at run, with the reason. None is answered wrongly.",
        "",
        "| | pass | refused | wrong |",
        "| --- | --- | --- | --- |",
        totals("as served: tract, or the tabular engine", runs["auto"]),
        totals("the tabular engine alone", runs["tabular"]),
        "",
        "A graph with an operator of `ai.onnx.ml` or `com.microsoft` runs in the tabular engine as a whole, so all its",
        "operators must be in the first three tables. Any other graph goes to tract, and to the tabular engine where tract",
        "refuses it. Where ONNX Runtime is not followed is in",
        "[decision 0006](../decisions/0006-where-onnx-runtime-is-not-followed.md).",
    ]
    for domain in ("ai.onnx.ml", "com.microsoft", "ai.onnx"):
        lines += ["", f"## Tabular engine: `{domain}`", "", "| operator | tests |", "| --- | --- |"]
        names = sorted(name for whose, name in ours if whose == domain)
        lines += [f"| {name} | {tests(seen['tabular'], domain, name)} |" for name in names]
    known = {f"{domain} {name}" for domain, name in ours}
    others = sorted(name for name in seen["auto"] if name not in known)
    passed = [name for name in others if seen["auto"][name]["pass"]]
    refused = [name for name in others if not seen["auto"][name]["pass"]]
    lines += ["", "## tract only", "", "| operator | tests | a reason where one is refused |", "| --- | --- | --- |"]
    lines += [f"| {shown(name)} | {tests(seen['auto'], *name.split(' '))} | {reason(seen['auto'][name])} |" for name in passed]
    lines += ["", "## Refused", "", "| operator | tests | the first reason |", "| --- | --- | --- |"]
    lines += [f"| {shown(name)} | {tests(seen['auto'], *name.split(' '))} | {reason(seen['auto'][name])} |" for name in refused]
    return "\n".join(lines) + "\n"


def tallies(fates):
    """Outcomes by operator, of cases that have one alone."""
    found = {}
    for fate in fates:
        if len(fate.get("operators", [])) == 1:
            tally = found.setdefault(fate["operators"][0], {"pass": 0, "all": 0, "reason": ""})
            tally["all"] += 1
            tally["pass"] += fate["outcome"] == "pass"
            tally["reason"] = tally["reason"] or fate.get("reason", "")
    return found


def totals(what, fates):
    counts = collections.Counter(fate["outcome"] for fate in fates)
    return f"| {what} | {counts['pass']} | {counts['refused']} | {counts['wrong']} |"


def tests(seen, domain, name):
    tally = seen.get(f"{domain} {name}")
    return f"{tally['pass']} of {tally['all']}" if tally else "none there"


def shown(name):
    domain, operator = name.split(" ", 1)
    return operator if domain == "ai.onnx" else f"`{domain}` {operator}"


def reason(tally):
    words = tally["reason"].replace("no engine runs this model: ", "").replace("|", "/")
    words = re.sub(r" \(node '[^']*'\)", "", words).split("; tabular:")[0]
    words = re.sub(r"0x[0-9a-f]+", "..", words)
    return words if len(words) <= 110 else words[:107] + "..."


def write(text, check):
    old = DOCUMENT.read_text() if DOCUMENT.is_file() else ""
    if check and text != old:
        sys.exit(f"FAILED: {DOCUMENT.relative_to(ROOT)} is not up to date; run interop/onnx_nodes.py")
    DOCUMENT.parent.mkdir(parents=True, exist_ok=True)
    DOCUMENT.write_text(text)
    print(f"\n{DOCUMENT.relative_to(ROOT)}: {'unchanged' if text == old else 'written'}")


if __name__ == "__main__":
    main()
