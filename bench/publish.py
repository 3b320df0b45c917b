"""Publishing to a real Nexus against curl and lftools, and resolving the latest of many versions, in one run.

    . "$(tests/real/up nexus)"
    python bench/publish.py [--rounds 5] [--only large,small,delayed,resolve,flat] [--lftools PATH] [--rows]

Each line `ratio NAME VALUE goal <=LIMIT` compares medians of rounds that take turns. Every way is a fresh process, so
that our figures carry the start of Python. --rows prints them as
rows for the table of docs/performance.md. `flat` needs no Nexus.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each start would compile what an installation has compiled
UPLOAD = str(ROOT / "bench" / "upload.py")
LARGE, SMALL, FILES, DELAY = 200_000_000, 20_000, 500, 10
results: list[tuple[str, float, float]] = []


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds on the clock and of the processor, and MB at the peak, of one process."""

    wall: float
    cpu: float
    peak: float


def run(command: Sequence[str], **environment: str) -> Cost:
    """Run a process to its end. Raises where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **environment}, cwd=ROOT
    )
    assert process.stderr is not None
    stderr = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} failed with {process.returncode}: {stderr.decode()[-500:]}")
    return Cost(wall=time.perf_counter() - began, cpu=used.ru_utime + used.ru_stime, peak=used.ru_maxrss / 1024)


def rounds(count: int, ways: dict[str, Callable[[], Cost]]) -> dict[str, list[Cost]]:
    """Each way in turn, the first round for warming up; the order turns with each round."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(count + 1):
        names = list(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            cost = ways[name]()
            if number:
                costs[name].append(cost)
    for name, measured in costs.items():
        middle = {key: statistics.median(getattr(cost, key) for cost in measured) for key in ("wall", "cpu", "peak")}
        print(f"  {name:<12} wall {middle['wall']:.2f} s, cpu {middle['cpu']:.2f} s, peak {middle['peak']:.0f} MB")
    return costs


def median(costs: list[Cost], key: str = "wall") -> float:
    return statistics.median(getattr(cost, key) for cost in costs)


def report(name: str, value: float, goal: float) -> None:
    results.append((name, value, goal))
    print(f"ratio {name} {value:.2f} goal <={goal:.2f}{'' if value <= goal else '  MISSED'}", flush=True)


class Bench:
    """The Nexus, and files to send."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = os.environ.get("SLUICEGATE_NEXUS_URL", "http://127.0.0.1:9")
        self.netrc = os.environ.get("SLUICEGATE_NEXUS_NETRC", "")

    def upload(self, *files: Path) -> Cost:
        """Our driver with eight connections, in a process of its own."""
        return run([sys.executable, UPLOAD, *map(str, files)], SLUICEGATE_NEXUS_URL=self.url)

    def place(self) -> str:
        return f"{self.url}/repository/raw/bench/{secrets.token_hex(6)}"

    def curl(self, *files: Path) -> Cost:
        place = self.place()
        if len(files) == 1:
            return run(["curl", "-sSf", "--netrc-file", self.netrc, "-T", str(files[0]), f"{place}/{files[0].name}"])
        config = self.folder / "curl.conf"
        config.write_text("".join(f'upload-file = "{file}"\nurl = "{place}/{file.name}"\n' for file in files))
        return run(["curl", "-sSf", "--netrc-file", self.netrc, "-Z", "--parallel-max", "8", "-K", str(config)])

    def large(self, count: int) -> None:
        print(f"one file of {LARGE // 10**6} MB, raw")
        file = self.folder / "large.bin"
        with file.open("wb") as stream:  # in blocks: a child's peak begins with what its parent holds
            for _ in range(LARGE // 10**6):
                stream.write(os.urandom(10**6))
        costs = rounds(count, {"curl": lambda: self.curl(file), "sluicegate": lambda: self.upload(file)})
        file.unlink()
        idle = run([sys.executable, UPLOAD])
        report("publish-200MB-wall/curl", median(costs["sluicegate"]) / median(costs["curl"]), 1.15)
        peak = max(cost.peak for cost in costs["sluicegate"])
        print(f"  idle process {idle.peak:.0f} MB")
        report("publish-200MB-peak-above-idle-MB/60", (peak - idle.peak) / 60, 1.0)

    def curl_that_asks(self, *files: Path) -> Cost:
        """The least that anybody needs who compares the server's checksum of each file, as we do and curl does not."""
        sent = self.curl(*files)
        places = re.findall(r'^url = ".*"$', (self.folder / "curl.conf").read_text(), re.MULTILINE)
        config = self.folder / "asked.conf"
        config.write_text("\n".join(places))
        questions = run(["curl", "-sSf", "-I", "-Z", "--parallel-max", "8", "-K", str(config)])
        return Cost(wall=sent.wall + questions.wall, cpu=sent.cpu + questions.cpu, peak=max(sent.peak, questions.peak))

    def delayed(self, count: int) -> None:
        """The small files once more over a network, where the way there and back counts and not only the Nexus."""
        port = self.url.rpartition(":")[2]
        command = [sys.executable, str(ROOT / "bench" / "delay.py"), port, str(DELAY / 2)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as between:
            assert between.stdout is not None
            real, self.url = self.url, f"http://127.0.0.1:{between.stdout.readline().strip()}"
            print(f"{FILES} files of {SMALL // 1000} KB, raw, {DELAY} ms there and back")
            try:
                files = self.small_files()
                costs = rounds(count, {"curl": lambda: self.curl(*files), "sluicegate": lambda: self.upload(*files)})
            finally:
                self.url = real
                between.terminate()
        value = median(costs["sluicegate"]) / median(costs["curl"])
        report(f"publish-500x20KB-over-{DELAY}ms-wall/curl-Z8", value, 1.3)

    def small_files(self) -> list[Path]:
        folder = self.folder / "small"
        files = [folder / f"file-{number}.bin" for number in range(FILES)]
        if not folder.exists():
            folder.mkdir()
            for file in files:
                file.write_bytes(os.urandom(SMALL))
        return files

    def small(self, count: int, lftools: str) -> None:
        print(f"{FILES} files of {SMALL // 1000} KB, raw")
        files = self.small_files()
        ways = {
            "curl": lambda: self.curl(*files),
            "sluicegate": lambda: self.upload(*files),
            "curl, asking": lambda: self.curl_that_asks(*files),
        }
        if lftools:
            home = self.folder / "home"
            home.mkdir()
            (home / ".netrc").write_text(Path(self.netrc).read_text())
            (home / ".netrc").chmod(0o600)
            ways["lftools"] = lambda: run(
                [lftools, "deploy", "nexus", self.place(), str(files[0].parent)], HOME=str(home)
            )
        costs = rounds(count, ways)
        report("publish-500x20KB-wall/curl-Z8", median(costs["sluicegate"]) / median(costs["curl"]), 1.6)
        asking = median(costs["sluicegate"]) / median(costs["curl, asking"])
        report("publish-500x20KB-wall/curl-Z8-that-asks-for-the-checksums", asking, 1.3)
        if lftools:
            report("publish-500x20KB-wall/lftools", median(costs["sluicegate"]) / median(costs["lftools"]), 0.7)
            cpu = median(costs["sluicegate"], "cpu") / median(costs["lftools"], "cpu")
            report("publish-500x20KB-cpu/lftools", cpu, 0.4)

    def resolve(self, count: int, versions: int) -> None:
        """Our resolve reads the ledger and asks the Nexus nothing; the peer pages the search to its end."""
        print(f"resolve latest among {versions} versions")
        folder = f"resolve-{secrets.token_hex(4)}"
        config = self.folder / "many.conf"
        (self.folder / "x").write_bytes(b"x")
        lines = [
            f'upload-file = "{self.folder / "x"}"\nurl = "{self.url}/repository/raw/{folder}/1.{number}.0/x"\n'
            for number in range(versions)
        ]
        config.write_text("".join(lines))
        run(["curl", "-sSf", "--netrc-file", self.netrc, "-Z", "--parallel-max", "8", "-K", str(config)])
        time.sleep(10)
        ours = self.flat(count, (100, versions))[versions]
        paging = statistics.median(self._page(folder, versions) for _ in range(2))
        print(f"  paging the search {paging:.2f} s")
        report(f"resolve-{versions}/paging-the-search", ours / paging, 0.05)

    def flat(self, count: int, sizes: Sequence[int]) -> dict[int, float]:
        """Resolving the latest of more and more versions; the server is not asked, so it need not be there."""
        print(f"resolve latest among {', '.join(map(str, sizes))} versions")
        repos = {number: self._ledger(number) for number in sizes}
        for number, repo in repos.items():
            printed = subprocess.run(
                [sys.executable, "-m", "sluicegate", "-C", str(repo), "resolve", "auth"],
                stdout=subprocess.PIPE, text=True, check=True, cwd=ROOT,
            )  # fmt: skip
            assert printed.stdout.strip() == f"1.{number - 1}.0", printed.stdout
        ways: dict[str, Callable[[], Cost]] = {
            f"{number}": lambda repo=repo: run(  # type: ignore[misc]
                [sys.executable, "-m", "sluicegate", "-C", str(repo), "resolve", "auth"]
            )
            for number, repo in repos.items()
        }
        costs = rounds(count, ways)
        smallest = median(costs[str(sizes[0])])
        for number in sizes[1:]:
            report(f"resolve-{number}/resolve-{sizes[0]}", median(costs[str(number)]) / smallest, 1.5)
            shutil.rmtree(repos[number])
        shutil.rmtree(repos[sizes[0]])
        return {number: median(costs[str(number)]) for number in sizes}

    def _ledger(self, versions: int) -> Path:
        """A delivery repo with so many published versions, its ledger written as `publish` leaves it."""
        from sluicegate.delivery.book import resolving
        from sluicegate.delivery.book.setup import init_repo
        from sluicegate.wiring import EntryPointDrivers

        folder = self.folder / f"delivery-{versions}"
        config = (
            f'repositories:\n  raw: {{driver: nexus, url: "{self.url}", format: raw}}\n'
            "components:\n  auth: {repository: raw}\nenvironments:\n  int: {follow: latest}\n"
        )
        init_repo(folder, EntryPointDrivers(), bare=True, config=config.encode())
        names = [f"1.{number}.0" for number in range(versions)]
        listed = resolving.extended(None, "semver", names[-resolving.LENGTH :], list)
        files = {resolving.newest_path("auth"): listed}
        for name in names:
            record = {"id": name, "at": "2026-11-23T09:00:00Z", "what": "built", "manifest": "0" * 64}
            files[f"components/auth/{name}.jsonl"] = json.dumps(record).encode() + b"\n"
        words = ["commit refs/heads/ledger", "committer bench <bench@example.com> 1795420800 +0000", "data 0"]
        words.append("from refs/heads/ledger^0")
        chunks = ["\n".join([*words, ""]).encode()]
        chunks += [b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(c), c) for path, c in files.items()]
        subprocess.run(["git", "-C", folder, "fast-import", "--quiet"], input=b"".join(chunks), check=True)
        return folder

    def _page(self, folder: str, versions: int) -> float:
        from sluicegate.tools.server import Server

        server, began, token, seen = Server(self.url), time.perf_counter(), "", 0
        while token is not None:
            more = f"&continuationToken={token}" if token else ""
            page = json.loads(server.ask("GET", f"/service/rest/v1/search?repository=raw&group=/{folder}/*{more}").body)
            token = page["continuationToken"]
            seen += len(page["items"])
        assert seen == versions, f"the search shows {seen} of {versions}"
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="large,small,delayed,resolve,flat")
    parser.add_argument("--lftools", default="", help="the lftools command, in a virtual environment of its own")
    parser.add_argument("--versions", type=int, default=10_000)
    parser.add_argument("--rows", action="store_true", help="also as rows for docs/performance.md")
    chosen = parser.parse_args()
    only = chosen.only.split(",")
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        bench = Bench(Path(folder))
        if "large" in only:
            bench.large(chosen.rounds)
        if "small" in only:
            bench.small(chosen.rounds, chosen.lftools)
        if "delayed" in only:
            bench.delayed(chosen.rounds)
        if "resolve" in only:
            bench.resolve(chosen.rounds, chosen.versions)
        if "flat" in only:
            bench.flat(max(chosen.rounds, 9), (100, 10_000, 100_000))
    if chosen.rows:
        print_rows("publish.py")


def print_rows(benchmark: str) -> None:
    """The figures as rows of the table, with today's date and the load of the last quarter of an hour."""
    for name, value, goal in results:
        ratio = f"{value:.2f}" if value <= goal else f"{value:.2f} (**missed**)"
        day, load = f"{datetime.now(UTC):%Y-%m-%d}", f"load {os.getloadavg()[2]:.0f}"
        print(f"| `bench/{benchmark}` | {name} | {ratio} | <={goal:g} | {day} | {load} |")


if __name__ == "__main__":
    main()
