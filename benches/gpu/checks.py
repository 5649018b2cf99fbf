"""Right before fast: random forests, the suite of every engine, and compute-sanitizer."""

from __future__ import annotations

import shutil
from pathlib import Path

from models import MAKERS, make
from ours import PLACE, Ours
from steps import Steps, reason

TOOLS = ("memcheck", "synccheck", "initcheck", "racecheck")
# Events are asked whether they have come, and "not yet" is no error.
OPTIONS = {"memcheck": ["--report-api-errors=no"]}
# Forests that are asked for at once: so many that starting costs nothing, so few that the time can be watched.
FORESTS = 20


def check(options, steps: Steps) -> list[str]:
    """Random forests, and for each model the suite that every engine has to pass. Answers what failed."""
    failed = []
    names = options.models or (["rf100", "mlp"] if options.quick else list(MAKERS))
    orders = {"random forests": forests} if options.device != "cpu" else {}
    orders |= {f"conformance, {name}": suite(name) for name in names}
    for at, (name, order) in enumerate(orders.items()):
        try:
            with steps.step(name), Ours(options.bench) as ours:
                print(f"- {name}: {order(ours, options, steps.share(len(orders) - at))}")
        except Exception as error:
            failed.append(f"{name}: {reason(error)}")
    return failed


def forests(ours: Ours, options, seconds: float) -> str:
    until, done, rows = Steps(seconds), 0, 0
    wanted = 30 if options.quick else 300
    while done < wanted and (until.left or not done):
        count = min(FORESTS, wanted - done)
        words = ours.ask(f"forests {options.seed + done} {count}", max(60, seconds)).split()
        done, rows = done + count, rows + int(words[2])
    short = f"; time was up before {wanted}" if done < wanted else ""
    return f"{done} from seed {options.seed} on, {rows} rows, no difference to the CPU{short}"


def suite(name: str):
    def ask(ours: Ours, options, seconds: float) -> str:
        seconds = max(60, seconds)
        place = make(name, PLACE / "models").place
        said = ours.ask(f"load {place} {options.device}", seconds)
        return f"{ours.ask('conformance', seconds)} ({said.split()[0]})"

    return ask


def sanitizer() -> str | None:
    """compute-sanitizer of the toolkit, or else of the wheel."""
    own = list(PLACE.glob("**/site*/nvidia/*/bin/compute-sanitizer"))
    return shutil.which("compute-sanitizer") or (str(own[0]) if own else None)


def sanitize(options, steps: Steps) -> list[str]:
    """Every kernel on small shapes under each of the tools. Answers what failed."""
    program = sanitizer()
    if program is None:
        return ["compute-sanitizer is not installed"]
    failed = []
    for at, tool in enumerate(options.tools):
        seconds = max(30, steps.share(len(options.tools) - at))
        with steps.step(tool):
            clean, words, log = sanitized(program, tool, options.bench, seconds)
        print(f"- {tool}: {words}")
        if not clean:
            failed.append(tool)
        if not clean and log:
            print("\n```\n" + "\n".join(log[:30]) + "\n```\n")
    return failed


def sanitized(program: str, tool: str, bench: Path, seconds: float) -> tuple[bool, str, list[str]]:
    """Whether it found nothing, what is to be said, and what it has written."""
    log = PLACE / f"{tool}.log"
    log.unlink(missing_ok=True)
    ours = Ours(bench, [program, f"--tool={tool}", *OPTIONS.get(tool, []), "--error-exitcode=9", "--log-file", str(log)])
    try:
        said, ran = ours.ask("small", seconds), True
    except RuntimeError as error:
        said, ran = str(error), False
    status = ours.end()
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    summary = next((line.strip("= ") for line in reversed(lines) if "SUMMARY" in line), "it has written no summary")
    return ran and status == 0, f"{said}; {summary}; status {status}", lines
