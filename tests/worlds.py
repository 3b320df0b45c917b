"""Small organisations for tests: a real delivery repo and a fake outside.

Longer than a module should be: `Shop` has people who do things, on a clock that is set; `World` is one in which
commands die, and says what must hold afterwards. Both have the same outside.
"""

from __future__ import annotations

import copy
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from sluicegate.config import read_config
from sluicegate.delivery.artifacts.provenance import Extras
from sluicegate.delivery.artifacts.publish import Published, publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.book.state import LEDGER, MAIN, State
from sluicegate.delivery.changes import rollback, swap, swapping, sync
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.planning import Plan
from sluicegate.delivery.changes.resume import Resumed, open_intents, resume
from sluicegate.delivery.moves import evidence, pinning
from sluicegate.delivery.moves.evidence import TestRun
from sluicegate.delivery.moves.promote import Move, promote
from sluicegate.model.config import Config, Environment
from sluicegate.model.evidence import Intent
from sluicegate.model.manifest import Artifact
from sluicegate.model.serving import Serving, Standing
from sluicegate.model.values import Actor
from sluicegate.ports import Balancer, Deployer, Directory, Gate, Host, Pool, Reporter, Repository
from sluicegate.tools import door, process
from sluicegate.tools.git import Edit, Signature, Store
from sluicegate.wiring import EntryPointDrivers
from tests.fakes import FakeBalancer, FakeDeployer, FakeDirectory, FakeHost, FakePool, FakeRepository

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
SUITES = {"integration": "regression", "staging": "acceptance"}
CONFIG = b"""\
repositories:
  releases: {driver: fake}
components:
  auth:   {repository: releases, group: com.example}
  portal: {repository: releases, group: com.example, needs: [auth]}
roles:
  qa:              {members: [anna, olle]}
  release-manager: {members: [rita, olle]}
hosts:
  int1: {driver: fake}
  room1: {driver: fake}
  room2: {driver: fake}
  blue1: {driver: fake}
  blue2: {driver: fake}
  green1: {driver: fake}
  green2: {driver: fake}
groups:
  int: [int1]
  rooms: [room1, room2]
  blue: [blue1, blue2]
  green: [green1, green2]
environments:
  integration:
    follow: latest
    hosts: int
    deploy: {driver: fake}
    after: {regression: {command: ["true", "{component}"]}}
  training:                       # in place, without a parallel side
    from: integration
    gates: [{tests: {suite: regression}}]
    hosts: rooms
    deploy: {driver: fake}
  staging:
    from: integration
    gates: [{tests: {suite: regression, minimum: 2}}, {approval: {role: qa}}]
    hosts: {one-of: [blue, green]}
    deploy: {driver: fake}
    after: {acceptance: {command: ["true", "{component}"]}}
  production:
    from: staging
    gates:
      - tests: {suite: acceptance, together: true}
      - approval: {role: release-manager, not: author}
    hosts: {one-of: [blue, green]}
    deploy: {driver: fake}
    swaps-with: staging
    balancer: {driver: fake, sessions: keep, keep-for: 30 min}
"""
TWO_REPOSITORIES = b"""\
repositories:
  releases: {driver: fake}
  archive: {driver: fake}
components:
  auth: {repository: releases, group: com.example, git: "ssh://git@git.example.com/auth.git"}
  portal: {repository: releases, group: com.example}
hosts:
  int1: {driver: fake}
  blue1: {driver: fake}
  green1: {driver: fake}
groups: {int: [int1], blue: [blue1], green: [green1]}
environments:
  integration: {hosts: int, deploy: {driver: fake}}
  staging: {from: integration, hosts: {one-of: [blue, green]}, deploy: {driver: fake}}
  production:
    from: staging
    hosts: {one-of: [blue, green]}
    deploy: {driver: fake}
    swaps-with: staging
    balancer: {driver: fake}
"""
"""For what is done with files: no gates, and a second repository."""
UNGATED = """\
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
"""For commands that die: no gates, one host a group."""


class OutsideBalancer(FakeBalancer):
    """A balancer whose calls pass the door, as a real one's do; it is probed where `url` says so."""

    url = ""

    def live(self) -> str:
        door.passing("balancer live")
        return super().live()

    def switch(self, to: str, *, keep_sessions: bool) -> None:
        door.passing(f"balancer switch {to}")
        super().switch(to, keep_sessions=keep_sessions)

    def release(self) -> None:
        door.passing("balancer release")
        super().release()

    def addresses(self, component: str) -> tuple[str, ...]:
        return (f"{self.url}/{component}",) if self.url else ()


