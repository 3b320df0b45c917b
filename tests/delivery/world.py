"""A small world for delivery's tests: a bare delivery repo, clones of it, the fakes outside, and a clock."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sluicegate.delivery.evidence import TestRun, judge, record_tests
from sluicegate.delivery.promote import promote
from sluicegate.delivery.publish import Origin, publish
from sluicegate.delivery.repo import DeliveryRepo, Draft
from sluicegate.delivery.setup import init_repo
from sluicegate.delivery.state import LEDGER, MAIN, State
from sluicegate.delivery.swap import swap
from sluicegate.delivery.sync import sync
from sluicegate.errors import SluicegateError
from sluicegate.model.values import Actor, Installed, Record
from sluicegate.tools.git import Store
from tests.delivery.drivers import FakeDrivers

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
PAIR = """\
requires: ">=0.1"
repositories:
  releases: {driver: fake}
components:
  auth:   {repository: releases, group: com.example}
  portal: {repository: releases, group: com.example, needs: [auth]}
roles:
  qa:              {members: [anna, adam]}
  release-manager: {members: [rita, olle]}
hosts:
  int1: {driver: fake}
  app1: {driver: fake}
  app2: {driver: fake}
  app3: {driver: fake}
  app4: {driver: fake}
groups:
  int: [int1]
  blue: [app1, app2]
  green: [app3, app4]
environments:
  integration:
    follow: latest
    hosts: int
    deploy: {driver: fake}
  staging:
    from: integration
    gates:
      - tests: {suite: regression, minimum: 10}
      - approval: {role: qa}
    hosts: {one-of: [blue, green]}
    deploy: {driver: fake}
  production:
    from: staging
    gates:
      - tests: {suite: acceptance, together: true}
      - approval: {role: release-manager, not: author}
    hosts: {one-of: [blue, green]}
    deploy: {driver: fake}
    swaps-with: staging
    balancer: {driver: fake, sessions: keep, keep-for: 30 min}
