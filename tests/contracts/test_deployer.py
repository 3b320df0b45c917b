"""What every deployer does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sluicegate.deployers.archive import ArchiveDeployer
from sluicegate.errors import RemoteUnavailable, SluicegateError
from sluicegate.hosts.local import LocalHost
from sluicegate.model.values import Installed, Release
from sluicegate.ports import Deployer, Host
from tests.fakes import FakeDeployer, FakeHost
from tests.parts import AUTH, CONFIG, app_files, free_port, release, settings


@dataclass(kw_only=True)
class Bench:
    """A deployer with a host, and a release of it that starts but never answers its version."""

    deployer: Deployer
    host: Host
    silent: Callable[[str], Release]
    take_down: Callable[[], object]


@pytest.fixture(params=["fake", "archive on local host"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "fake":
        deployer, host = FakeDeployer(), FakeHost()

        def silent(version: str) -> Release:
            deployer.silent.add(version)
            return release(tmp_path, version)

        yield Bench(deployer=deployer, host=host, silent=silent, take_down=lambda: setattr(host, "down", True))
        return
    folder = tmp_path / "host"
    folder.mkdir()
    local = LocalHost.configure("int1", settings(folder=str(folder), ports={"auth": str(free_port())}), CONFIG)
    yield Bench(
        deployer=ArchiveDeployer.configure("archive", settings(timeout="1 s"), CONFIG),
        host=local,
        silent=lambda version: release(tmp_path, version, app_files("0.0")),
        take_down=lambda: (local.shutdown(), folder.rename(tmp_path / "unplugged")),  # type: ignore[func-returns-value]
    )
    local.shutdown()


def installed(of: Release) -> Installed:
    return Installed(version=of.version, manifest=of.manifest)


def test_a_fresh_host_has_nothing(bench: Bench) -> None:
    assert bench.deployer.installed(bench.host, AUTH) is None


def test_what_was_installed_is_there_and_can_be_replaced_and_brought_back(bench: Bench, tmp_path: Path) -> None:
    one, two = release(tmp_path, "1.0"), release(tmp_path, "2.0")
    for wanted in (one, two, one):
        bench.deployer.install(bench.host, AUTH, wanted)
        assert bench.deployer.installed(bench.host, AUTH) == installed(wanted)


def test_installing_again_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    for _ in range(2):
        bench.deployer.install(bench.host, AUTH, wanted)
    assert bench.deployer.installed(bench.host, AUTH) == installed(wanted)


def test_a_version_that_does_not_answer_fails_and_does_not_count_as_installed(bench: Bench, tmp_path: Path) -> None:
    good = release(tmp_path, "1.0")
    bench.deployer.install(bench.host, AUTH, good)
    with pytest.raises(SluicegateError, match="answer"):
        bench.deployer.install(bench.host, AUTH, bench.silent("2.0"))
    assert bench.deployer.installed(bench.host, AUTH) is None
    bench.deployer.install(bench.host, AUTH, good)
    assert bench.deployer.installed(bench.host, AUTH) == installed(good)


def test_removing_leaves_nothing_and_may_be_repeated(bench: Bench, tmp_path: Path) -> None:
    bench.deployer.install(bench.host, AUTH, release(tmp_path, "1.0"))
    bench.deployer.remove(bench.host, AUTH)
    bench.deployer.remove(bench.host, AUTH)
    assert bench.deployer.installed(bench.host, AUTH) is None


def test_a_host_that_is_down_is_unavailable_for_everything(bench: Bench, tmp_path: Path) -> None:
    wanted = release(tmp_path, "1.0")
    bench.take_down()
    calls: tuple[Callable[[], object], ...] = (
        lambda: bench.deployer.installed(bench.host, AUTH),
        lambda: bench.deployer.install(bench.host, AUTH, wanted),
        lambda: bench.deployer.remove(bench.host, AUTH),
    )
    for call in calls:
        with pytest.raises(RemoteUnavailable):
            call()