class OutsidePool(FakePool):
    """A pool whose calls pass the door; `least` is the smallest number of hosts that ever took new users."""

    least = 1000

    def turn(self, hosts: Sequence[str], to: Standing) -> None:
        door.passing(f"pool {to} {','.join(hosts)}")
        super().turn(hosts, to)
        self.least = min(self.least, sum(serving.serves for serving in super().survey().values()))

    def survey(self) -> dict[str, Serving]:
        door.passing("pool survey")
        return super().survey()


class OutsideDeployer(FakeDeployer):
    """A deployer whose changes pass the door."""

    def install(self, host: Any, component: str, release: Any) -> None:
        door.passing(f"install {component} on {host.name}")
        super().install(host, component, release)

    def remove(self, host: Any, component: str) -> None:
        door.passing(f"remove {component} from {host.name}")
        super().remove(host, component)


class OutsideRepository(FakeRepository):
    """A repository whose changes pass the door."""

    def put(self, component: Any, version: str, name: str, source: Path) -> Artifact:
        door.passing(f"put {name}")
        return super().put(component, version, name, source)

    def announce(self, component: Any, versions: Any) -> None:
        door.passing(f"announce {component.name}")
        super().announce(component, versions)


class FakeDrivers:
    """The real configuration and the real gates; everything outside is a fake."""

    def __init__(self) -> None:
        self.releases: FakeRepository = OutsideRepository()
        self.archive = FakeRepository()
        self.hosts = {name: FakeHost(name) for name in read_config(CONFIG).hosts}
        self.deployers: FakeDeployer = OutsideDeployer()
        self.users: FakeBalancer = OutsideBalancer()
        self.rooms = OutsidePool()
        self.people = FakeDirectory()

    def config(self, content: bytes, read_other: Callable[[str], bytes | None]) -> Config:
        return read_config(content, read_other)

    def repository(self, config: Config, name: str) -> Repository:
        return self.archive if name == "archive" else self.releases

    def directory(self, config: Config, name: str) -> Directory:
        return self.people

    def gates(self, config: Config, environment: Environment) -> tuple[Gate, ...]:
        return EntryPointDrivers().gates(config, environment)

    def host(self, config: Config, name: str) -> Host:
        return self.hosts[name]

    def deployer(self, config: Config, environment: Environment) -> Deployer:
        return self.deployers

    def reporter(self, config: Config, environment: Environment) -> Reporter | None:
        return self.deployers if isinstance(self.deployers, Reporter) else None

    def balancer(self, config: Config, environment: Environment) -> Balancer:
        return self.users

    def pool(self, config: Config, environment: Environment) -> Pool:
        return self.rooms


LOOSE = 16
"""So many folders of loose objects are not worth packing."""


def pack(bare: Path) -> None:
    """Put all objects into one file, where there are many: a test copies such a repository, some of them 60 times."""
    if len(list((bare / "objects").iterdir())) > LOOSE:
        subprocess.run(["git", "-C", bare, "gc", "--quiet", "--prune=now"], check=True)


