"""A small organisation for tests: a real delivery repo, fakes for everything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluicegate.config import read_config
from sluicegate.delivery.artifacts.provenance import Extras
from sluicegate.delivery.artifacts.publish import Published, publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.swap import swap
from sluicegate.delivery.moves.pinning import pin
from sluicegate.model.config import Config, Environment
from sluicegate.model.values import Actor
from sluicegate.ports import Balancer, Deployer, Gate, Host, Repository
from sluicegate.tools.git import Store
from tests.fakes import FakeBalancer, FakeDeployer, FakeHost, FakeRepository

CONFIG = """
repositories:
  releases: {driver: directory, path: /nonexistent/releases}
  archive: {driver: directory, path: /nonexistent/archive}
components:
  auth: {repository: releases, group: com.example, git: "ssh://git@git.example.com/auth.git"}
  portal: {repository: releases, group: com.example}
hosts:
  int1: {driver: local}
  blue1: {driver: local}
  green1: {driver: local}
groups: {int: [int1], blue: [blue1], green: [green1]}
environments:
  integration: {hosts: int, deploy: {driver: archive}}
  staging: {from: integration, hosts: {one-of: [blue, green]}, deploy: {driver: archive}}
  production:
    from: staging
    hosts: {one-of: [blue, green]}
    deploy: {driver: archive}
    swaps-with: staging
    balancer: {driver: caddy}
"""


class FakeDrivers:
    """One fake per name; no gates."""

    def __init__(self) -> None:
        self.repositories: dict[str, FakeRepository] = {"releases": FakeRepository(), "archive": FakeRepository()}
        self.hosts: dict[str, FakeHost] = {}
        self.fake_deployer, self.fake_balancer = FakeDeployer(), FakeBalancer()

    def config(self, content: bytes, other: Callable[[str], bytes | None]) -> Config:
        return read_config(content, other)

    def repository(self, config: Config, name: str) -> Repository:
        return self.repositories[name]

    def gates(self, config: Config, environment: Environment) -> tuple[Gate, ...]:
        return ()

    def host(self, config: Config, name: str) -> Host:
        return self.hosts.setdefault(name, FakeHost(name))

    def deployer(self, config: Config, environment: Environment) -> Deployer:
        return self.fake_deployer

    def balancer(self, config: Config, environment: Environment) -> Balancer:
        return _Silent(self.fake_balancer)


class _Silent(FakeBalancer):
    """Leads users nowhere, so that nobody probes."""

    def __init__(self, real: FakeBalancer) -> None:
        super().__init__()
        self.real = real

    def live(self) -> str:
        return self.real.live()

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        self.real.switch(to, keep_sessions=keep_sessions)

    def addresses(self, component: str) -> tuple[str, ...]:
        return ()


@dataclass
class Shop:
    """The organisation; its clock goes on by a minute a look."""

    folder: Path
    store: Store
    drivers: FakeDrivers = field(default_factory=FakeDrivers)
    now: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    @property
    def repo(self) -> DeliveryRepo:
        return DeliveryRepo(self.store, self.drivers, actor=Actor(user="olle", source="test"), clock=self.tick)

    def tick(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now

    def state(self) -> State:
        return self.repo.state()

    def publish(
        self, component: str, version: str, content: bytes = b"", *, origin: Origin | None = None,
        extras: Extras | None = None,
    ) -> Published:  # fmt: skip
        path = self.folder / f"{component}-{version}.tar.gz"
        path.write_bytes(content or f"{component} {version}".encode())
        origin = origin or Origin(commit=f"{version.replace('.', ''):0<40}", author="anna")
        return publish(self.repo, component, version, [path], origin, extras=extras)

    def run(self, environment: str, pins: Mapping[str, str]) -> None:
        """Pin and deploy."""
        for component, version in pins.items():
            pin(self.repo, component, version, environment, why="")
        deploy(self.repo, environment)

    def swap(self) -> None:
        swap(self.repo, "production")

    @property
    def releases(self) -> FakeRepository:
        return self.drivers.repositories["releases"]

    @property
    def archive(self) -> FakeRepository:
        return self.drivers.repositories["archive"]


def make_shop(folder: Path) -> Shop:
    drivers = FakeDrivers()
    init_repo(folder / "delivery.git", drivers, bare=True, config=CONFIG.encode())
    return Shop(folder=folder, store=Store(str(folder / "delivery.git"), (MAIN, LEDGER)), drivers=drivers)
