"""What every deployer does. On hosts that ssh reaches it is in tests/real/test_deployers.py."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from sluicegate.deployers.ansible import AnsibleDeployer
from sluicegate.deployers.archive import ArchiveDeployer
from sluicegate.deployers.command import CommandDeployer
from sluicegate.deployers.keepers import SupervisorKeeper
from sluicegate.deployers.packages import PackagesDeployer
from sluicegate.deployers.puppet import PuppetDeployer
from sluicegate.errors import RemoteUnavailable
from sluicegate.hosts.local import LocalHost
from sluicegate.model.config import Config
from sluicegate.model.manifest import Release
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.values import Installed
from sluicegate.ports import Deployer, Host
from sluicegate.tools import door
from tests import programs
from tests.agents import AgentHost
from tests.fakes import FakeDeployer, FakeHost
from tests.parts import CONFIG, Replying, app_files, free_port, no_host, release, settings, web_server
from tests.remotes import Line, ShellHost


@dataclass(kw_only=True)
class Bench:
    """A deployer with a host, and a release of it that starts but never answers its version.

    `breaks`: at about how many of its calls a change is broken off, one after the other.
    """

    deployer: Deployer
    host: Host
    silent: Callable[[str], Release]
    take_down: Callable[[], object]
    breaks: int = 4

    def install(self, wanted: Release) -> Outcome:
        return self.deployer.apply(self.host, {"auth": wanted}, "intent")["auth"]

    def remove(self) -> Outcome:
        return self.deployer.apply(self.host, {"auth": None}, "intent")["auth"]

    @property
    def installed(self) -> Installed | None:
        return self.deployer.survey(self.host).get("auth")


OTHERS = ("command on local host", "command on remote host", "command for all hosts")


@pytest.fixture(params=["fake", "archive on local host", "archive on remote host", "packages", "puppet", *OTHERS])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield _fake_bench(tmp_path)
        return
    if request.param in OTHERS:
        with _others_bench(request.param, tmp_path) as deployer_bench:
            yield deployer_bench
        return
    if request.param == "packages":
        with _packages_bench(tmp_path) as deployer_bench:
            yield deployer_bench
        return
    if request.param == "puppet":
        with _puppet_bench(tmp_path) as deployer_bench:
            yield deployer_bench
        return
    folder = tmp_path / "host"
    folder.mkdir()
    ports = {"auth": free_port()}
    host: Host = LocalHost(name="int1", folder=folder, ports=ports)
    if "remote" in request.param:
        line = Line(latency=0.002)
        host = ShellHost(name="int1", folder="ours", root=folder, reached_at="127.0.0.1", ports=ports, line=line)
    keeper = SupervisorKeeper.of(host, CONFIG)
    yield Bench(
        deployer=ArchiveDeployer.configure("archive", settings(timeout="1 s"), CONFIG, no_host),
        host=host,
        silent=lambda version: release(tmp_path, version, app_files("0.0")),
        take_down=lambda: (keeper.shutdown(), folder.rename(tmp_path / "unplugged")),  # type: ignore[func-returns-value]
    )
    keeper.shutdown()


def _fake_bench(tmp_path: Path) -> Bench:
    deployer, host = FakeDeployer(), FakeHost()

    def silent(version: str) -> Release:
        deployer.silent.add(version)
        return release(tmp_path, version)

    return Bench(deployer=deployer, host=host, silent=silent, take_down=lambda: setattr(host, "down", True))


@dataclass(kw_only=True)
class Packages:
    """A package manager in memory, whose service answers with what is installed, unless that is in `silent`.

    The real ones are in tests/real: apt in test_apt.py, dnf in test_dnf.py.
    """

    source: str = "ours"
    there: dict[str, str] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def installed(self, host: Host, packages: Collection[str]) -> dict[str, str]:
        host.run(["true"])  # raises when the host is down
        return {name: version for name, version in self.there.items() if name in packages}

    def broken(self, host: Host) -> str:
        return ""

    def offered(self, host: Host, packages: Collection[str]) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(packages, ("1.0", "2.0"))

    def trial(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> str:
        return ""

    def change(self, host: Host, install: Mapping[str, str], remove: Sequence[str]) -> None:
        host.run(["true"])
        self.there = {name: version for name, version in self.there.items() if name not in remove} | dict(install)

    def asking(self, packages: Sequence[str]) -> str:
        return "look"

    def answers(self) -> bytes:
        version = self.there.get("auth", "")
        return b"starting" if version in self.silent else version.encode()


@contextmanager
def _packages_bench(tmp_path: Path) -> Iterator[Bench]:
    manager, folder = Packages(), tmp_path / "host"
    folder.mkdir()

    class Service(Replying):
        def do_GET(self) -> None:
            self.reply(manager.answers())

    with web_server(Service) as port:
        deployer = PackagesDeployer(
            config=CONFIG,
            packages={"auth": ("auth",), "portal": ("portal",)},
            manager=manager,
            timeout=timedelta(seconds=0.3),
        )

        def silent(version: str) -> Release:
            manager.silent.add(version)
            return release(tmp_path, version)

        host = LocalHost(name="int1", folder=folder, ports={"auth": port})
        yield Bench(
            deployer=deployer, host=host, silent=silent, take_down=lambda: folder.rename(tmp_path / "unplugged")
        )


@contextmanager
def _others_bench(kind: str, tmp_path: Path) -> Iterator[Bench]:
    folder = tmp_path / "host"
    ours = folder / "ours" if "remote" in kind else folder
    ours.mkdir(parents=True)

    def host(port: int) -> Host:
        if "remote" in kind:
            return ShellHost(name="int1", folder="ours", root=folder, reached_at="127.0.0.1", ports={"auth": port})
        return LocalHost(name="int1", folder=folder, ports={"auth": port})

    with others_bench(kind, host, ours, tmp_path) as deployer_bench:
        deployer_bench.take_down = lambda: folder.rename(tmp_path / "unplugged")
        yield deployer_bench


@contextmanager
def others_bench(
    kind: str, host: Callable[[int], Host], ours: Path, tmp_path: Path, config: Config = CONFIG
) -> Iterator[Bench]:
    """Deployers that have somebody else's programs change a host, whose folder is `ours`."""
    silents = set[str]()
    theirs = programs.programs(tmp_path / "programs")
    with programs.service(ours, silents) as port:
        deployer: Deployer
        if "ansible" in kind:
            deployer = AnsibleDeployer.configure("int", settings(**programs.playbooks(theirs)), config, no_host)
        else:
            values = programs.once(theirs, {"int1": ours}) if "for all" in kind else programs.on_host(theirs)
            deployer = CommandDeployer.configure("int", settings(**values), config, no_host)

        def silent(version: str) -> Release:
            silents.add(version)
            return release(tmp_path, version)

        yield Bench(deployer=deployer, host=host(port), silent=silent, take_down=lambda: None)


