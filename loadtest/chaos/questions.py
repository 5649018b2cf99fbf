"""Requests with the answers they must get: from the golden cases, and for the echo model."""

from __future__ import annotations

import json
import math
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from chaos.onnx import COLUMNS, write_echo

ANY = "*"
RTOL, ATOL = 1e-5, 1e-6
CUT = b',"prediction_id"'


@dataclass
class Question:
    """A whole HTTP request, and what a right answer says, by version where that matters.

    `answers` maps a version's number modulo 2 to the members that the answer must have, or `ANY`.
    """

    raw: bytes
    answers: dict
    # 200, or the refusal that it deserves.
    status: int = 200
    known: dict = field(default_factory=dict)

    def judge(self, body: bytes) -> tuple[str | None, int]:
        """What is wrong with an answer (`None`: nothing), and the version that gave it."""
        head = body.partition(CUT)[0]
        verdict = self.known.get(head)
        if verdict is None:
            verdict = self.known[head] = self.look(body)
            if len(self.known) > 10_000:
                self.known.clear()
        return verdict

    def look(self, body: bytes) -> tuple[str | None, int]:
        try:
            answer = json.loads(body)
            version = int(answer["version"])
        except (ValueError, KeyError, TypeError):
            return f"not an answer: {body[:200]!r}", 0
        wanted = self.answers.get(ANY) or self.answers.get(version % 2)
        for name, value in wanted.items():
            if not close(answer.get(name), value):
                return f"version {version}: {name} is {answer.get(name)!r}, not {value!r}"[:300], version
        return None, version


def close(got, want) -> bool:
    """Equal: floats within the tolerance of the golden cases, all else exactly."""
    if isinstance(want, list):
        return isinstance(got, list) and len(got) == len(want) and all(map(close, got, want))
    if isinstance(want, float) and isinstance(got, (int, float)):
        return abs(got - want) <= ATOL + RTOL * abs(want)
    return type(got) is type(want) and got == want


def http(path: str, body: bytes | str, headers: str = "") -> bytes:
    body = body.encode() if isinstance(body, str) else body
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


# --- The bundled models --------------------------------------------------------------------------

PREDICTIONS = ("output_label", "label", "variable")
PROBABILITIES = ("output_probability", "probabilities")


def golden(versions: dict, model: str, headers: str = "") -> list[Question]:
    """Plain questions for `model`, from the golden cases below each of `versions` (by key of `answers`).

    All versions must have the same inputs. A case of many rows is asked whole and row by row.
    """
    cases = {key: json.loads((folder / "golden.json").read_text())["cases"] for key, folder in versions.items()}
    questions = []
    for same in zip(*cases.values()):
        rows = rows_of(same[0]["inputs"])
        picks = [range(len(rows))] + [[at] for at in range(len(rows)) if len(rows) > 1]
        for pick in picks:
            body = json.dumps({"features": [rows[at] for at in pick]})
            answers = {key: expected(case["outputs"], pick) for key, case in zip(cases, same)}
            questions.append(Question(http(f"/models/{model}/predict", body, headers), answers))
    return questions


def rows_of(inputs: dict) -> list:
    """Rows as the plain protocol takes them: records by name, or lists for a single wide input."""
    count = len(next(iter(inputs.values())))
    if len(inputs) == 1:
        return [plain(row) for row in next(iter(inputs.values()))]
    return [{name: plain(column[at])[0] for name, column in inputs.items()} for at in range(count)]


def plain(value):
    """NaN as null."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def expected(outputs: dict, pick) -> dict:
    if "logits" in outputs:
        # digits: the class is the highest score, and its name is its place.
        rows = [outputs["logits"][at] for at in pick]
        return {"predictions": [str(max(range(len(row)), key=row.__getitem__)) for row in rows]}
    wanted = {}
    for member, names in (("predictions", PREDICTIONS), ("probabilities", PROBABILITIES)):
        for name in names:
            if name in outputs:
                values = [outputs[name][at] for at in pick]
                one = member == "predictions" and isinstance(values[0], list)
                wanted[member] = [value[0] for value in values] if one else values
    return wanted


# --- The echo model ------------------------------------------------------------------------------


def echo_questions(rows: int, count: int = 32, model: str = "echo", headers: str = "", seed: int = 7) -> list[Question]:
    """Questions of `rows` rows, no two alike, each of which must come back as it is."""
    draw = random.Random(seed)
    questions = []
    for _ in range(count):
        batch = [[float(draw.randrange(1, 1 << 20)) for _ in range(COLUMNS)] for _ in range(rows)]
        body = json.dumps({"features": batch})
        questions.append(Question(http(f"/models/{model}/predict", body, headers), {ANY: {"predictions": batch}}))
    return questions


_made: dict = {}


def plant_echo(place: Path, layers: int, batching: str, model: str = "echo") -> None:
    """Puts an echo model of `layers` layers in place, with lines for its `[batching]`."""
    folder = place / model / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (place / model / "model.toml").write_text(f"[batching]\n{batching}\n")
    made = _made.get(layers)
    if made is None or not made.exists():
        write_echo(folder / "model.onnx", layers)
        _made[layers] = folder / "model.onnx"
    else:
        shutil.copy(made, folder / "model.onnx")