objective: {commit-to-integration: 15 min}
"""
IN_PLACE = PAIR.replace("    swaps-with: staging\n", "").replace("{one-of: [blue, green]}", "blue", 1)
IN_PLACE = IN_PLACE.replace("{one-of: [blue, green]}", "green")
IN_PLACE = IN_PLACE.replace("    balancer: {driver: fake, sessions: keep, keep-for: 30 min}\n", "")


def git(*words: str | Path, at: Path) -> str:
    done = subprocess.run(["git", "-C", at, *words], check=True, capture_output=True, text=True)
    return done.stdout


@contextmanager
def raising(error: type[SluicegateError], text: str = "") -> Iterator[pytest.ExceptionInfo[Any]]:
    """The block must raise this error with these words in its message."""
    with pytest.raises(error) as found:
        yield found
    assert text in str(found.value)


def person(user: str, source: str = "", *, verified: bool = True) -> Actor:
    return Actor(user=user, source=source or f"http://ci.invalid/job/{user}/1/", verified=verified)


class World:
    """One bare delivery repo and the way to act on it as somebody. Every act by `as_` is one of another build."""

    def __init__(self, folder: Path, config: str = PAIR) -> None:
        self.folder = folder
        self.bare = folder / "delivery.git"
        self.drivers = FakeDrivers()
        self.now = START
        self.builds = 0
        self._open = ExitStack()
        init_repo(self.bare, self.drivers, bare=True, config=config.encode())
        self.store = self.open(str(self.bare))

    def open(self, location: str) -> Store:
        return self._open.enter_context(Store(location, (MAIN, LEDGER), cache=self.folder / "cache"))

    def close(self) -> None:
        self._open.close()

    def as_(self, user: str = "olle", source: str = "", *, verified: bool = True, store: Store | None = None,
            clock: Callable[[], datetime] | None = None) -> DeliveryRepo:  # fmt: skip
        """The delivery repo in the hands of somebody, in a build of its own where no source is named."""
        self.builds += 1
        who = person(user, source or f"http://ci.invalid/job/{user}/{self.builds}/", verified=verified)
        return DeliveryRepo(store or self.store, self.drivers, actor=who, clock=clock or self.tick)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    @property
    def state(self) -> State:
        return State(self.store, self.drivers, self.now)

    # what happens on the way of a version

    def file(self, component: str, version: str, content: str = "") -> Path:
        folder = self.folder / "built"
        folder.mkdir(exist_ok=True)
        path = folder / f"{component}.tar.gz"
        path.write_text(content or f"{component} {version}")
        return path

    def publish(self, *versions: str, author: str = "nils", repo: DeliveryRepo | None = None) -> None:
        for one in versions:
            component, _, version = one.partition("=")
            file = self.file(component, version)
            publish(repo or self.as_(), component, version, [file], Origin(commit="c" * 40, author=author))

    def sync(self, environment: str = "integration", **words: Any) -> Any:
        return sync(self.as_(), environment, **words)

    def tests(self, one: str, environment: str, suite: str, *, passed: int = 20, failed: int = 0) -> None:
        component, _, version = one.partition("=")
        run = TestRun(passed=passed, failed=failed, skipped=0, digest=f"{self.builds:064d}")
        record_tests(self.as_("ci"), component, version, environment, suite, run)

    def approve(self, one: str, to: str, role: str, user: str = "", *, verified: bool = True) -> None:
        self._judge(one, to, role, user, verified=verified, approve=True)

    def reject(self, one: str, to: str, role: str, user: str = "", *, why: str = "") -> None:
        self._judge(one, to, role, user, approve=False, why=why)

    def _judge(
        self, one: str, to: str, role: str, user: str, *, approve: bool, verified: bool = True, why: str = ""
    ) -> None:
        component, _, version = one.partition("=")
        who = user or {"qa": "anna", "release-manager": "rita"}[role]
        judge(self.as_(who, verified=verified), component, version, to, role, approve=approve, why=why)

    def to_integration(self, *versions: str, author: str = "nils") -> None:
        """Published, deployed in integration, tested and sealed: ready for staging."""
        self.publish(*versions, author=author)
        self.sync("integration")
        for one in versions:
            self.tests(one, "integration", "regression")
            self.approve(one, "staging", "qa")

    def to_staging(self, *versions: str, author: str = "nils") -> None:
        """Promoted to staging, deployed, tested together and approved: ready for production."""
        self.to_integration(*versions, author=author)
        promote(self.as_(), dict(one.split("=") for one in versions), "staging")
        self.sync("staging", end_sessions=True)
        self.ready(*versions)

    def ready(self, *versions: str) -> None:
        """Tested in staging, on the set that is there now, and approved."""
        for one in versions:
            self.tests(one, "staging", "acceptance")
            self.approve(one, "production", "release-manager")

    def to_production(self, *versions: str, author: str = "nils") -> None:
        """Swapped into production. The sessions on the other group are over."""
        self.to_staging(*versions, author=author)
        swap(self.as_("rita"), "production")
        self.later(hours=1)

    # what is seen afterwards

    def pins(self, environment: str) -> dict[str, str]:
        return {name: pin.version for name, pin in self.state.pins(environment).items()}

    def on(self, host: str) -> dict[str, str]:
        return {name: one.version for name, one in self.drivers.installed(host).items()}

    def live(self) -> dict[str, str]:
        """What users of production reach."""
        return self.on({"blue": "app1", "green": "app3"}[self.drivers.the_balancer.group])

    def story(self, one: str, what: str = "") -> list[Record]:
        component, _, version = one.partition("=")
        return [record for record in self.state.story(component, version) if what in ("", record.what)]

    def chronicle(self, environment: str, what: str = "") -> list[Record]:
        return [record for record in self.state.chronicle(environment) if what in ("", record.what)]

    def tips(self) -> dict[str, str]:
        return self.store.tips()

    # what people and accidents do

    def edit(self, path: str, content: str) -> None:
        """A commit to `main` by hand."""
        work = self.folder / f"work{self.builds}"
        self.builds += 1
        git("clone", "--quiet", "--branch", "main", str(self.bare), str(work), at=self.folder)
        (work / path).write_text(content)
        git("commit", "--quiet", "--all", "--message", f"edit {path}", at=work)
        git("push", "--quiet", "origin", "main", at=work)

    def begin(self, environment: str, verb: str, user: str = "rita", **facts: Any) -> Record:
        """An intent that nobody ends: the command died."""
        from sluicegate.delivery import intents

        def decide(state: State, draft: Draft) -> Record:
            return intents.begin(draft, environment, verb, **facts)

        return self.as_(user).change(decide, "begin")

    def put_on(self, host: str, **versions: str) -> None:
        """What a dead command had already done to a host."""
        for component, version in versions.items():
            one = Installed(version=version, manifest=self.state.manifest(component, version))
            content = f"{one.version}\n{one.manifest}".encode()
            self.drivers.fake_host(host).files[f"apps/{component}/current"] = content
