"""What every deployer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.deployers.archive import ArchiveDeployer
from sluicegate.deployers.keepers import SupervisorKeeper
from sluicegate.errors import RemoteUnavailable
from sluicegate.hosts.local import LocalHost
from sluicegate.model.outcomes import DONE, Outcome
from sluicegate.model.values import Installed, Release
from sluicegate.ports import Deployer, Host
from tests.fakes import FakeDeployer, FakeHost
from tests.parts import CONFIG, app_files, free_port, release, settings
from tests.remotes import Line, ShellHost


@dataclass(kw_only=True)
class Bench:
    """A deployer with a host, and a release of it that starts but never answers its version."""

    deployer: Deployer
    host: Host
    silent: Callable[[str], Release]
    take_down: Callable[[], object]

    def install(self, wanted: Release) -> Outcome:
        return self.deployer.apply(self.host, {"auth": wanted})["auth"]

    def remove(self) -> Outcome:
        return self.deployer.apply(self.host, {"auth": None})["auth"]

    @property
    def installed(self) -> Installed | None:
        return self.deployer.survey(self.host).get("auth")


@pytest.fixture(params=["fake", "archive on local host", "archive on remote host"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        yield _fake_bench(tmp_path)
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
        deployer=ArchiveDeployer.configure("archive", settings(timeout="1 s"), CONFIG),
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


def installed(of: Release) -> Installed:
    return Installed(version=of.version, manifest=of.manifest)


def test_a_fresh_host_has_nothing(bench: Bench) -> None:
    assert bench.deployer.survey(bench.host) == {}


def test_what_was_installed_is_there_and_can_be_replaced_and_brought_back(bench: Bench, tmp_path: Path) -> None:
    one, two = release(tmp_path, "1.0"), release(tmp_path, "2.0")
    for wanted in (one, two, one):
        assert bench.install(wanted) == DONE
        assert bench.installed == installed(wanted)


def test_installing_again_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    for _ in range(2):
        assert bench.deployer.refusals(bench.host, {"auth": wanted}) == ()
        assert bench.install(wanted) == DONE
    assert bench.installed == installed(wanted)


def test_a_version_that_does_not_answer_fails_and_does_not_count_as_installed(bench: Bench, tmp_path: Path) -> None:
    good = release(tmp_path, "1.0")
    bench.install(good)
    outcome = bench.install(bench.silent("2.0"))
    assert (outcome.ending, "answer" in outcome.why) == ("failed", True)
    assert bench.installed is None
    assert bench.install(good) == DONE
    assert bench.installed == installed(good)


def test_what_comes_after_a_failure_is_not_started(bench: Bench, tmp_path: Path) -> None:
    outcomes = bench.deployer.apply(bench.host, {"auth": bench.silent("2.0"), "portal": None})
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
