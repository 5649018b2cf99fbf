"""How long a part may take, and what its steps took."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager


class Steps:
    """The time of one part."""

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self.until = self.began + seconds
        self.took: list[str] = []

    @property
    def left(self) -> float:
        return max(0.0, self.until - time.monotonic())

    def share(self, among: int) -> float:
        """Seconds for the next of so many things that are still to do."""
        return self.left / max(1, among)

    @contextmanager
    def step(self, name: str):
        """Times it, and says so at once: whoever waits sees where it is."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.took.append(f"{name} {time.monotonic() - began:.0f} s")
            print(f"[{time.monotonic() - self.began:4.0f} s] {self.took[-1]}", file=sys.stderr, flush=True)

    def told(self) -> str:
        return f"{time.monotonic() - self.began:.0f} s in all; " + ", ".join(self.took)


def reason(error: BaseException) -> str:
    """One line of what went wrong."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
