"""How `serve` bears many clients, builds jobs and hands out large files: ratios to limits measured in the same run.

Run it in the environment that sluicegate is installed in: .venv/bin/python bench/server.py [clients] [builds] [files]
The connections of `clients` count against the open files of the shell: ulimit -n 4096.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import lists

CLIENTS, IDLE, SLOW = 200, 1000, 50
READERS = 4
TURNS = 3
MEMORY = 200 << 20
BURST = 1000


def memory(pid: int, what: str = "VmRSS") -> int:
    """Bytes of memory that a process has, or had at most (VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f"{what}:"))


def line(name: str, value: float, goal: float, least: bool = False) -> bool:
    """Print a ratio; whether it meets the goal."""
    print(f"ratio {name} {value:.2f} goal {'>=' if least else '<='}{goal}", flush=True)
    return value >= goal if least else value <= goal


class Client:
    """One connection that is kept."""

    def __init__(self, port: int, login: dict[str, str]) -> None:
        self.port, self.login = port, login["Authorization"]
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str) -> float:
        """Seconds of one answer, from the request's first byte to the answer's last."""
        if self.writer is None or self.reader is None:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        began = time.perf_counter()
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: {self.login}\r\n\r\n"
        self.writer.write(head.encode())
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        assert " 200 " in answer.partition("\r\n")[0], answer
        await self.reader.readexactly(int(answer.partition("content-length:")[2].split()[0]))
        return time.perf_counter() - began


def paths(dice: random.Random) -> str:
    """Half a job, a quarter lists of 200 jobs, a quarter consoles."""
    job = f"/job/service-{dice.randrange(200):05}"
    return dice.choice(
        [f"{job}/api/json", f"{job}/api/json", lists.COLOURS, f"{job}/1/logText/progressiveText?start=0"]
    )


async def visits(port: int, login: dict[str, str], number: int, seconds: float, pause: float) -> list[float]:
    """One client that asks once in `pause` seconds, not in step with the others."""
    dice, client, taken = random.Random(number), Client(port, login), []
    end = time.monotonic() + seconds
    await asyncio.sleep(dice.random() * pause)
    while time.monotonic() < end:
        began = time.monotonic()
        taken.append(await client.ask(paths(dice)))
        await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))
    if client.writer:
        client.writer.close()
    return taken


