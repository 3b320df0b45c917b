"""`jenkins-jobs update` against `serve`: how much of its time it waits for answers, for new jobs and for changed ones.

The rest is what jenkins-job-builder does by itself. Run it in the environment that sluicegate is installed in:
.venv/bin/python bench/update.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from base64 import b64decode
from pathlib import Path

import lists

GOAL = 0.2
JOB = """
- job:
    name: '{name}'
    description: '{text}'
    parameters: [string: {{name: VERSION, default: '1'}}]
    wrappers: [timeout: {{timeout: 10}}, timestamps]
    builders: [shell: 'make build']
    publishers: [archive: {{artifacts: 'out/*.tar.gz'}}]
"""
WAITING = """
import http.client, json, socket, sys, time
count, waited, answered = 0, 0.0, 0.0
answer, read = http.client.HTTPConnection.getresponse, socket.SocketIO.readinto
def getresponse(self):
    global count, answered
    count, began = count + 1, time.perf_counter()
    try:
        return answer(self)
    finally:
        answered += time.perf_counter() - began
def readinto(self, block):
    global waited
    began = time.perf_counter()
    try:
        return read(self, block)
    finally:
        waited += time.perf_counter() - began
http.client.HTTPConnection.getresponse, socket.SocketIO.readinto = getresponse, readinto
from jenkins_jobs.cli.entry import main
sys.argv = ["jenkins-jobs", *sys.argv[1:]]
try:
    main()
finally:
    print(json.dumps([count, waited, answered]))
"""
"""The client waits while it reads from the socket, heads and bodies. `answered` has its reading of the heads in it."""


def update(folder: Path, cache: Path) -> tuple[float, int, float, float]:
    """Seconds of one update, its requests, the seconds that it waited, and those with its own reading of heads."""
    words = ["--conf", str(folder / "jenkins_jobs.ini"), "--log_level", "ERROR", "update", str(folder / "jobs")]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", WAITING, *words],
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    count, waited, answered = json.loads(done.stdout.splitlines()[-1])
    return time.perf_counter() - began, count, waited, answered


def write(folder: Path, jobs: int, text: str) -> None:
    folder.mkdir(exist_ok=True)
    names = (f"service-{number:05}" for number in range(jobs))
    (folder / "jobs.yaml").write_text("".join(JOB.format(name=name, text=text) for name in names))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1500)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    missed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = lists.home(folder / "home", 0)
        (home / "jobs").mkdir(parents=True)
        with lists.serving(home) as (port, login, pid):
            token = b64decode(login["Authorization"].removeprefix("Basic ")).decode().removeprefix("admin:")
            (folder / "jenkins_jobs.ini").write_text(
                f"[jenkins]\nurl=http://127.0.0.1:{port}/\nuser=admin\npassword={token}\nquery_plugins_info=False\n"
            )
            for what in ("new", "changed", "unchanged"):
                write(folder / "jobs", options.jobs, "changed" if what == "unchanged" else what)
                before = processor(pid)
                took, count, waited, answered = update(folder, folder / "cache")
                spent = processor(pid) - before
                print(
                    f"{options.jobs} jobs, {what}: {took:.1f} s, {count} requests, waited {waited:.1f} s"
                    f" ({1e3 * waited / max(1, count):.1f} ms each), the server's processor {spent:.1f} s;"
                    f" with the client's reading of heads {answered:.1f} s ({answered / took:.2f})"
                )
                print(f"ratio update-{what}-waits-to-wall {waited / took:.2f} goal <={GOAL}", flush=True)
                missed = missed or waited / took > GOAL
    return 1 if missed else 0


def processor(pid: int) -> float:
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
