"""Requests that are wrong, each with the status that it deserves."""

from __future__ import annotations

from chaos.questions import Question, http

WINE = "[11.96,1.09,2.3,21.0,101.0,3.38,2.14,0.13,1.65,3.21,0.99,3.13,886.0]"
PREDICT = "/models/wine/predict"
INFER = "/v2/models/wine/infer"
CHURN = "/models/churn/predict"


def oip(**members: str) -> str:
    """A good inference request whose members, as text, are replaced."""
    tensor = {"name": '"input"', "datatype": '"FP32"', "shape": "[1,13]", "data": WINE, **members}
    return '{"inputs":[{' + ",".join(f'"{name}":{text}' for name, text in tensor.items()) + "}]}"


BODIES = (
    (PREDICT, "", 400),
    (PREDICT, "wine", 400),
    (PREDICT, "null", 400),
    (PREDICT, WINE[:-1], 400),
    (PREDICT, WINE.replace("]", ",]"), 400),
    (PREDICT, WINE + WINE, 400),
    (PREDICT, "{'alcohol': 1}", 400),
    (PREDICT, "[1 2]", 400),
    (PREDICT, "[1,2,3]", 400),
    (PREDICT, f"[{WINE},[1,2]]", 400),
    (PREDICT, "[[[[[[[[]]]]]]]]", 400),
    (PREDICT, WINE.replace("2.3,", '"2.3",'), 400),
    (PREDICT, WINE.replace("2.3,", "1e400,"), 400),
    (PREDICT, WINE.replace("2.3,", "012,"), 400),
    (PREDICT, "[" * 100 + "]" * 100, 400),
    (PREDICT, '{"features":{"features":[1]}}', 400),
    (PREDICT, b"\x00" * 64, 400),
    (PREDICT, WINE.encode("utf-16"), 400),
    (PREDICT, " " * ((1 << 20) + 1), 413),
    (CHURN, "{}", 400),
    (CHURN, '{"contract":"two\\qyear"}', 400),
    (CHURN, b'{"contract":"\xff\xfe"}', 400),
    (CHURN, '{"contract":5}', 400),
    (CHURN, '{"shoe_size":44}', 400),
    (INFER, "{}", 400),
    (INFER, '{"inputs":{}}', 400),
    (INFER, oip(shape="[13,1]"), 400),
    (INFER, oip(shape="[-1,13]"), 400),
    (INFER, oip(shape="[4294967296,4294967296]"), 400),
    (INFER, oip(datatype='"FP8"'), 400),
    (INFER, oip(datatype='"INT64"'), 400),
    (INFER, oip(data="[1,2,x]"), 400),
    (INFER, oip(name='"inptu"'), 400),
    ("/models/nonesuch/predict", WINE, 404),
    ("/models/%ff%fe/predict", WINE, 400),
    ("/a/b/c/d/e/f/g/h/i/j", WINE, 404),
    ("/livez", WINE, 405),
)

HEADERS = (
    ("content-encoding: gzip\r\n", 400),
    ("content-encoding: zstd\r\n", 415),
    ("x-timeout-ms: soon\r\n", 400),
    ("x-timeout-ms: -1\r\n", 400),
)


def malformed() -> list[Question]:
    questions = [Question(http(path, body), {}, status) for path, body, status in BODIES]
    return questions + [Question(http(PREDICT, WINE, header), {}, status) for header, status in HEADERS]


def post(headers: str) -> bytes:
    return f"POST {PREDICT} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n\r\n".encode()


NO_HTTP = (
    ("words", b"how do you do\r\n\r\n"),
    ("a greeting of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ("noise", bytes(range(256)) * 16),
    ("zeros", bytes(4096)),
    ("a version to come", b"GET /v2 HTTP/4.0\r\n\r\n"),
    ("a header without a colon", post("content-length 5")),
    ("a zero byte in a header", post("x-request-id: a\0b")),
    ("a negative length", post("content-length: -5")),
    ("two lengths", post("content-length: 5\r\ncontent-length: 6")),
    ("a length beyond the integers", post("content-length: 99999999999999999999")),
    ("an unknown transfer-encoding", post("transfer-encoding: gzip")),
    ("a chunk whose size is no number", post("transfer-encoding: chunked") + b"five\r\n12345\r\n0\r\n\r\n"),
    ("a path without end", b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"),
    ("headers without number", post("a: b\r\n" * 200)),
    ("half of HTTP/2's greeting", b"PRI * HTTP/2.0\r\n\r\nSM"),
    ("HTTP/2 and noise", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(range(256)) * 4),
)
