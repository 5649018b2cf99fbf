#!/usr/bin/env python3
"""Three replicas behind HAProxy read one plan file: every user has one version, and their reports add up to one.

    python3 interop/replicas.py [--binary target/release/tidegate] [--users 500] [--requests 6000]

The same requests go to HAProxy, which deals them to three replicas in turn, and to a fourth server alone. Then:
every answer names the version that the fourth server gave the same user; after the file has changed, users have only
moved to the version that was raised; and `tidegate experiment --with` over the three reports what the fourth reports.
Needs haproxy (Debian's package). Exits with 1 where something differs.
"""

import argparse
import http.client
import json
import os
import pathlib
import random
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = json.dumps({
    "tenure_months": 3, "monthly_charges": 89.5, "support_calls": 4, "data_usage_gb": None,
    "contract": "month-to-month", "payment_method": "card", "region": "north",
})


class Server:
    """One `tidegate serve` with the plan file."""

    def __init__(self, binary, plans, folder):
        folder.mkdir()
        ports = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
        command = [binary, "serve", ROOT / "models" / "churn", *ports, "--traffic-file", plans, "--state", folder / "state"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.process.stdout:
            found = re.match(r"listening on http://(\S+), admin on http://([^\s;]+); ready", line)
            if found:
                self.data, self.admin = found.groups()
                return
        sys.exit("a server did not start")

    def get(self, path):
        return ask(http.client.HTTPConnection(self.admin), "GET", path)


def ask(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    content = json.loads(answer.read())
    if answer.status != 200:
        sys.exit(f"{method} {path}: {answer.status}: {content}")
    return content


def haproxy(servers, folder):
    """HAProxy on a free port, each request to the next server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lines = ["defaults", "  mode http", "  timeout connect 5s", "  timeout client 30s", "  timeout server 30s",
             "frontend all", f"  bind 127.0.0.1:{port}", "  default_backend replicas",
             "backend replicas", "  balance roundrobin", "  http-reuse always"]
    lines += [f"  server r{at} {server.data}" for at, server in enumerate(servers)]
    config = folder / "haproxy.cfg"
    config.write_text("\n".join(lines) + "\n")
    program = "/usr/sbin/haproxy" if os.path.exists("/usr/sbin/haproxy") else "haproxy"
    process = subprocess.Popen([program, "-db", "-f", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"127.0.0.1:{port}"
        time.sleep(0.05)
    sys.exit("haproxy did not start")


def write(plans, weight):
    """Replaces the file at once, as a ConfigMap is replaced."""
    split = {"1": 10_000 - weight, "2": weight}
    aside = plans.with_suffix(".new")
    aside.write_text(json.dumps({"models": {"churn": {"traffic": {"split": split, "sticky": {"header": "x-user-id"}}}}}))
    aside.rename(plans)


def send(address, users):
    """The version that each of these users was answered by, in order."""
    connection = http.client.HTTPConnection(address)
    path, versions = "/models/churn/predict", []
    for user in users:
        versions.append(ask(connection, "POST", path, ROW, {"x-user-id": f"user-{user}"})["version"])
    return versions


def report(binary, servers):
    """The report of the replicas together."""
    others = [part for server in servers[1:] for part in ("--with", f"http://{server.admin}")]
    command = [binary, "experiment", "churn", "--admin", f"http://{servers[0].admin}", *others]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def bare(report):
    """What does not depend on a server's own clock."""
    report = {name: value for name, value in report.items() if name not in ("since", "shadows")}
    report["variants"] = [{name: value for name, value in one.items() if name != "latency_seconds"} for one in report["variants"]]
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", default=ROOT / "target" / "release" / "tidegate")
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--requests", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)
    processes = []
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        plans = work / "plans.json"
        write(plans, 3000)
        try:
            servers = [Server(options.binary, plans, work / f"server-{at}") for at in range(4)]
            processes += [server.process for server in servers]
            *replicas, alone = servers
            proxy, address = haproxy(replicas, work)
            processes.append(proxy)
            users = [draw.randrange(options.users) for _ in range(options.requests)]
            through, direct = send(address, users), send(alone.data, users)
            assert through == direct, "a replica gave a user another version"
            seen = [server.get("/api/models/churn/experiment")["variants"] for server in replicas]
            requests = [sum(variant["requests"] for variant in variants) for variants in seen]
            assert min(requests) > options.requests // 4, f"HAProxy did not deal evenly: {requests}"
            merged, whole = report(options.binary, replicas), alone.get("/api/models/churn/experiment")
            assert bare(merged) == bare(whole), f"{bare(merged)}\n{bare(whole)}"
            print(f"{len(users)} requests of {options.users} users over {requests}: one version each, one report")
            before = dict(zip(users, through))
            write(plans, 7000)
            for server in servers:
                while server.get("/api/models/churn/traffic")["split"]["2"] != 7000:
                    time.sleep(0.05)
            after = dict(zip(users, send(address, users)))
            assert all(after[user] == version or (version, after[user]) == ("1", "2") for user, version in before.items())
            moved = sum(after[user] != version for user, version in before.items())
            print(f"raised from 3000 to 7000: {moved} of {len(before)} users moved to version 2, none away from it")
        finally:
            for process in processes:
                process.kill()


if __name__ == "__main__":
    main()
