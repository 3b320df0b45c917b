"""A large home: how fast the server starts, what it needs, and whether a job with many builds, or cells, is slower.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/home.py
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from pathlib import Path
from statistics import median

from sluicegate.runner.causes import Cause
from sluicegate.runner.history import PERMALINKS
from sluicegate.runner.item import Item
from sluicegate.runner.service import Runner

JOB = b"""<project><quietPeriod>0</quietPeriod><builders><hudson.tasks.Shell><command>true</command>
</hudson.tasks.Shell></builders></project>"""
BUILD = """<?xml version='1.1' encoding='UTF-8'?>
<build><actions><hudson.model.CauseAction><causeBag class="linked-hash-map"><entry>
<hudson.model.Cause_-UserIdCause><userId>anna</userId></hudson.model.Cause_-UserIdCause><int>1</int></entry></causeBag>
</hudson.model.CauseAction></actions><queueId>{number}</queueId><timestamp>1700000000000</timestamp>
<startTime>1700000000000</startTime><result>SUCCESS</result><duration>1000</duration><keepLog>false</keepLog></build>
"""
MATRIX = """<matrix-project><quietPeriod>0</quietPeriod><axes><hudson.matrix.TextAxis><name>n</name><values>{values}
</values></hudson.matrix.TextAxis></axes><builders><hudson.tasks.Shell><command>true</command></hudson.tasks.Shell>
</builders></matrix-project>"""
ONE_BUILD = "job/job-00007/3/api/json"
PATHS = ("job/job-00007/api/json", ONE_BUILD, "api/json?tree=jobs[name]", "queue/api/json")
BY = (Cause(kind="user", user="anna"),)


def fill(home: Path, jobs: int, builds: int) -> None:
    for number in range(jobs):
        make_job(home / "jobs" / f"job-{number:05}", builds)


def make_job(folder: Path, builds: int) -> None:
    (folder / "builds").mkdir(parents=True)
    (folder / "config.xml").write_bytes(JOB)
    (folder / "nextBuildNumber").write_text(f"{builds + 1}\n")
    for build in range(1, builds + 1):
        place = folder / "builds" / str(build)
        place.mkdir()
        (place / "build.xml").write_text(BUILD.format(number=build))
        (place / "log").write_text("Finished: SUCCESS\n")
    good = {"lastCompletedBuild", "lastStableBuild", "lastSuccessfulBuild"}
    links = "".join(f"{name} {builds if name in good else -1}\n" for name in PERMALINKS)
    (folder / "builds" / "permalinks").write_text(links)


def serve(home: Path) -> tuple[float, float, float, dict[str, float]]:
    """Seconds until the server answers, by the clock and of the processor, its peak in MB, and what requests took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).parent / "sluicegate"
    began = time.monotonic()
    words = [str(program), "serve", "--home", str(home), "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                urllib.request.urlopen(f"{url}login", timeout=5).read()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                if server.poll() is not None:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.01)
        started = time.monotonic() - began
        ticks = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        worked = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        password = (home / "secrets/passwords/admin").read_text().strip()
        taken = {}
        for path in PATHS:
            times = [ask(f"{url}{path}", password) for _ in range(5)]
            taken[path] = median(times)
        peak = next(line for line in Path(f"/proc/{server.pid}/status").read_text().splitlines() if "VmHWM" in line)
        return started, worked, int(peak.split()[1]) / 1024, taken
    finally:
        server.terminate()
        server.wait()


def ask(url: str, password: str) -> float:
    request = urllib.request.Request(url)
    request.add_header("Authorization", "Basic " + b64encode(f"admin:{password}".encode()).decode())
    began = time.monotonic()
    json.load(urllib.request.urlopen(request, timeout=60))
    return time.monotonic() - began


def build(runner: Runner, item: Item) -> float:
    number = item.history.next_number
    began = time.monotonic()
    runner.trigger(item, BY, None, 0)
    while (record := item.history.get(number)) is None or record.building:
        time.sleep(0.002)
    return time.monotonic() - began


def many_builds(folder: Path, builds: int) -> float:
    """The time of a build in a job with this many builds, to that in a job with ten."""
    for name, count in (("large", builds), ("small", 10)):
        make_job(folder / "jobs" / name, count)
    runner = Runner(folder)
    runner.start()
    try:
        taken: dict[str, list[float]] = {"large": [], "small": []}
        for _ in range(9):
            for name, times in taken.items():
                times.append(build(runner, runner.items.needed(name)))
        return median(taken["large"]) / median(taken["small"])
    finally:
        runner.stop()


def cells(folder: Path, count: int) -> float:
    """Seconds until a matrix has put all its cells into the queue."""
    runner = Runner(folder)
    values = "".join(f"<string>{number}</string>" for number in range(count))
    item = runner.items.create("", "matrix", MATRIX.format(values=values).encode())
    runner.start()
    try:
        began = time.monotonic()
        runner.trigger(item, BY, None, 0)
        prefix = "matrix/"
        while sum(name.startswith(prefix) for name in list(runner.items.by_name)) < count:
            time.sleep(0.005)
        return time.monotonic() - began
    finally:
        runner.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--builds", type=int, default=10, help="of each job")
    parser.add_argument("--large", type=int, default=20_000, help="builds of the one large job")
    parser.add_argument("--cells", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, "home")
        fill(home, options.jobs, options.builds)
        started, worked, peak, taken = serve(home)
        for path, seconds in taken.items():
            print(f"GET /{path}: {seconds * 1000:.1f} ms")
        large = many_builds(Path(folder, "large"), options.large)
        spread = cells(Path(folder, "cells"), options.cells)
    print(f"load average {os.getloadavg()[0]:.1f}")
    ratios = {
        f"start-with-{options.jobs}-jobs/2s": (started / 2, 1.0),
        "its-processor/2s": (worked / 2, 1.0),
        "peak-MB/300": (peak / 300, 1.0),
        "GET-one-build/50ms": (taken[ONE_BUILD] / 0.05, 1.0),
        f"build-after-{options.large}/build-after-10": (large, 1.2),
        f"start-of-{options.cells}-cells/2s": (spread / 2, 1.0),
    }
    for name, (ratio, goal) in ratios.items():
        print(f"ratio {name} {ratio:.2f} goal <={goal:.2f}{'' if ratio <= goal else ' (missed)'}")
    return 0 if all(ratio <= goal for ratio, goal in ratios.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
