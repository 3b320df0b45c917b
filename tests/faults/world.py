"""A small delivery on a real bare Git repository with stand-ins for the outside, and what must hold after a crash."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sluicegate.delivery.artifacts.publish import publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.resume import open_intents
from sluicegate.delivery.changes.swap import swap
from sluicegate.delivery.changes.sync import sync
from sluicegate.delivery.moves.promote import promote
from sluicegate.model.config import Config, Environment
from sluicegate.model.values import Actor
from sluicegate.tools import door
from sluicegate.tools.git import Edit, Signature, Store
from sluicegate.wiring import EntryPointDrivers
from tests.fakes import FakeBalancer, FakeDeployer, FakeHost, FakeRepository

CONFIG = """\
repositories:
  releases: {driver: fake}
components:
  auth: {repository: releases, group: com.example}
  portal: {repository: releases, group: com.example, needs: [auth]}
hosts:
  int1: {driver: fake}
  blue1: {driver: fake}
  green1: {driver: fake}
groups:
  int: [int1]
  blue: [blue1]
  green: [green1]
environments:
  integration: {follow: latest, hosts: int, deploy: {driver: fake}}
  staging: {from: integration, hosts: {one-of: [blue, green]}, deploy: {driver: fake}}
  production:
    from: staging
    hosts: {one-of: [blue, green]}
    deploy: {driver: fake}
    swaps-with: staging
    balancer: {driver: fake, sessions: end}
"""


class Killed(BaseException):
    """The process is dead: nothing of it happens any more."""


def announced(kind: type[Any], *names: str) -> Any:
    """The class with every call of these methods passing the door, as a driver's own calls do."""

    def passing(name: str) -> Callable[..., Any]:
        original = getattr(kind, name)

        def call(self: Any, *words: Any, **options: Any) -> Any:
            door.passing(f"{kind.__name__} {name}")
            return original(self, *words, **options)

        return call

    return type(f"Passing{kind.__name__}", (kind,), {name: passing(name) for name in names})


PassingBalancer = announced(FakeBalancer, "live", "switch", "release")
PassingHost = announced(FakeHost, "read", "send", "link", "remove", "restart", "stop")
PassingDeployer = announced(FakeDeployer, "survey", "install", "remove")
PassingRepository = announced(FakeRepository, "put", "fetch", "names", "announce")


class UnprobedBalancer(PassingBalancer):  # type: ignore[misc]
    """Nothing answers behind a stand-in, so there is nothing to look through."""

    def addresses(self, component: str) -> tuple[str, ...]:
        return ()


class FakeDrivers(EntryPointDrivers):
    """One stand-in for each entry of the configuration; the gates are the real ones."""

    def __init__(self) -> None:
        super().__init__()
        self.store = PassingRepository()
        self.hosts = {name: PassingHost(name) for name in ("int1", "blue1", "green1")}
        self.way = PassingDeployer()
        self.users = UnprobedBalancer()

    def repository(self, config: Config, name: str) -> Any:
        return self.store

    def host(self, config: Config, name: str) -> Any:
        return self.hosts[name]

    def deployer(self, config: Config, environment: Environment) -> Any:
        return self.way

    def balancer(self, config: Config, environment: Environment) -> Any:
        return self.users


@dataclass
class World:
    """A delivery repo and the outside, which can be copied as they are."""

    folder: Path
    drivers: FakeDrivers = field(default_factory=FakeDrivers)

    @contextmanager
    def repo(self) -> Iterator[DeliveryRepo]:
        """A fresh process' view of the repo."""
        with Store(str(self.folder / "delivery.git"), (MAIN, LEDGER)) as store:
            yield DeliveryRepo(store, self.drivers, actor=Actor(user="rita", source="test"))

    def copy(self, folder: Path) -> World:
        shutil.copytree(self.folder, folder)
        return World(folder=folder, drivers=copy.deepcopy(self.drivers))

    def archive(self, component: str, version: str) -> Path:
        path = self.folder / f"{component}-{version}.tar.gz"
        if not path.exists():
            path.write_bytes(f"{component} {version}".encode())
        return path

    def publish(self, repo: DeliveryRepo, component: str, version: str) -> None:
        publish(repo, component, version, [self.archive(component, version)], Origin())

    def on_host(self, group: str) -> dict[str, str]:
        """What a group's host really has."""
        host = self.drivers.hosts[f"{group}1"]
        found = {}
        for component in ("auth", "portal"):
            if content := host.files.get(f"apps/{component}/current"):
                found[component] = content.decode().partition("\n")[0]
        return found

    def to_staging(self, repo: DeliveryRepo, **wanted: str) -> None:
        sync(repo, "integration")
        promote(repo, wanted, "staging")
        deploy(repo, "staging")


def build(folder: Path) -> World:
    """Version 1.0.0 of both components is in production."""
    folder.mkdir()
    world = World(folder=folder)
    init_repo(folder / "delivery.git", world.drivers, bare=True, config=CONFIG.encode())
    with world.repo() as repo:
        world.publish(repo, "auth", "1.0.0")
        world.publish(repo, "portal", "1.0.0")
        world.to_staging(repo, auth="1.0.0", portal="1.0.0")
        swap(repo, "production")
    return world


def pinned(state: State, environment: str) -> dict[str, str]:
    return {name: pin.version for name, pin in state.pins(environment).items()}


def check_consistent(world: World, state: State) -> None:
    """What must hold whenever nothing is under way."""
    assert open_intents(state) == ()
    production, staging = (state.config.environment(name) for name in ("production", "staging"))
    live, idle = state.servers["production"], state.servers["staging"]
    assert {live, idle} == {"blue", "green"}
    assert world.drivers.users.live() == live
    last = state.last_swap(production)
    assert last is not None
    assert (last.live, last.idle) == (live, idle)
    assert last.pins == pinned(state, "production")
    assert world.on_host(live) == pinned(state, "production")
    for environment, group in ((production, live), (staging, idle)):
        standing = state.effective(environment)
        recorded = {name: one.version for name, one in standing.installed.items()} if standing else {}
        assert recorded == world.on_host(group), environment.name


def edit(repo: DeliveryRepo, path: str, content: bytes | None) -> None:
    """A commit to `main` by hand, as a person or another tool makes it."""
    by = Signature(name="olle", email="olle@example.com")
    base = repo.store.tips()[MAIN]
    repo.store.push(
        (Edit(branch=MAIN, base=base, files={path: content}),), f"Edit {path}\n", by=by, at=datetime.now(UTC)
    )
