"""The bench binary (benches/gpu.rs), asked a line at a time: see benches/gpu.sh."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
PLACE = ROOT / "target" / "gpu"


def built(arguments: list[str], name: str) -> Path:
    """Builds with Cargo, and says where the program is."""
    command = ["cargo", *arguments, "--message-format=json"]
    out = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return next(Path(line["executable"]) for line in lines if line.get("executable") and line["target"]["name"] == name)


def brought(given: Path, name: str) -> Path:
    """A program that was built elsewhere: itself, packed with xz, or in a folder."""
    if given.is_dir():
        inside = [given / name, given / f"{name}.xz"]
        given = next((file for file in inside if file.exists()), inside[0])
    if given.suffix != ".xz":
        return given.resolve(strict=True)
    own = PLACE / "bin" / name
    own.parent.mkdir(parents=True, exist_ok=True)
    # Not over one that may be running.
    own.unlink(missing_ok=True)
    with lzma.open(given) as packed, own.open("wb") as file:
        shutil.copyfileobj(packed, file)
    own.chmod(0o755)
    return own


class Ours:
    """One process, with one model on one device."""

    def __init__(self, program: Path, wrapper: list[str] | None = None) -> None:
        self.complaints = tempfile.TemporaryFile()
        self.late = False
        command = [*(wrapper or []), str(program)]
        # A session of its own, so that what a wrapper has started is ended with it.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.complaints,
                                        text=True, start_new_session=True)

    def __enter__(self) -> Ours:
        return self

    def __exit__(self, *_) -> None:
        self.end()

    def ask(self, line: str, seconds: float = 300) -> str:
        """The words of the answer. An error says why there is none."""
        timer = threading.Timer(seconds, self.kill)
        timer.start()
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            kind, words = self.answer()
        except (OSError, ValueError, EOFError):
            late = f"no answer to '{line}' within {seconds:.0f} s"
            raise RuntimeError(late if self.late else f"the bench binary ended: {self.last_words()}") from None
        finally:
            timer.cancel()
        if kind != "ok":
            raise RuntimeError(words)
        return words

    def answer(self) -> tuple[str, str]:
        """The next line that is one; wrappers may say something too."""
        for line in self.process.stdout:
            kind, _, words = line.strip().partition(" ")
            if kind in ("ok", "failed"):
                return kind, words
        raise EOFError

    def last_words(self) -> str:
        self.end()
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").strip().splitlines()
        return " / ".join(lines[-3:]) or f"status {self.process.returncode}, without a word"

    def kill(self) -> None:
        self.late = True
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def answers(self, file: Path, width: int) -> np.ndarray:
        self.ask(f"answers {file}")
        return np.fromfile(file, np.float32).reshape(-1, width)

    def host_us(self, rows: int, millis: int) -> float:
        return float(self.ask(f"run {rows} {millis}")) / 1e3

    def device_us(self, rows: int) -> tuple[float, int]:
        """The time, and the rows of the launches that it is of."""
        nanos, *recorded = self.ask(f"device {rows}").split()
        return float(nanos) / 1e3, int(recorded[0]) if recorded else rows

    def end(self, seconds: float = 60) -> int:
        """The exit status, once it has ended; it is given some time for that."""
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return self.process.wait()
