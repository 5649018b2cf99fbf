#!/usr/bin/env python3
"""Holds a running Tidegate against its own OpenAPI documents, by requests that schemathesis makes up from them.

    pip install -r interop/documents.txt
    python interop/documents.py --tidegate target/release/tidegate [--examples 100] [--seed 7]

Both ports are asked what their documents offer, in the way that they say and in others: no answer may have a status
of 500 or more, each has the status, the content type and the schema that the document tells of, what breaks the
schema is refused, and no method is answered that is not in it. Loading and unloading run on servers of their own,
since a model that somebody has unloaded answers nothing. Exits with 1 on the first port that fails.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

from server import Server, ensure

HERE = Path(__file__).resolve().parent
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)
# What is run: on which port, on which operations, with what of the server's settings.
RUNS = (
    ("the data port", "data", [], ["--default-model", "churn"]),
    ("the repository", "data", ["--include-path-regex", "/repository/"], ["--model-control", "explicit"]),
    ("the admin port", "admin", ["--exclude-path-regex", "/unload$"], []),
    ("loading and unloading", "admin", ["--include-path-regex", "/(un)?load$"], []),
)


def run(name, address, filters, arguments):
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "documents.toml",
        "run", f"http://{address}/openapi.json", "--phases", "examples,coverage,fuzzing", "--checks", ",".join(CHECKS),
        "--max-examples", str(arguments.examples), "--seed", str(arguments.seed), "--generation-database", "none",
        "--warnings", "off", "--continue-on-failure", "--no-color", *filters,
    ]
    ran = subprocess.run(command, capture_output=True, text=True)
    ensure(ran.returncode == 0, f"{name}, seed {arguments.seed}:\n{ran.stdout[-8000:]}{ran.stderr[-2000:]}")
    with urllib.request.urlopen(f"http://{address}/livez", timeout=10) as answer:
        ensure(answer.status == 200, f"{name}: the server is not well afterwards")
    figures = [line.strip() for line in ran.stdout.splitlines() if line.strip().startswith(("Tested:",)) or "generated" in line]
    print(f"{name}: {', '.join(figures)}: ok", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tidegate", required=True)
    parser.add_argument("--examples", type=int, default=20, help="made-up requests for each operation, beside the odd ones")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for name, port, filters, settings in RUNS:
        with tempfile.TemporaryDirectory(prefix="tidegate-documents-") as folder:
            # Uploads write into the models' directory, changes of traffic into the state.
            models = Path(folder) / "models"
            shutil.copytree(HERE.parent / "models", models)
            with Server(arguments.tidegate, models, "--state", f"{folder}/state", *settings) as server:
                run(name, getattr(server, port), filters, arguments)


if __name__ == "__main__":
    main()