class Shop:
    """The delivery repo below `root`, with everybody who works with it. Closed at the end of `with`."""

    def __init__(self, root: Path, drivers: FakeDrivers | None = None, now: datetime = START) -> None:
        self.root = root
        self.bare = root / "delivery.git"
        self.drivers = drivers or FakeDrivers()
        self.now = now
        self.repos: dict[str, DeliveryRepo] = {}
        self.suites = 0

    @classmethod
    def opened(cls, root: Path, config: bytes = CONFIG) -> Shop:
        shop = cls(root)
        root.mkdir(exist_ok=True)
        init_repo(shop.bare, shop.drivers, bare=True, config=config)
        return shop

    def copied(self, root: Path) -> Shop:
        """The same organisation once more, in another folder."""
        pack(self.bare)
        shutil.copytree(self.bare, root / "delivery.git")
        shop = Shop(root, copy.deepcopy(self.drivers), self.now)
        shop.suites = self.suites
        return shop

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for repo in self.repos.values():
            repo.store.close()
        self.repos = {}

    def pass_time(self, span: timedelta = timedelta(seconds=1)) -> None:
        self.now += span

    def by(self, user: str, *, verified: bool = True, build: int = 0) -> DeliveryRepo:
        """The repo in somebody's hands; every build is a source of its own."""
        source = f"https://ci.example.com/job/{user}/{build}/" if verified else f"git:{user}"
        if source not in self.repos:
            actor = Actor(user=user, source=source, verified=verified)
            self.repos[source] = self.opened_by(actor)
        return self.repos[source]

    def opened_by(self, actor: Actor, location: str = "", cache: Path | None = None) -> DeliveryRepo:
        store = Store(location or str(self.bare), (MAIN, LEDGER), cache=cache)
        return DeliveryRepo(store, self.drivers, actor=actor, clock=lambda: self.now)

    @property
    def repo(self) -> DeliveryRepo:
        """The repo in the hands of olle, who has no build, a minute later than before."""
        self.pass_time(timedelta(minutes=1))
        return self.by("olle", verified=False)

    @property
    def releases(self) -> FakeRepository:
        return self.drivers.releases

    @property
    def archive(self) -> FakeRepository:
        return self.drivers.archive

    @property
    def state(self) -> State:
        return self.by("reader").state()

    @property
    def tips(self) -> dict[str, str]:
        return self.by("reader").store.tips()

    # what people do

    def publish(
        self, component: str, version: str, content: str = "", *, author: str = "olle", build: int = 0
    ) -> Published:
        self.pass_time()
        path = self.root / f"{component}.tar.gz"
        path.write_text(content or f"{component} {version}")
        origin = Origin(commit="c" * 40, author=author, committed=self.now, build_started=self.now)
        return publish(self.by("ci", build=build), component, version, [path], origin)

    def publish_file(
        self, component: str, version: str, content: bytes = b"", *, origin: Origin | None = None,
        extras: Extras | None = None,
    ) -> Published:  # fmt: skip
        """By hand, a file that is called as its version is."""
        path = self.root / f"{component}-{version}.tar.gz"
        path.write_bytes(content or f"{component} {version}".encode())
        origin = origin or Origin(commit=f"{version.replace('.', ''):0<40}", author="anna")
        return publish(self.repo, component, version, [path], origin, extras=extras)

    def run(self, environment: str, pins: Mapping[str, str]) -> None:
        """Pin and deploy by hand."""
        for component, version in pins.items():
            pinning.pin(self.repo, component, version, environment, why="")
        deploy(self.repo, environment)

    def sync(self, environment: str = "integration", user: str = "ci", **options: Any) -> sync.Synced:
        self.pass_time()
        return sync.sync(self.by(user), environment, **options)

    def deploy(self, environment: str, user: str = "ci", **options: Any) -> Plan:
        self.pass_time()
        return deploy(self.by(user), environment, **options)

    def tested(
        self, component: str, version: str, environment: str = "integration", *, passed: int = 5, failed: int = 0,
        suite: str = "", build: int = 0,
    ) -> None:  # fmt: skip
        self.pass_time()
        self.suites += 1
        run = TestRun(passed=passed, failed=failed, skipped=0, digest=f"{self.suites:064}")
        repo = self.by("tester", build=build or self.suites)
        evidence.record_tests(repo, component, version, environment, suite or SUITES[environment], run)

    def approve(self, component: str, version: str, to: str = "staging", user: str = "", **options: Any) -> None:
        self._judge(component, version, to, user, approve=True, **options)

    def reject(self, component: str, version: str, to: str = "staging", user: str = "", **options: Any) -> None:
        self._judge(component, version, to, user, approve=False, **options)

    def _judge(
        self, component: str, version: str, to: str, user: str, *, approve: bool, verified: bool = True, build: int = 0,
        role: str = "", why: str = "",
    ) -> None:  # fmt: skip
        self.pass_time()
        who, acting = ("anna", "qa") if to == "staging" else ("rita", "release-manager")
        repo = self.by(user or who, verified=verified, build=build)
        evidence.judge(repo, component, version, to, role or acting, approve=approve, why=why)

    def veto(self, component: str, version: str, environment: str = "", *, lift: bool = False) -> None:
        self.pass_time()
        evidence.veto(self.by("rita"), component, version, environment, lift=lift, why="bad")

    def promote(
        self, to: str = "staging", user: str = "anna", downgrade: tuple[str, ...] = (), **wanted: str
    ) -> tuple[Move, ...]:
        self.pass_time()
        return promote(self.by(user), wanted, to, downgrade=downgrade)

    def swap(self, user: str = "rita", **options: Any) -> swapping.Swap:
        self.pass_time()
        return swap.swap(self.by(user), "production", **options)

    def rollback(self, environment: str = "production", component: str = "", **options: Any) -> rollback.Rollback:
        self.pass_time()
        return rollback.rollback(self.by("rita"), environment, component, **options)

    def resume(self, user: str = "rita", **options: Any) -> tuple[Resumed, ...]:
        self.pass_time()
        return resume(self.by(user), **options)

    def begin(self, environment: str, verb: str, user: str = "berta", **facts: Any) -> Intent:
        """The intent of a command that does not end; its process is this one, unless `pid` and `host` say otherwise."""
        pid = facts.pop("pid", os.getpid())
        born = facts.pop("born", process.born(pid))
        host = facts.pop("host", process.machine())
        intent = Intent(verb=verb, host=host, pid=pid, born=born, nonce=time.time_ns(), **facts)

        def decide(state: State, draft: Draft) -> Intent:
            return draft.note_environment(environment, intent)

        return self.by(user).change(decide, f"{verb} {environment}: begin")

    def edited(self, path: str, content: str | bytes | None) -> None:
        """Somebody commits a file to `main` by hand."""
        self.pass_time()
        store = self.by("hand").store
        text = content.encode() if isinstance(content, str) else content
        edit = Edit(branch=MAIN, base=store.tips()[MAIN], files={path: text})
        store.push([edit], "by hand\n", by=store.signature, at=self.now)

    def pin_by_hand(self, environment: str, **pins: str) -> None:
        now = self.pins(environment) | pins
        self.edited(f"environments/{environment}.yaml", "".join(f"{c}: {v}\n" for c, v in now.items()))

    # whole ways

    def to_integration(self, **wanted: str) -> None:
        for component, version in wanted.items():
            self.publish(component, version)
        self.sync()
        for component, version in wanted.items():
            self.tested(component, version)

    def to_staging(self, **wanted: str) -> None:
        self.to_integration(**wanted)
        for component, version in wanted.items():
            self.approve(component, version)
        self.promote(**wanted)
        self.pass_time(timedelta(hours=1))
        self.sync("staging")

    def accepted(self, **wanted: str) -> None:
        """Everything that production's gates want, for what runs in staging."""
        for component, version in wanted.items():
            self.tested(component, version, "staging")
            self.approve(component, version, "production")

    def to_production(self, **wanted: str) -> None:
        self.to_staging(**wanted)
        self.accepted(**wanted)
        self.swap()

    # what is there

    def pins(self, environment: str) -> dict[str, str]:
        return {component: pin.version for component, pin in self.state.pins(environment).items()}

    def story(self, component: str, version: str, *whats: str) -> list[Any]:
        return [r for r in self.state.story(component, version) if not whats or r.what in whats]

    def chronicle(self, environment: str, *whats: str) -> list[Any]:
        return [r for r in self.state.chronicle(environment) if not whats or r.what in whats]

    def kinds(self, component: str, version: str) -> list[str]:
        return [record.what for record in self.story(component, version)]

    def running(self, host: str) -> dict[str, str]:
        """What a host really has."""
        versions = {}
        for component in ("auth", "portal"):
            content = self.drivers.hosts[host].files.get(f"apps/{component}/current")
            if content:
                versions[component] = content.decode().partition("\n")[0]
        return versions

    def users_reach(self) -> dict[str, str]:
        return self.running(f"{self.drivers.users.group}1")

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Neither branch, no host and no balancer is another at the end."""
        before = (self.tips, self.outside())
        yield
        assert (self.tips, self.outside()) == before

    def outside(self) -> tuple[object, ...]:
        hosts = {name: dict(host.files) for name, host in self.drivers.hosts.items()}
        return dict(self.drivers.releases.files), hosts, self.drivers.users.group, self.drivers.users.keeps


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


class PassingDrivers(FakeDrivers):
    """The same, and every call to the outside passes the door under the name of its class."""

    def __init__(self) -> None:
        super().__init__()
        self.releases = PassingRepository()
        self.hosts = {name: PassingHost(name) for name in ("int1", "blue1", "green1")}
        self.deployers = PassingDeployer()
        self.users = UnprobedBalancer()


@dataclass
class World:
    """A delivery repo and the outside, which can be copied as they are."""

    folder: Path
    drivers: PassingDrivers = field(default_factory=PassingDrivers)

    @contextmanager
    def repo(self) -> Iterator[DeliveryRepo]:
        """A fresh process' view of the repo."""
        with Store(str(self.folder / "delivery.git"), (MAIN, LEDGER)) as store:
            yield DeliveryRepo(store, self.drivers, actor=Actor(user="rita", source="test"))

    def copy(self, folder: Path) -> World:
        pack(self.folder / "delivery.git")
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
        versions = {}
        for component in ("auth", "portal"):
            if content := host.files.get(f"apps/{component}/current"):
                versions[component] = content.decode().partition("\n")[0]
        return versions

    def to_staging(self, repo: DeliveryRepo, **wanted: str) -> None:
        sync.sync(repo, "integration")
        promote(repo, wanted, "staging")
        deploy(repo, "staging")


def build(folder: Path) -> World:
    """Version 1.0.0 of both components is in production."""
    folder.mkdir()
    world = World(folder=folder)
    init_repo(folder / "delivery.git", world.drivers, bare=True, config=UNGATED.encode())
    with world.repo() as repo:
        world.publish(repo, "auth", "1.0.0")
        world.publish(repo, "portal", "1.0.0")
        world.to_staging(repo, auth="1.0.0", portal="1.0.0")
        swap.swap(repo, "production")
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
        recorded = {name: installed.version for name, installed in standing.installed.items()} if standing else {}
        assert recorded == world.on_host(group), environment.name


def edit(repo: DeliveryRepo, path: str, content: bytes | None) -> None:
    """A commit to `main` by hand, as a person or another tool makes it."""
    by = Signature(name="olle", email="olle@example.com")
    base = repo.store.tips()[MAIN]
    repo.store.push(
        (Edit(branch=MAIN, base=base, files={path: content}),), f"Edit {path}\n", by=by, at=datetime.now(UTC)
    )
