"""How long `serve` takes for lists of jobs, against the start of bare Python in the same run.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/lists.py
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

CONFIG = (
    "<?xml version='1.1' encoding='UTF-8'?>\n<project><description>{name}</description><keepDependencies>false"
    "</keepDependencies><properties/><builders><hudson.tasks.Shell><command>true</command></hudson.tasks.Shell>"
    "</builders><publishers/><buildWrappers/></project>"
)
BUILD = (
    "<build><queueId>{n}</queueId><timestamp>1795644509900</timestamp><startTime>1795644509900</startTime>"
    "<result>SUCCESS</result><duration>219</duration></build>"
)
KINDS = {"Completed": 1, "Failed": -1, "Stable": 1, "Successful": 1, "Unstable": -1, "Unsuccessful": -1}
LINKS = "".join(f"last{kind}Build {number}\n" for kind, number in KINDS.items())
NAMES = "/api/json?tree=jobs[name]"
COLOURS = "/api/json?tree=jobs[name,color,lastBuild[number,result,timestamp]]"
GOALS = {200: 0.3, 600: 0.7, 5000: 1.6}


def home(folder: Path, jobs: int) -> Path:
    """A home of so many jobs, each with one build."""
    for number in range(jobs):
        build = folder / "jobs" / f"service-{number:05}" / "builds" / "1"
        build.mkdir(parents=True)
        (build.parents[1] / "config.xml").write_text(CONFIG.format(name=number))
        (build.parents[1] / "nextBuildNumber").write_text("2\n")
        (build / "build.xml").write_text(BUILD.format(n=number + 1))
        (build.parent / "permalinks").write_text(LINKS)
    return folder


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[int, dict[str, str], int]]:
    """`serve` over a home: its port, the head of a login, its process."""
    argv = [sys.executable, "-m", "sluicegate", "serve", "--home", str(folder), "--port", "0", *words]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        password = (folder / "secrets" / "passwords" / "admin").read_text().strip()
        basic = {"Authorization": "Basic " + b64encode(f"admin:{password}".encode()).decode()}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("GET", "/crumbIssuer/api/json", headers=basic)
        answer = connection.getresponse()
        crumb = json.loads(answer.read())
        cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]
        path = "/me/descriptorByName/jenkins.security.ApiTokenProperty/generateNewToken"
        connection.request(
            "POST", path, headers={**basic, crumb["crumbRequestField"]: crumb["crumb"], "Cookie": cookie}
        )
        token = json.loads(connection.getresponse().read())["data"]["tokenValue"]
        yield port, {"Authorization": "Basic " + b64encode(f"admin:{token}".encode()).decode()}, process.pid
    finally:
        process.terminate()
        process.wait(30)


def asking(port: int, login: dict[str, str], path: str, rounds: int) -> list[float]:
    """Seconds of each answer on one connection, after two that warm it up."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken = []
    for _ in range(rounds + 2):
        began = time.perf_counter()
        connection.request("GET", path, headers=login)
        answer = connection.getresponse()
        body = answer.read()
        taken.append(time.perf_counter() - began)
        assert answer.status == 200, body[:200]
    return taken[2:]


def bare_python(rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        taken.append(time.perf_counter() - began)
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    missed = False
    for jobs, goal in GOALS.items():
        with tempfile.TemporaryDirectory() as folder, serving(home(Path(folder), jobs)) as (port, login, _):
            bare, names, colours, whole = [], [], [], []
            for _ in range(4):  # in turns, so that what else the machine does hits all alike
                bare += bare_python(options.rounds // 4)
                names += asking(port, login, NAMES, options.rounds // 4)
                colours += asking(port, login, COLOURS, options.rounds // 4)
                whole += asking(port, login, "/api/json", options.rounds // 4)
        start = median(bare)
        ratio = median(names) / start
        missed = missed or ratio > goal
        print(
            f"{jobs} jobs: names {1e3 * median(names):.1f} ms, api/json {1e3 * median(whole):.1f} ms, with colour and "
            f"last build {1e3 * median(colours):.1f} ms; bare Python {1e3 * start:.1f} ms"
        )
        print(f"ratio names-of-{jobs} {ratio:.2f} goal <={goal}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
