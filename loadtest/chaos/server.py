"""The real binary on free ports, what /proc says of it, and an end for everything that was started."""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import re
import signal
import subprocess
import tempfile
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path

from harness import HOST, MIB, ROOT, TICKS, free_ports, kib_of, stat_of

__all__ = ["HOST", "MIB", "ROOT", "Stage", "Tidegate", "free_ports", "wait_for"]

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Trouble(Exception):
    """A row could not be carried out; that counts as a failure of the row."""


def wait_for(what: str, found, limit: float = 10.0, pause: float = 0.01):
    """Asks until `found` answers something true."""
    until = time.monotonic() + limit
    while True:
        value = found()
        if value:
            return value
        if time.monotonic() > until:
            raise Trouble(f"within {limit:.0f} s it did not happen: {what}")
        time.sleep(pause)


class Tidegate:
    """One process of the server."""

    def __init__(self, binary: Path, log: Path, models, *flags: str, env: dict | None = None, ports=None):
        self.port, self.admin = ports or free_ports(2)
        self.log = log
        paths = [str(path) for path in (models if isinstance(models, (list, tuple)) else [models])]
        self.command = [str(binary), "serve", *paths, "--listen", f"{HOST}:{self.port}"]
        self.command += ["--admin-listen", f"{HOST}:{self.admin}", *flags]
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
        self.env.update(env or {})
        self.process: subprocess.Popen | None = None
        self.ready_s = 0.0

    def start(self, wait: bool = True, limit: float = 20.0) -> Tidegate:
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, env=self.env,
                preexec_fn=die_with_parent,
            )
        while wait and not self.is_ready():
            if self.process.poll() is not None:
                raise Trouble(f"the server ended with {self.process.returncode}: {self.last_words()}")
            if time.perf_counter() - began > limit:
                raise Trouble(f"the server was not ready within {limit:.0f} s: {self.last_words()}")
            time.sleep(0.002)
        self.ready_s = time.perf_counter() - began
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    def is_ready(self) -> bool:
        try:
            return self.get(self.port, "/readyz")[0] == 200
        except OSError:
            return False

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-400:] if self.log.exists() else ""

    def get(self, port: int, path: str, limit: float = 5.0) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}{path}", timeout=limit) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def index(self, model: str | None = None) -> dict:
        return json.loads(self.get(self.admin, f"/api/models/{model}" if model else "/api/models")[1])

    def state(self, model: str, version: str) -> tuple[str, str]:
        """State and reason of a version; empty where it is not known."""
        try:
            versions = self.index(model)["versions"]
        except (KeyError, ValueError):
            return "", ""
        for line in versions:
            if line["version"] == version:
                return line["state"], line.get("reason", "")
        return "", ""

    def metric(self, name: str, **labels: str) -> float:
        """The sum over all series with these labels."""
        total = 0.0
        for line in self.get(self.admin, "/metrics")[1].decode().splitlines():
            found = re.match(rf"{name}(\{{.*\}})? (\S+)$", line)
            if found and all(f'{key}="{value}"' in (found.group(1) or "") for key, value in labels.items()):
                total += float(found.group(2))
        return total

    def rss(self) -> float:
        """Resident memory in MiB."""
        return kib_of(self.pid, "status", "VmRSS") * 1024 / MIB

    def peak(self) -> float:
        """The most it has been since `forget_peak`, in MiB."""
        return kib_of(self.pid, "status", "VmHWM") * 1024 / MIB

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def cpu(self) -> float:
        """CPU seconds so far."""
        return sum(map(int, stat_of(self.pid)[11:13])) / TICKS

    def handles(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def signal(self, which: int) -> None:
        self.process.send_signal(which)

    def wait(self, limit: float = 40.0) -> int | None:
        """The exit code, or `None` where it does not end."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        if self.is_alive():
            self.process.kill()
            self.process.wait()


class Stage:
    """What a row works with: a folder, servers and clients that end with the row."""

    def __init__(self, binary: Path, models: Path, quick: bool):
        self.binary, self.models, self.quick = binary, models, quick
        self.folder = Path(tempfile.mkdtemp(prefix="tidegate-chaos-"))
        self.servers: list[Tidegate] = []
        self.crowds: list = []
        self.cleanups: list = []
        atexit.register(self.close)

    def of(self, quick, full):
        """The one or the other, by how thorough this run is."""
        return quick if self.quick else full

    def garden(self, name: str = "models") -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder

    def serve(self, models, *flags: str, start: bool = True, **more) -> Tidegate:
        log = more.pop("log", self.folder / f"server-{len(self.servers)}.log")
        if "--state" not in flags:
            # What one server leaves behind is not the next one's, nor the working directory's.
            flags = (*flags, "--state", str(self.folder / f"state-{len(self.servers)}"))
        server = Tidegate(self.binary, log, models, *flags, **more)
        self.servers.append(server)
        return server.start() if start else server

    def crowd(self, *plans):
        from chaos.client import Crowd

        crowd = Crowd(*plans)
        self.crowds.append(crowd)
        return crowd

    def plant(self, source: str, place: Path, golden: bool = True) -> None:
        """Puts a bundled version in place as users are told to: filled aside, then renamed."""
        aside = place.with_name(place.name + ".tmp")
        aside.mkdir(parents=True)
        for file in ("model.onnx", "golden.json")[: 2 if golden else 1]:
            shutil.copy(self.models / source / file, aside / file)
        aside.rename(place)

    def close(self) -> None:
        for crowd in self.crowds:
            crowd.kill()
        for server in self.servers:
            server.kill()
        for cleanup in self.cleanups:
            cleanup()
        self.crowds, self.servers, self.cleanups = [], [], []
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.close)
