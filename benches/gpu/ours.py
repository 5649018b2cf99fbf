"""The bench binary (benches/gpu.rs), asked a line at a time: see benches/gpu.sh."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent


def built(arguments: list[str], name: str) -> Path:
    """Builds with Cargo, and says where the program is."""
    command = ["cargo", *arguments, "--message-format=json"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return next(Path(line["executable"]) for line in lines if line.get("executable") and line["target"]["name"] == name)


class Ours:
    """One process, with one model on one device."""

    def __init__(self, program: Path, wrapper: list[str] = []) -> None:
        command = [*wrapper, str(program)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        kind, _, words = self.process.stdout.readline().strip().partition(" ")
        if kind != "ok":
            raise RuntimeError(words or "the bench binary ended")
        return words

    def answers(self, file: Path, width: int) -> np.ndarray:
        self.ask(f"answers {file}")
        return np.fromfile(file, np.float32).reshape(-1, width)

    def host_us(self, rows: int, millis: int) -> float:
        return float(self.ask(f"run {rows} {millis}")) / 1e3

    def device_us(self, rows: int) -> float:
        return float(self.ask(f"device {rows}")) / 1e3

    def end(self) -> int:
        self.process.stdin.close()
        return self.process.wait(120)