async def idler(port: int, seconds: float) -> None:
    """A connection that says nothing; the server may close it."""
    with suppress(OSError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.sleep(seconds)
        writer.close()


async def slow(port: int, seconds: float) -> None:
    """A client that sends a byte of a request's head each second, again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for byte in b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " + b"x" * 60:
                if time.monotonic() >= end:
                    break
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(1)
            writer.close()
        await asyncio.sleep(0.2)


async def crowd(port: int, login: dict[str, str], seconds: float) -> list[float]:
    others = [asyncio.create_task(idler(port, seconds + 5)) for _ in range(IDLE)]
    others += [asyncio.create_task(slow(port, seconds)) for _ in range(SLOW)]
    await asyncio.sleep(3)
    taken = await asyncio.gather(*(visits(port, login, number, seconds, 1.0) for number in range(CLIENTS)))
    for task in others:
        task.cancel()
    return [duration for row in taken for duration in row]


def clients(seconds: float) -> bool:
    """200 clients a second beside 1,000 idle and 50 slow connections."""
    with tempfile.TemporaryDirectory() as folder:
        home = lists.home(Path(folder), 200)
        for log in home.glob("jobs/*/builds/1"):
            (log / "log").write_text("".join(f"a line of a console, {number}\n" for number in range(300)))
        with lists.serving(home) as (port, login, pid):
            quiet, taken = [], []
            for _ in range(TURNS):  # in turns, so that what else the machine does hits both alike
                quiet += asyncio.run(visits(port, login, 0, 3, 0.02))
                taken += asyncio.run(crowd(port, login, seconds / TURNS))
            high = memory(pid, "VmHWM")
    taken.sort()
    p99 = taken[int(len(taken) * 0.99)]
    print(
        f"{len(taken)} answers in {seconds:g} s: median {1e3 * median(taken):.1f} ms, p99 {1e3 * p99:.1f} ms; quiet"
        f" median {1e3 * median(quiet):.1f} ms; memory {high >> 20} MB"
    )
    met = line("crowd-p99-to-quiet-median", p99 / median(quiet), 10)
    return line("crowd-memory-to-200-MB", high / MEMORY, 1.0) and met


def floor(folder: Path, rounds: int) -> float:
    """Seconds of what a durable build cannot do without: journal, `sh -xe`, log, record and folder, each synced."""
    journal = os.open(folder / "journal", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    taken = []
    for number in range(rounds):
        place = folder / str(number)
        began = time.perf_counter()
        os.write(journal, b"x" * 200)
        os.fdatasync(journal)
        place.mkdir()
        with (place / "log").open("wb") as log:
            subprocess.run(["/bin/sh", "-xe", "-c", ":"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
            os.fsync(log.fileno())
        with (place / "build.xml.new").open("wb") as record:
            record.write(b"x" * 600)
            record.flush()
            os.fsync(record.fileno())
        os.replace(place / "build.xml.new", place / "build.xml")
        handle = os.open(place, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        taken.append(time.perf_counter() - began)
    return median(taken)


def builds(rounds: int) -> bool:
    """From the trigger to the recorded end of `:`, and a burst of 1,000 different ones on two executors."""
    config = lists.CONFIG.format(name="a").replace("<project>", "<project><quietPeriod>0</quietPeriod>")
    with tempfile.TemporaryDirectory() as folder:
        home = lists.home(Path(folder) / "home", 0)
        (home / "jobs" / "one").mkdir(parents=True)
        (home / "jobs" / "one" / "config.xml").write_text(config.replace(">true<", ">:<"))
        wide = config.replace(">true<", ">:<").replace(
            "<properties/>",
            "<concurrentBuild>true</concurrentBuild><properties><hudson.model.ParametersDefinitionProperty>"
            "<parameterDefinitions><hudson.model.StringParameterDefinition><name>N</name><defaultValue/>"
            "</hudson.model.StringParameterDefinition></parameterDefinitions>"
            "</hudson.model.ParametersDefinitionProperty></properties>",
        )
        (home / "jobs" / "many").mkdir()
        (home / "jobs" / "many" / "config.xml").write_text(wide)
        with lists.serving(home) as (port, login, _):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)

            def ask(method: str, path: str) -> bytes:
                connection.request(method, path, headers=login)
                return connection.getresponse().read()

            took, least = [], []
            for number in range(1, rounds + 1):
                began = time.perf_counter()
                ask("POST", "/job/one/build?delay=0sec")
                record = home / "jobs" / "one" / "builds" / str(number) / "build.xml"
                while not record.exists() or b"<result>" not in record.read_bytes():
                    time.sleep(0.0005)
                took.append(time.perf_counter() - began)
                if number % 10 == 0:
                    place = Path(folder) / f"floor{number}"
                    place.mkdir()
                    least.append(floor(place, 10))
            began = time.perf_counter()
            for number in range(BURST):
                ask("POST", f"/job/many/buildWithParameters?N={number}&delay=0sec")
            accepted = time.perf_counter() - began
            connection.close()  # the server ends it while nothing is asked
            while len(list((home / "jobs" / "many" / "builds").glob("[0-9]*"))) < BURST or b'"building":true' in ask(
                "GET", "/job/many/api/json?tree=builds[building]{0,20}"
            ):
                time.sleep(0.02)
            burst = BURST / (time.perf_counter() - began)
    print(
        f"a build {1e3 * median(took):.1f} ms, the floor {1e3 * median(least):.1f} ms; {BURST} builds: {burst:.0f}/s"
        f" (accepted in {accepted:.1f} s)"
    )
    met = line("trivial-build-to-floor", median(took) / median(least), 3)
    return line("burst-to-floor", burst * median(least), 0.5, least=True) and met


def files(size: int) -> bool:
    """One artifact to four readers at once: the server's memory before and at its highest."""
    with tempfile.TemporaryDirectory() as folder:
        home = lists.home(Path(folder), 1)
        archive = home / "jobs" / "service-00000" / "builds" / "1" / "archive"
        archive.mkdir()
        with (archive / "large").open("wb") as large:
            large.truncate(size)
        with lists.serving(home) as (port, login, pid):
            lists.asking(port, login, "/job/service-00000/1/api/json", 20)
            before = memory(pid)
            url = f"http://127.0.0.1:{port}/job/service-00000/1/artifact/large"
            words = [shutil.which("curl") or "curl", "-sSf", "-H", f"Authorization: {login['Authorization']}"]
            began = time.perf_counter()
            readers = [subprocess.Popen([*words, "-o", "/dev/null", url]) for _ in range(READERS)]
            ended = [reader.wait() for reader in readers]
            took = time.perf_counter() - began
            high = memory(pid, "VmHWM")
    assert not any(ended), ended
    print(
        f"{size / 1e9:g} GB to {READERS} readers: {READERS * size / took / 1e6:.0f} MB/s; memory {before >> 20} MB"
        f" before, {high >> 20} MB at most"
    )
    return line("artifact-memory-growth-to-32-MB", (high - before) / (32 << 20), 1.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", default=["clients", "builds", "files"])
    parser.add_argument("--seconds", type=float, default=60, help="of the crowd")
    parser.add_argument("--rounds", type=int, default=100, help="builds one after the other")
    parser.add_argument("--size", type=float, default=5e9, help="bytes of the large file")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    parts = {"clients": lambda: clients(options.seconds), "builds": lambda: builds(options.rounds)}
    parts["files"] = lambda: files(int(options.size))
    met = [parts[name]() for name in options.which]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
