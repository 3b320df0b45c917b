"""The delivery repo with the years: how commands grow with components, versions and records; generated repositories.

    python bench/book.py [--rounds 3] [--components 1000] [--rows]

Each line `ratio NAME VALUE goal <=LIMIT` compares medians of rounds that take turns, in one run: against a limit in
seconds or against the same command over a smaller repository. Every command is a fresh process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.publish import Cost, print_rows, report, run

from sluicegate.delivery.book import chronicle, current, resolving
from sluicegate.delivery.book.setup import init_repo
from sluicegate.model import ledger
from sluicegate.model.evidence import Built, Deployed, Done, Intent, Pinned, Record, Tests
from sluicegate.model.story import Story
from sluicegate.model.values import Actor, Artifact, set_name
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

    def write(self) -> Organisation:
        init_repo(self.folder, EntryPointDrivers(), bare=True, config=self._config())
        self._commit("ledger", dict(self._ledger()))
        pins = "".join(f"{name}: {self.versions[-1]}\n" for name in self.components).encode()
        self._commit("main", {f"environments/{name}.yaml": pins for name in self.environments})
        return self

    def _config(self) -> bytes:
        lines = ["repositories:", f"  releases: {{driver: directory, path: {self.folder}-releases}}", "components:"]
        lines += [f"  {name}: {{repository: releases, group: com.example}}" for name in self.components]
        lines += ["hosts:"] + [
            f"  {name}: {{driver: local, folder: {self.folder}-{name}, ports: {{}}}}" for name in self.environments
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
                path = ledger.component_path(component, version)
                story = self._told(path, self._story(component, version), timedelta(hours=number))
                yield path, b"".join(map(ledger.line, story))
                if version == self.versions[-1]:
                    for record in story.of(Pinned):
                        pins[record.env][component] = current.Entry(version=version, record=record.id)
            yield resolving.newest_path(component), resolving.extended(None, "semver", self.versions[-50:], list)
        for name in self.environments:
            yield from self._history(name, pins[name])

    def _history(self, name: str, pins: dict[str, current.Entry]) -> Iterator[tuple[str, bytes]]:
        """Deploys of one moved component each, all in one month, and the index of what stands then."""
        records = self._told(ledger.environment_path(name), self._chronicle(name))
        files = chronicle.cut(name, ((record.at, ledger.line(record)) for record in records))
        yield from files.items()
        ids = {path: object_id(content, like="0" * 40) for path, content in files.items()}
        index = current.Index(history=chronicle.digest(ids), pins=pins)
        where = {record.id: path for path, content in files.items() for record in ledger.read(content)}
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
            other = self.versions[-1 - (self.deploys - 1 - number) % 2]
            moved = {first: other} if number else {**dict.fromkeys(self.components, newest), first: other}
            before = {first: self.versions[-1 - (self.deploys - number) % 2]} if number else {}
            standing = dict.fromkeys(self.components, newest) | moved
            the_set = set_name({one: (version, SHA) for one, version in standing.items()})
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
            written = ledger.next_record(Story(story[-1:]), path, record, by=CI, at=at, again=True)
            assert written is not None
            story.append(written)
            ids[written.what] = written.id
        return Story(story)

    def _commit(self, branch: str, files: dict[str, bytes]) -> None:
        head = f"commit refs/heads/{branch}\ncommitter bench <bench@example.com> 1795420800 +0000\ndata 0\n"
        said = [f"{head}from refs/heads/{branch}^0\n".encode()]
        said += [b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(c), c) for path, c in files.items()]
        subprocess.run(["git", "-C", self.folder, "fast-import", "--quiet"], input=b"".join(said), check=True)
        subprocess.run(["git", "-C", self.folder, "repack", "-adq"], check=True)

    def status(self) -> Cost:
        return run([sys.executable, "-m", "sluicegate", "-C", str(self.folder), "status", "--json"])


def measured(rounds: int, *organisations: Organisation) -> list[Cost]:
    """The median cost of `status` over each, in rounds that take turns."""
    costs: dict[int, list[Cost]] = {number: [] for number in range(len(organisations))}
    for _ in range(rounds):
        for number, one in enumerate(organisations):
            costs[number].append(one.status())
    return [
        Cost(
            wall=statistics.median(c.wall for c in some), cpu=statistics.median(c.cpu for c in some),
            peak=max(c.peak for c in some),
        )
        for some in costs.values()
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--components", type=int, default=1000)
    parser.add_argument("--rows", action="store_true", help="also as rows for docs/performance.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sluicegate-bench-") as folder:
        place = Path(folder)
        whole = Organisation(
            place / "whole", components=chosen.components, environments=10, versions=18, deploys=1
        ).write()  # fmt: skip
        print(json.dumps({"components": chosen.components, "environments": 10, "records": whole.records}))
        (cost,) = measured(chosen.rounds, whole)
        report("status-1000x10/1 s of processor", cost.cpu, 1.0)
        report("status-1000x10 peak/150 MB", cost.peak / 150, 1.0)
        few = Organisation(place / "few", components=30, environments=3, versions=10, deploys=1).write()
        many = Organisation(place / "many", components=30, environments=3, versions=1000, deploys=1).write()
        less, more = measured(max(chosen.rounds, 5), few, many)
        report("status-1000-versions/10-versions", more.wall / less.wall, 1.3)
        long = Organisation(place / "long", components=30, environments=3, versions=10, deploys=1000).write()
        less, more = measured(chosen.rounds, few, long)
        report("status-1000-deploys/1-deploy", more.wall / less.wall, 1.3)
    if chosen.rows:
        print_rows("book.py")


if __name__ == "__main__":
    main()