@contextmanager
def _puppet_bench(tmp_path: Path) -> Iterator[Bench]:
    """With an agent in memory; Puppet itself is in tests/real/test_puppet.py."""
    folder, assigned, silenced = tmp_path / "host", tmp_path / "assigned", set[str]()
    folder.mkdir()
    assigned.mkdir()
    has: dict[str, str] = {}

    class Service(Replying):
        def do_GET(self) -> None:
            version = has.get("auth", "")
            self.reply(b"starting" if version in silenced else version.encode())

    with web_server(Service) as port:
        host = AgentHost(name="int1", folder=folder, ports={"auth": port}, assigned=assigned / "int1.yaml", has=has)
        driver_settings = settings(assigned={"folder": str(assigned)}, root="false", timeout="1 s")

        def silent(version: str) -> Release:
            silenced.add(version)
            return release(tmp_path, version)

        yield Bench(
            deployer=PuppetDeployer.configure("training", driver_settings, CONFIG, no_host), host=host, silent=silent,
            take_down=lambda: folder.rename(tmp_path / "unplugged"),
        )  # fmt: skip


def same(there: Installed | None, of: Release) -> bool:
    """Some hosts know the version only."""
    return there is not None and there.version == of.version and there.manifest in ("", of.manifest)


def test_a_fresh_host_has_nothing(bench: Bench) -> None:
    assert bench.deployer.survey(bench.host) == {}


def test_what_was_installed_is_there_and_can_be_replaced_and_brought_back(bench: Bench, tmp_path: Path) -> None:
    first, second = release(tmp_path, "1.0"), release(tmp_path, "2.0")
    for wanted in (first, second, first):
        assert bench.install(wanted) == DONE
        assert same(bench.installed, wanted)


def test_files_that_it_would_install_are_not_doubtful(bench: Bench, tmp_path: Path) -> None:
    assert bench.deployer.inspect(release(tmp_path, "1.0")) == ()


def test_installing_again_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    for _ in range(2):
        assert bench.deployer.refusals(bench.host, {"auth": wanted}) == ()
        assert bench.install(wanted) == DONE
    assert same(bench.installed, wanted)


def test_a_version_that_does_not_answer_fails_and_does_not_count_as_installed(bench: Bench, tmp_path: Path) -> None:
    good = release(tmp_path, "1.0")
    bench.install(good)
    outcome = bench.install(bench.silent("2.0"))
    assert (outcome.ending, "answer" in outcome.why) == ("failed", True)
    assert bench.installed is None
    assert bench.install(good) == DONE
    assert same(bench.installed, good)


def test_what_comes_after_a_failure_is_not_started(bench: Bench, tmp_path: Path) -> None:
    outcomes = bench.deployer.apply(bench.host, {"auth": bench.silent("2.0"), "portal": None}, "intent")
    assert [(name, outcome.ending) for name, outcome in outcomes.items()] == [
        ("auth", "failed"),
        ("portal", "not started"),
    ]


def test_removing_leaves_nothing_and_may_be_repeated(bench: Bench, tmp_path: Path) -> None:
    bench.install(release(tmp_path, "1.0"))
    assert (bench.remove(), bench.remove()) == (DONE, DONE)
    assert bench.installed is None


def test_a_host_that_is_down_is_unavailable_for_everything(bench: Bench, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    bench.take_down()
    with pytest.raises(RemoteUnavailable):
        bench.deployer.survey(bench.host)
    assert bench.install(wanted).ending == "unreachable"
    assert bench.remove().ending == "unreachable"


def test_what_was_broken_off_does_not_count_and_the_next_change_ends_it(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kill -9 leaves it: at each call to the host."""
    good = release(tmp_path, "1.0")
    bench.install(good)
    calls: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(door, "watcher", calls.append)
        bench.install(release(tmp_path, "2.0"))
        bench.install(good)
    half = calls[: len(calls) // 2]

    for number in range(0, len(half), max(1, len(half) // bench.breaks)):
        left = iter(range(number, -1, -1))

        def stop(call: str, left: Iterator[int] = left) -> None:
            if next(left, -1) == 0:
                raise KeyboardInterrupt(call)

        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(door, "watcher", stop)
            bench.install(release(tmp_path, "2.0"))
        there = bench.installed
        assert there is None or there.version in ("1.0", "2.0")
        assert bench.install(good) == DONE and same(bench.installed, good)
