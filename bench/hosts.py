"""Many hosts: how close the fan-out comes to the ideal for its width, and what planning for many costs.

    python bench/hosts.py [--hosts 500] [--width 50] [--rounds 3] [--rows]

The hosts are in this process and answer each call after 50 ms, so that only our own share is measured: no network, no
ssh. Each line `ratio NAME VALUE goal <=LIMIT` is the median of the rounds against the time that the latency alone
would take for that width, or against a limit in seconds or MB. The plan is made in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.publish import print_rows, report

from sluicegate.config import read_config
from sluicegate.delivery.answers.asking import AT_ONCE as ASKED_AT_ONCE
from sluicegate.delivery.book import current, resolving
from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes.applying import _Work, silent
from sluicegate.delivery.changes.planning import Plan, make_plan
from sluicegate.model import ledgerfiles
from sluicegate.model.config import Config, Environment
from sluicegate.model.evidence import Built, Intent
from sluicegate.model.manifest import Artifact, Release
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.story import Story
from sluicegate.model.values import Actor, Installed
from sluicegate.ports import Wanted
from sluicegate.tools.git import Edit, Store
from sluicegate.wiring import EntryPointDrivers

LATENCY = 0.05
COMPONENTS, ON_EACH = 1000, 10
SHA = "a" * 64


class Host:
    def __init__(self, name: str) -> None:
        self.name = name


class Deployer:
    """Each call takes the latency; the hosts have the version before."""

    carries = False

    def __init__(self, latency: float, components: list[str]) -> None:
        self.latency = latency
        self.there = {name: Installed(version="1.0.0") for name in components}

    def survey(self, host: Host) -> Mapping[str, Installed]:
        time.sleep(self.latency)
        return self.there

    def inspect(self, release: Release) -> tuple[str, ...]:
        return ()

    def refusals(self, host: Host, wanted: Wanted) -> tuple[str, ...]:
        time.sleep(self.latency)
        return ()

    def apply(self, host: Host, wanted: Wanted, intent: str) -> Mapping[str, Outcome]:
        time.sleep(self.latency)
        return dict.fromkeys(wanted, DONE)


class Drivers(EntryPointDrivers):
    """The real configuration, and hosts in this process."""

    def __init__(self, latency: float) -> None:
        super().__init__()
        self.deployer_used = Deployer(latency, used())

    def config(self, content: bytes, read_other: Callable[[str], bytes | None]) -> Config:
        return read_config(content, read_other)

    def host(self, config: Config, name: str) -> Host:  # type: ignore[override]
        return Host(name)

    def deployer(self, config: Config, environment: Environment) -> Deployer:  # type: ignore[override]
        return self.deployer_used


def used() -> list[str]:
    return [f"c{number}" for number in range(ON_EACH)]


def organisation(folder: Path, hosts: int, width: int) -> None:
    """A thousand components, ten of which are pinned in an environment of many hosts."""
    names = [f"h{number}" for number in range(hosts)]
    lines = ["repositories:", f"  releases: {{driver: directory, path: {folder}-releases}}", "components:"]
    lines += [f"  c{number}: {{repository: releases, group: com.example}}" for number in range(COMPONENTS)]
    lines += ["hosts:", *(f"  {name}: {{driver: ssh, address: {name}.example.com}}" for name in names)]
    lines += [f"groups: {{all: [{', '.join(names)}]}}", "environments:"]
    lines.append(f"  production: {{hosts: all, deploy: {{driver: archive, at-once: {width}}}}}")
    init_repo(folder, Drivers(0.0), bare=True, config="\n".join([*lines, ""]).encode())
    stories: dict[str, bytes | None] = {}
    for component in used():
        path = ledgerfiles.component_path(component, "2.0.0")
        built = Built(manifest=SHA, artifacts=(Artifact(name=f"{component}.tar.gz", size=1, sha256=SHA),))
        record = ledgerfiles.next_record(
            Story(), path, built, by=Actor(user="ci", source="bench"), at=datetime(2026, 1, 1, tzinfo=UTC)
        )
        assert record is not None
        stories[path] = ledgerfiles.line(record)
        stories[resolving.newest_path(component)] = resolving.extended(None, "semver", ["2.0.0"], list)
    pins = "".join(f"{component}: 2.0.0\n" for component in used()).encode()
    stories[current.current_path("production")] = current.written(current.Index())
    with Store(str(folder), (MAIN, LEDGER)) as store:
        tips = store.tips()
        edits = [
            Edit(branch=MAIN, base=tips[MAIN], files={"environments/production.yaml": pins}),
            Edit(branch=LEDGER, base=tips[LEDGER], files=stories),
        ]
        store.push(edits, "bench\n", by=store.signature, at=datetime(2026, 1, 2, tzinfo=UTC))


def planned(folder: Path, latency: float) -> tuple[State, Plan, float]:
    """The state, the plan, and how long that took from the file to the plan."""
    began = time.perf_counter()
    with Store(str(folder), (MAIN, LEDGER)) as store:
        state = State(store, Drivers(latency), datetime.now(UTC))
        plan = make_plan(state, state.config.environment("production"), dict.fromkeys(used(), "2.0.0"))
        return state, plan, time.perf_counter() - began


def fan_out(folder: Path) -> tuple[float, float]:
    """How long asking and changing all hosts took, without reading the delivery repo."""
    with Store(str(folder), (MAIN, LEDGER)) as store:
        state = State(store, Drivers(LATENCY), datetime.now(UTC))
        environment = state.config.environment("production")
        state.read_stories((component, "2.0.0") for component in used())
        began = time.perf_counter()
        plan = make_plan(state, environment, dict.fromkeys(used(), "2.0.0"))
        asked_at = time.perf_counter()
        work = _Work(state=state, plan=plan, intent=Intent(verb="deploy"), say=silent)
        work.fetch(folder)
        work.apply()
        changed = time.perf_counter()
        assert len(work.ended().endings) == len(state.config.hosts) and not work.ended().behind
        return asked_at - began, changed - asked_at


def ideal(hosts: int, width: int) -> float:
    return math.ceil(hosts / width) * LATENCY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", type=int, default=500)
    parser.add_argument("--width", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", action="store_true", help="print rows for docs/performance.md")
    parser.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plan:
        _, plan, seconds = planned(options.plan, 0.0)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"seconds": seconds, "peak": peak, "steps": len(plan.steps)}))
        return
    with tempfile.TemporaryDirectory(prefix="sluicegate-") as temporary:
        for hosts, width in ((50, 10), (options.hosts, options.width)):
            folder = Path(temporary) / f"{hosts}.git"
            organisation(folder, hosts, width)
            times = [fan_out(folder) for _ in range(options.rounds)]
            asking = 2 * ideal(hosts, ASKED_AT_ONCE)
            changing = LATENCY + ideal(hosts - 1, width)
            asking_took, changed = (statistics.median(column) for column in zip(*times, strict=True))
            report(
                f"{hosts} hosts of 50 ms, asked {ASKED_AT_ONCE} at once: wall clock to the ideal",
                asking_took / asking,
                1.2,
            )
            report(f"{hosts} hosts of 50 ms, changed {width} at once: wall clock to the ideal", changed / changing, 1.2)
        words = [sys.executable, __file__, "--plan", str(folder)]
        plans = [
            json.loads(subprocess.run(words, capture_output=True, check=True).stdout) for _ in range(options.rounds)
        ]
        assert plans[0]["steps"] == options.hosts * ON_EACH
        what = f"a plan for {COMPONENTS} components, {ON_EACH} on each of {options.hosts} hosts"
        report(f"{what}: seconds to 2", statistics.median(plan_cost["seconds"] for plan_cost in plans) / 2, 1.0)
        report(f"{what}: MB at the peak to 200", max(plan_cost["peak"] for plan_cost in plans) / 200, 1.0)
    if options.rows:
        print_rows("hosts.py")


if __name__ == "__main__":
    main()
