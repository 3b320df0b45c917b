"""The delivery repo with the years: how commands grow with components, versions and records; generated repositories.

    python bench/book.py [--rounds 3] [--components 1000] [--rows]

Each line `ratio NAME VALUE goal <=LIMIT` compares medians of rounds that take turns, in one run: against a limit in
seconds or against the same command over a smaller repository. Every command is a fresh process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.publish import ROOT, Cost, report, run

from sluicegate.delivery.book import chronicle, current, resolving
from sluicegate.delivery.book.setup import init_repo
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Built, Deployed, Done, Intent, Pinned, Record, Tests
from sluicegate.model.manifest import Artifact
from sluicegate.model.story import Story
from sluicegate.model.values import Actor, set_name
from sluicegate.tools.git.objects import object_id
from sluicegate.wiring import EntryPointDrivers

START = datetime(2025, 1, 1, tzinfo=UTC)
CI = Actor(user="ci", source="bench")
SHA = "a" * 64


class Organisation:
    """A generated delivery repo: components c0.., environments e0.., versions 1.0.0.. of each component."""

    def __init__(self, folder: Path, *, components: int, environments: int, versions: int, deploys: int) -> None:
        self.folder = folder
        self.components = [f"c{number}" for number in range(components)]
        self.environments = [f"e{number}" for number in range(environments)]
        self.versions = [f"1.{number}.0" for number in range(versions)]
        self.deploys = deploys
        self.records = 0
        self.small = components < 100  # every component has a port on every host
        self.turns = 0

    def write(self) -> Organisation:
        init_repo(self.folder, EntryPointDrivers(), bare=True, config=self._config())
        for name in self.environments:
            Path(f"{self.folder}-{name}").mkdir()
        self._commit("ledger", dict(self._ledger()))
        pins = "".join(f"{name}: {self.versions[-1]}\n" for name in self.components).encode()
        self._commit("main", {f"environments/{name}.yaml": pins for name in self.environments})
        return self

    def _config(self) -> bytes:
        lines = ["repositories:", f"  releases: {{driver: directory, path: {self.folder}-releases}}", "components:"]
        lines += [f"  {name}: {{repository: releases, group: com.example}}" for name in self.components]
        ports = {name: 20_000 + number for number, name in enumerate(self.components)} if self.small else {}
        listed = ", ".join(f"{name}: {port}" for name, port in ports.items())
        lines += ["hosts:"] + [
            f"  {name}: {{driver: local, folder: {self.folder}-{name}, ports: {{{listed}}}}}"
            for name in self.environments
        ]
        lines += ["groups:"] + [f"  g-{name}: [{name}]" for name in self.environments]
        lines += ["environments:"]
        for before, name in zip(("", *self.environments), self.environments, strict=False):
            way = f"from: {before}, " if before else "follow: latest, "
            lines.append(f"  {name}: {{{way}hosts: g-{name}, deploy: {{driver: archive}}}}")
        return "\n".join([*lines, ""]).encode()

    def _ledger(self) -> Iterator[tuple[str, bytes]]:
        pins: dict[str, dict[str, current.Entry]] = {name: {} for name in self.environments}
        for component in self.components:
            for number, version in enumerate(self.versions):
                path = ledgerfiles.component_path(component, version)
                story = self._told(path, self._story(component, version), timedelta(hours=number))
                yield path, b"".join(map(ledgerfiles.line, story))
                if version == self.versions[-1]:
                    for record in story.of(Pinned):
                        pins[record.env][component] = current.Entry(version=version, record=record.id)
            yield resolving.newest_path(component), resolving.extended(None, "semver", self.versions[-50:], list)
        for name in self.environments:
            yield from self._history(name, pins[name])

    def _history(self, name: str, pins: dict[str, current.Entry]) -> Iterator[tuple[str, bytes]]:
        """Deploys of one moved component each, all in one month, and the index of what stands then."""
        records = self._told(ledgerfiles.environment_path(name), self._chronicle(name))
        files = chronicle.cut(name, ((record.at, ledgerfiles.line(record)) for record in records))
        yield from files.items()
        ids = {path: object_id(content, like="0" * 40) for path, content in files.items()}
        index = current.Index(history=chronicle.digest(ids), pins=pins)
        where = {record.id: path for path, content in files.items() for record in ledgerfiles.read(content, path=path)}
        versions = dict.fromkeys(self.components, self.versions[-1])
        for record in records:
            index = current.advanced(index, where[record.id], (record,), lambda _: versions)
        yield current.current_path(name), current.written(index)

    def _story(self, component: str, version: str) -> list[Record]:
        file = Artifact(name=f"{component}-{version}.tar.gz", size=1000, sha256=SHA)
        story: list[Record] = [Built(manifest=SHA, commit="c" * 40, author="olle", artifacts=(file,))]
        at = self.environments[: max(1, len(self.environments) if version == self.versions[-1] else 1)]
        for name in at:
            story += [Pinned(env=name, how="follow"), Deployed(env=name, group=f"g-{name}", manifest=SHA)]
            story.append(Tests(env=name, suite="regression", manifest=SHA, passed=23))
        return story

    def _chronicle(self, name: str) -> list[Record]:
        """Deploys that move one component to and fro; the last leaves the newest versions."""
        group, newest, first = f"g-{name}", self.versions[-1], self.components[0]
        chronicle: list[Record] = []
        for number in range(self.deploys):
            version_before = self.versions[-1 - (self.deploys - 1 - number) % 2]
            moved = (
                {first: version_before} if number else {**dict.fromkeys(self.components, newest), first: version_before}
            )
            before = {first: self.versions[-1 - (self.deploys - number) % 2]} if number else {}
            standing = dict.fromkeys(self.components, newest) | moved
            the_set = set_name({component: (version, SHA) for component, version in standing.items()})
            chronicle.append(Intent(verb="deploy", group=group, nonce=number, gated=True, changed=moved, before=before))
            chronicle.append(Deployed(group=group, set=the_set, changed=moved, before=before))
            chronicle.append(Done())
        return chronicle

    def _told(self, path: str, records: list[Record], since: timedelta = timedelta()) -> Story:
        """The records with their ids and times, a second after each other."""
        self.records += len(records)
        story: list[Record] = []
        ids = {"": ""}
        for number, record in enumerate(records):
            at = START + since + timedelta(seconds=number)
            if isinstance(record, Intent | Deployed) and story:
                record = replace(record, base=ids["deployed"]) if "deployed" in ids else record
            elif isinstance(record, Done):
                record = replace(record, of=ids["intent"])
            if isinstance(record, Deployed) and "intent" in ids and path.startswith("environments/"):
                record = replace(record, of=ids["intent"])
            written = ledgerfiles.next_record(Story(story[-1:]), path, record, by=CI, at=at, again=True)
            assert written is not None
            story.append(written)
            ids[written.what] = written.id
        return Story(story)

    def _commit(self, branch: str, files: dict[str, bytes]) -> None:
        head = f"commit refs/heads/{branch}\ncommitter bench <bench@example.com> 1795420800 +0000\ndata 0\n"
        chunks = [f"{head}from refs/heads/{branch}^0\n".encode()]
        chunks += [b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(c), c) for path, c in files.items()]
        subprocess.run(["git", "-C", self.folder, "fast-import", "--quiet"], input=b"".join(chunks), check=True)
        subprocess.run(["git", "-C", self.folder, "repack", "-adq"], check=True)

    def command(self, *words: str) -> Cost:
        return run([sys.executable, "-m", "sluicegate", "-C", str(self.folder), *words])

    def status(self) -> Cost:
        return self.command("status", "--json")

    def fresh_status(self) -> Cost:
        """The matrix as it is read when nobody has asked for it at these tips yet."""
        for kept in Path(os.environ["XDG_CACHE_HOME"]).glob("sluicegate/*.status"):
            kept.unlink()
        return self.status()

    def explain(self) -> Cost:
        return self.command("explain", f"{self.components[0]}={self.versions[-1]}", "--to", self.environments[1])

    def sync(self) -> Cost:
        return self.command("sync", self.environments[0], "--dry-run", "--remove")

    def pin(self) -> Cost:
        """Move a pin to and fro: a change of both branches."""
        self.turns += 1
        version = self.versions[-1 - self.turns % 2]
        return self.command("pin", f"{self.components[0]}={version}", "--in", self.environments[1])

    def pins_set_back(self) -> None:
        """Every component of the first environment is pinned to the version before the newest, by a commit."""
        pins = "".join(f"{name}: {self.versions[-2]}\n" for name in self.components).encode()
        self._commit("main", {f"environments/{self.environments[0]}.yaml": pins})

    def follow(self) -> Cost:
        """The pins of the first environment follow; its hosts are none, so that only the book is written."""
        script = (
            "import sys\n"
            "from sluicegate.delivery.book.repo import DeliveryRepo\n"
            "from sluicegate.delivery.changes.sync import follow\n"
            "from sluicegate.tools.git import Store\n"
            "from sluicegate.wiring import EntryPointDrivers\n"
            "with Store(sys.argv[1], ('main', 'ledger')) as store:\n"
            "    follow(DeliveryRepo(store, EntryPointDrivers()), 'e0')\n"
        )
        return run([sys.executable, "-c", script, str(self.folder)])


class Plain:
    """Plain Git as a writer: each has a clone, commits a line to a file of its own, and pushes until it is taken."""

    def __init__(self, folder: Path, writers: int) -> None:
        self.folder = folder
        git("init", "--quiet", "--bare", "--initial-branch=main", folder / "origin")
        git("clone", "--quiet", folder / "origin", folder / "0")
        git("-C", folder / "0", "commit", "--quiet", "--allow-empty", "-m", "first")
        git("-C", folder / "0", "push", "--quiet", "origin", "HEAD:main")
        for number in range(1, writers):
            git("clone", "--quiet", folder / "origin", folder / f"{number}")

    def round(self, number: int = 0) -> list[str]:
        """The command of one writer: fetch, commit, push, again when somebody else was first."""
        place = self.folder / str(number)
        script = (
            f"cd {place}; until git fetch -q && git reset -q --hard origin/main && echo x >> f{number}"
            f" && git add f{number} && git commit -q -m x && git push -q origin HEAD:main; do :; done 2>/dev/null"
        )
        return ["sh", "-c", script]


def generated(folder: Path, **sizes: int) -> Organisation:
    """A delivery repo that another process has written: what it needed would count as the peak of each command here."""
    script = (
        "import json, sys; from pathlib import Path; from bench.book import Organisation;"
        "print(Organisation(Path(sys.argv[1]), **json.loads(sys.argv[2])).write().records)"
    )
    words = [sys.executable, "-c", script, str(folder), json.dumps(sizes)]
    shop = Organisation(folder, **sizes)
    shop.records = int(subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)
    return shop


def git(*words: str | Path) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


def compared(rounds: int, **ways: Callable[[], Cost]) -> dict[str, Cost]:
    """The median cost of each way, in rounds that take turns."""
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            cost = way()
            if number:  # the first warms up
                costs[name].append(cost)
    return {
        name: Cost(
            wall=statistics.median(c.wall for c in some), cpu=statistics.median(c.cpu for c in some),
            peak=max(c.peak for c in some),
        )
        for name, some in costs.items()
    }  # fmt: skip


def together(commands: list[list[str]]) -> float:
    """Seconds until processes that run at the same time have all ended well."""
    began = time.perf_counter()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for command in commands]
    for process in running:
        stderr = process.communicate()[1]
        if process.returncode:
            sys.exit(f"{process.args} failed with {process.returncode}: {stderr.decode()[-500:]}")
    return time.perf_counter() - began


def of_status(place: Path, chosen: argparse.Namespace) -> None:
    whole = generated(place / "whole", components=chosen.components, environments=10, versions=18, deploys=1)
    print(json.dumps({"components": chosen.components, "environments": 10, "records": whole.records}))
    costs = compared(chosen.rounds, cold=whole.fresh_status, again=whole.status)
    report("status-1000x10/1 s of processor", costs["cold"].cpu, 1.0)
    report("status-1000x10-again/0.3 s of processor", costs["again"].cpu / 0.3, 1.0)
    report("status-1000x10 peak/150 MB", costs["cold"].peak / 150, 1.0)


def of_years(place: Path, chosen: argparse.Namespace) -> None:
    few = generated(place / "few", components=30, environments=3, versions=10, deploys=10)
    long = generated(place / "long", components=30, environments=3, versions=10, deploys=chosen.deploys)
    for what in ("fresh_status", "explain", "sync", "pin"):
        costs = compared(chosen.rounds, few=getattr(few, what), long=getattr(long, what))
        report(f"{what}-{chosen.deploys}-deploys/10-deploys", costs["long"].cpu / costs["few"].cpu, 1.3)


def of_versions(place: Path, chosen: argparse.Namespace) -> None:
    few = generated(place / "few-versions", components=30, environments=3, versions=10, deploys=1)
    many = generated(place / "many-versions", components=30, environments=3, versions=1000, deploys=1)
    for what in ("fresh_status", "explain", "sync", "pin"):
        costs = compared(chosen.rounds, few=getattr(few, what), many=getattr(many, what))
        report(f"{what}-1000-versions/10-versions", costs["many"].cpu / costs["few"].cpu, 1.3)


def of_sync(place: Path, chosen: argparse.Namespace) -> None:
    moved = generated(place / "moved", components=chosen.components, environments=2, versions=3, deploys=1)
    moved.pins_set_back()
    first, again = moved.follow(), moved.follow()
    report("sync-1000-moved/5 s of processor", first.cpu / 5, 1.0)
    report("sync-nothing-to-do/1 s of processor", again.cpu, 1.0)


LIVES = """
import json, sys, threading, time
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.moves import pinning
from sluicegate.tools.git import Store
from sluicegate.wiring import EntryPointDrivers
place, count, *components = sys.argv[1:]
begin, ended, spans = threading.Barrier(len(components) + 1), [], []

