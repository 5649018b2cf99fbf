"""What a row has to say: checks, each with what was promised and what was seen."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Check:
    promised: str
    seen: str
    good: bool


@dataclass
class Report:
    """One row of the table. Nothing promised and not seen passes."""

    name: str
    done: str = ""
    checks: list = field(default_factory=list)
    # Told, not judged.
    facts: list = field(default_factory=list)
    skipped: str = ""
    seconds: float = 0.0
    # Cores that other processes of the machine kept busy meanwhile.
    others: float = 0.0

    def check(self, promised: str, good: bool, seen: str) -> None:
        self.checks.append(Check(promised, seen, bool(good)))

    def fact(self, words: str) -> None:
        self.facts.append(words)

    def answers(self, tally, allowed: tuple = (), promised: str = "no answer lost or wrong") -> None:
        """The check of every row: each request that was sent got a right answer, or a refusal that is allowed."""
        seen = tally.say()
        if tally.bad(allowed):
            seen += " (" + "; ".join(tally.examples[:3]) + ")"
        self.check(promised, tally.sent > 0 and tally.right > 0 and tally.bad(allowed) == 0, seen)

    @property
    def passed(self) -> bool:
        return not self.skipped and bool(self.checks) and all(check.good for check in self.checks)

    @property
    def verdict(self) -> str:
        if self.skipped:
            return "skipped"
        return "pass" if self.passed else "**FAIL**"

    def line(self) -> str:
        promised = "; ".join(check.promised for check in self.checks) or "-"
        seen = [check.seen if check.good else f"**missed: {check.seen}**" for check in self.checks]
        if self.skipped:
            seen.append(f"skipped: {self.skipped}")
        seen += [f"({fact})" for fact in self.facts]
        cells = (self.name, self.done, promised, "; ".join(seen), self.verdict)
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    def json(self) -> dict:
        checks = [{"promised": c.promised, "seen": c.seen, "good": c.good} for c in self.checks]
        return {"name": self.name, "done": self.done, "verdict": self.verdict.strip("*"), "checks": checks,
                "facts": self.facts, "skipped": self.skipped, "seconds": round(self.seconds, 1),
                "other_cores": round(self.others, 2)}


HEAD = "| row | what was done | promised | seen | |\n| --- | --- | --- | --- | --- |"

ROWS: dict = {}


def row(name: str, limit: float):
    """Registers a row: a function of a stage and a report, bounded in seconds (full mode)."""

    def register(function):
        ROWS[name] = (function, limit)
        return function

    return register


def ms(seconds: float) -> str:
    if abs(seconds) < 0.01:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def mib(value: float) -> str:
    return f"{value:.0f} MiB"
