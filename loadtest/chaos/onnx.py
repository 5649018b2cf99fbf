"""A dense network that answers its own input, written as ONNX without any library.

Each layer multiplies by a permutation matrix, so the work is that of a dense network, yet the
answer is the question, exactly. An answer that reaches the wrong caller cannot hide.
"""

from __future__ import annotations

from array import array
from pathlib import Path

WIDTH = 512
COLUMNS = 4

FLOAT = 1


def write_echo(path: Path, layers: int) -> None:
    """Writes the model: input `x` of N rows and 4 columns (0 or more), output `y` equal to it."""
    first = matrix(COLUMNS, WIDTH, lambda row: row)
    turn = matrix(WIDTH, WIDTH, lambda row: (row + 1) % WIDTH)
    last = matrix(WIDTH, COLUMNS, lambda row: (row - layers) % WIDTH)
    nodes, at = [node("MatMul", ["x", "first"], "h0")], "h0"
    for layer in range(layers):
        nodes.append(node("MatMul", [at, "turn"], f"m{layer}"))
        # Keeps the matrices from being multiplied ahead of time.
        nodes.append(node("Relu", [f"m{layer}"], f"r{layer}"))
        at = f"r{layer}"
    nodes.append(node("MatMul", [at, "last"], "y"))
    graph = b"".join(message(1, one) for one in nodes)
    graph += message(2, b"echo")
    graph += message(5, tensor("first", COLUMNS, WIDTH, first))
    graph += message(5, tensor("turn", WIDTH, WIDTH, turn))
    graph += message(5, tensor("last", WIDTH, COLUMNS, last))
    graph += message(11, value("x")) + message(12, value("y"))
    opset = message(1, b"") + number(2, 13)
    path.write_bytes(number(1, 8) + message(7, graph) + message(8, opset))


def matrix(rows: int, columns: int, one_at) -> bytes:
    """A row-major matrix with a single 1 in each row, where that falls inside."""
    values = array("f", bytes(4 * rows * columns))
    for row in range(rows):
        if one_at(row) < columns:
            values[row * columns + one_at(row)] = 1.0
    return values.tobytes()


def node(operator: str, inputs: list[str], output: str) -> bytes:
    parts = [message(1, name.encode()) for name in inputs]
    return b"".join(parts) + message(2, output.encode()) + message(3, output.encode()) + message(4, operator.encode())


def tensor(name: str, rows: int, columns: int, raw: bytes) -> bytes:
    return number(1, rows) + number(1, columns) + number(2, FLOAT) + message(8, name.encode()) + message(9, raw)


def value(name: str) -> bytes:
    shape = message(1, message(2, b"N")) + message(1, number(1, COLUMNS))
    tensor_type = number(1, FLOAT) + message(2, shape)
    return message(1, name.encode()) + message(2, message(1, tensor_type))


# --- Protocol buffers: a number or a run of bytes under a field's number -------------------------


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def message(field: int, content: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