def work(component):
    with Store(place, ("main", "ledger")) as store:
        repo = DeliveryRepo(store, EntryPointDrivers())
        begin.wait()
        for turn in range(int(count)):
            began = time.perf_counter()
            pinning.pin(repo, component, f"1.{1 + turn % 2}.0", "e1", why="")
            spans.append(time.perf_counter() - began)
    ended.append(component)

threads = [threading.Thread(target=work, args=[component]) for component in components]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.readline()
begin.wait()
for thread in threads:
    thread.join()
print(json.dumps(spans))
sys.exit(len(ended) != len(components))
"""

STARTS = """
import json, subprocess, sys, time
place, count, component = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
spans = []
for turn in range(int(count)):
    words = ["-m", "sluicegate", "-C", place, "pin", f"{component}=1.{1 + turn % 2}.0", "--in", "e1"]
    began = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    spans.append(time.perf_counter() - began)
print(json.dumps(spans))
"""


def lasting(commands: list[list[str]], homes: list[str]) -> tuple[float, list[float]]:
    """Seconds from the line that processes wait for until all have ended well, and those of each change.

    `homes`: their caches.
    """
    running = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "XDG_CACHE_HOME": home}
        )
        for command, home in zip(commands, homes, strict=True)
    ]
    for process in running:
        assert process.stdout is not None
        process.stdout.readline()
    began = time.perf_counter()
    for process in running:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    if failed := [process.args for process in running if process.wait()]:
        sys.exit(f"{failed[0]} failed")
    took = time.perf_counter() - began
    return took, [span for one in running if one.stdout is not None for span in json.loads(one.stdout.read())]


def of_writers(place: Path, chosen: argparse.Namespace) -> None:
    shop = Organisation(place / "shop", components=16, environments=2, versions=3, deploys=1).write()
    (place / "plain").mkdir()
    plain = Plain(place / "plain", 16)
    costs = compared(chosen.rounds, pin=shop.pin, status=shop.status, git=lambda: run(plain.round()))
    report("(pin - status)/git-round", (costs["pin"].wall - costs["status"].wall) / costs["git"].wall, 1.3)
    report("(pin - status)/git-round of processor", (costs["pin"].cpu - costs["status"].cpu) / costs["git"].cpu, 1.3)
    walls: dict[str, list[float]] = {"ours": [], "plain": []}
    cpus: dict[str, list[float]] = {"ours": [], "plain": []}
    for turn in range(chosen.rounds):
        words = [sys.executable, "-m", "sluicegate", "-C", str(shop.folder), "pin"]
        version = shop.versions[-1 - turn % 2]
        pins = [[*words, f"{component}={version}", "--in", "e1"] for component in shop.components]
        for who, commands in (("ours", pins), ("plain", [plain.round(number) for number in range(16)])):
            before = os.times()
            walls[who].append(together(commands))
            after = os.times()
            cpus[who].append(after[2] + after[3] - before[2] - before[3])
    for what, taken in (("", walls), (" of processor", cpus)):
        ratio = statistics.median(taken["ours"]) / statistics.median(taken["plain"])
        report(f"16-writers/16-plain-loops{what}", ratio, 1 / 1.7)


def of_lasting(place: Path, chosen: argparse.Namespace) -> None:
    """Writers that live long: what they take for each change, without their start."""
    shop = Organisation(place / "lasting", components=16, environments=2, versions=3, deploys=1).write()
    (place / "loops").mkdir()
    plain, turns = Plain(place / "loops", 16), 8
    words, names = [sys.executable, "-c", LIVES], shop.components
    path, url = str(shop.folder), f"file://{shop.folder}"
    one_home, homes = os.environ["XDG_CACHE_HOME"], [f"{place}/home{number}" for number in range(16)]
    ways = {  # what is measured, its processes with their homes, how many loops of plain Git, the limit
        "1-lasting-writer": ([[*words, path, str(turns), names[0]]], [one_home], 1, 1 / 0.6),
        "1-lasting-writer-by-url": ([[*words, url, str(turns), names[0]]], [one_home], 1, 1 / 0.6),
        "16-writers-of-one-process": ([[*words, path, str(turns), *names]], [one_home], 16, 1 / 4),
        "16-writers-of-one-process-by-url": ([[*words, url, str(turns), *names]], [one_home], 16, 1 / 4),
        "16-homes": ([[*words, path, str(turns), name] for name in names], homes, 16, 1.0),
        "16-homes-by-url": ([[*words, url, str(turns), name] for name in names], homes, 16, 1.0),
    }
    for what, (commands, caches, writers, limit) in ways.items():
        ours, theirs, spans = [], [], []
        for _ in range(chosen.rounds):
            took, some = lasting(commands, caches)
            ours.append(took)
            spans += some
            loops = [f"for turn in $(seq {turns}); do {plain.round(number)[2]}; done" for number in range(writers)]
            theirs.append(together([["sh", "-c", loop] for loop in loops]))
        report(f"{what}/{writers}-plain-loops", statistics.median(ours) / statistics.median(theirs), limit)
        if writers > 1:
            tail(what, spans)


def of_commands(place: Path, chosen: argparse.Namespace) -> None:
    """How long the unlucky wait where many write: a command for each change, and homes of a repository at a server."""
    shop = Organisation(place / "commands", components=16, environments=2, versions=3, deploys=1).write()
    turns, names, path, url = 8, shop.components, str(shop.folder), f"file://{shop.folder}"
    one_home, homes = os.environ["XDG_CACHE_HOME"], [f"{place}/commands-home{number}" for number in range(16)]
    server = f"ssh://server{path}"
    os.environ |= {"GIT_SSH_COMMAND": str(stand_in(place / "ssh")), "GIT_SSH_VARIANT": "simple"}
    changes = {  # what is measured, how they are made, where, their homes
        "16-writers-by-command": (STARTS, path, [one_home] * 16),
        "16-writers-by-command-and-url": (STARTS, url, [one_home] * 16),
        "16-homes-by-command": (STARTS, path, homes),
        "16-homes-by-command-and-url": (STARTS, url, homes),
        "16-homes-at-a-server": (LIVES, server, homes),
    }
    for what, (script, location, caches) in changes.items():
        commands = [[sys.executable, "-c", script, location, str(turns), name] for name in names]
        tail(what, [span for _ in range(chosen.rounds) for span in lasting(commands, caches)[1]])


def stand_in(program: Path) -> Path:
    """What Git takes for ssh: a shell on this machine, so that a repository is as far as one at a server."""
    program.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    program.chmod(0o755)
    return program


def tail(what: str, spans: list[float]) -> None:
    """How long the unlucky of many writers wait, to the others."""
    report(f"{what} p95/median", statistics.quantiles(spans, n=20)[-1] / statistics.median(spans), 10.0)


PARTS = {
    "status": of_status,
    "years": of_years,
    "versions": of_versions,
    "sync": of_sync,
    "writers": of_writers,
    "lasting": of_lasting,
    "commands": of_commands,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--components", type=int, default=1000)
    parser.add_argument("--deploys", type=int, default=10_000)
    parser.add_argument("--only", default=",".join(PARTS))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"  # what was seen of these repositories goes away with them
        for name in chosen.only.split(","):
            PARTS[name](Path(folder), chosen)


if __name__ == "__main__":
    main()
