"""Publish and fetch through a network and a server that fail: the outcome is named, and the same again completes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.artifacts.publish import Published, publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.book.state import LEDGER, MAIN
from sluicegate.errors import (
    Conflict,
    Denied,
    IntegrityError,
    PartlyDone,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from sluicegate.model.values import Actor
from sluicegate.tools import meter, patience
from sluicegate.tools.git import Store
from sluicegate.wiring import EntryPointDrivers
from tests.proxy import Fault, Proxy, harming
from tests.real.servers import Nexus

pytestmark = pytest.mark.real
BIG = 3_000_000


@dataclass
class World:
    """A delivery repo whose components go through the proxy into a repository of the Nexus, and files to publish."""

    folder: Path
    proxy: Proxy
    repo: DeliveryRepo
    files: list[Path]
    pauses: list[float] = field(default_factory=list)

    def publish(self, version: str = "1.0", connections: int = 1) -> Published:
        return publish(self.repo, "auth", version, self.files, Origin(), connections=connections)

    def fetch(self, version: str = "1.0") -> Path:
        to = self.folder / "fetched" / version
        fetch(self.repo.state(), "auth", version, to)
        return to

    def comes_back(self, version: str = "1.0") -> None:
        to = self.fetch(version)
        for file in self.files:
            assert (to / f"auth-{version}-{file.name}").read_bytes() == file.read_bytes()

    def nothing_is_announced(self, version: str = "1.0") -> None:
        assert self.repo.state().versions("auth") == []


@pytest.fixture(params=["raw", "maven2"])
def world(
    request: pytest.FixtureRequest,
    nexus: Nexus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[World]:
    name = nexus.create(request.param, "ALLOW")
    pauses: list[float] = []
    monkeypatch.setattr(patience, "pause", pauses.append)
    with harming(nexus.url) as proxy:
        config = (
            f'repositories:\n  releases: {{driver: nexus, url: "{proxy.url}", repository: {name},'
            f' format: {request.param}, credentials: {{netrc: "{nexus.netrc}"}}}}\n'
            "components:\n  auth: {repository: releases, group: com.example}\n"
            "environments:\n  integration: {follow: latest}\n"
        )
        init_repo(tmp_path / "delivery", EntryPointDrivers(), bare=True, config=config.encode())
        files = []
        for number, size in enumerate((BIG, 100, 200_000)):
            files.append(tmp_path / f"file{number}.bin")
            files[-1].write_bytes(os.urandom(size))
        with Store(str(tmp_path / "delivery"), (MAIN, LEDGER)) as store:
            repo = DeliveryRepo(store, EntryPointDrivers(), actor=Actor(user="ci", source="test"))
            yield World(tmp_path, proxy, repo, files, pauses)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="reset", path="file0", part=0.99),
        Fault(kind="reset", path="file0", part=0.1, times=2),
        Fault(kind="reset", path="file1", part=0.5),
        Fault(kind="reset", path="manifest", part=0.5),
        Fault(kind="lost", path="file0"),
        Fault(kind="lost", path="file1"),
        Fault(kind="lost", path="manifest"),
        Fault(kind="late status", path="file0", status=500),
        Fault(kind="late status", path="file1", status=502),
        Fault(kind="late status", path="manifest", status=500),
        Fault(kind="status", path="file0", status=429, retry_after="7"),
        Fault(kind="status", path="file1", status=502),
        Fault(kind="status", path="file0", status=503, times=3),
        Fault(kind="status", path="file", method="HEAD", status=503, times=2),
        Fault(kind="reset", path="file", method="HEAD", times=2),
        Fault(kind="delay", path="file1", seconds=0.3),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.method}-{fault.path}-x{fault.times}",
)
def test_what_passes_is_tried_again_and_stored_once(world: World, fault: Fault) -> None:
    world.proxy.faults.append(Fault(**vars(fault)))
    world.publish()
    world.comes_back()
    if fault.kind != "delay":
        assert len(world.pauses) == fault.times
    if fault.retry_after:
        assert world.pauses == [7.0]


def test_a_server_that_stays_away_is_remote_and_the_rerun_sends_only_the_rest(world: World) -> None:
    world.proxy.faults.append(Fault(kind="status", path="file1", status=503, times=99))
    with pytest.raises(RemoteUnavailable, match="tried 5 times") as caught:
        world.publish()
    assert "2 of 3 files are stored" in caught.value.hint
    assert len(world.pauses) == 4
    world.nothing_is_announced()
    world.proxy.faults.clear()
    sent: list[int] = []
    meter.watcher = sent.append
    try:
        world.publish()
    finally:
        meter.watcher = None
    assert sum(sent) < 200_000
    world.comes_back()


def test_a_retry_after_of_hours_is_not_waited_for(world: World) -> None:
    world.proxy.faults.append(Fault(kind="status", path="file1", status=429, retry_after="7200", times=99))
    with pytest.raises(RemoteUnavailable):
        world.publish()
    assert world.pauses == []


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_half_way_stops_at_once_and_lists_what_is_done(world: World, status: int) -> None:
    world.proxy.faults.append(Fault(kind="status", path="file1", status=status, times=99))
    with pytest.raises(PartlyDone) as caught:
        world.publish()
    assert caught.value.exit_code == 7
    assert "not stored: auth-1.0-file1.bin" in caught.value.message
    assert "  stored: auth-1.0-file0.bin" in caught.value.message
    assert world.proxy.count("PUT", "file1.bin$") == 1
    assert world.pauses == []
    world.nothing_is_announced()
    world.proxy.faults.clear()
    world.publish()
    world.comes_back()


def test_a_refusal_at_the_first_file_changes_nothing(world: World) -> None:
    world.proxy.faults.append(Fault(kind="status", status=401, times=99))
    with pytest.raises(Denied, match="asked as admin"):
        world.publish()
    assert world.proxy.count("PUT") == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(kind="lie", method="HEAD", path="file0", times=99), IntegrityError),
        (Fault(kind="corrupt", path="file0"), SluicegateError),
        (Fault(kind="page", path="file0"), IntegrityError),
        (Fault(kind="page", path="file1"), IntegrityError),
    ],
    ids=["lie", "corrupt", "page", "page-small"],
)
def test_a_server_that_lies_announces_nothing(world: World, fault: Fault, error: type[SluicegateError]) -> None:
    world.proxy.faults.append(Fault(**vars(fault)))
    with pytest.raises(error) as caught:
        world.publish()
    assert caught.value.exit_code in (4, 6)
    world.nothing_is_announced()
    if fault.kind != "corrupt":
        world.proxy.faults.clear()
        world.publish()
        world.comes_back()


@pytest.mark.parametrize("method", ["PUT", "HEAD", "GET"])
def test_a_redirect_to_another_host_is_refused_and_gets_no_credentials(world: World, method: str) -> None:
    if method == "GET":
        world.publish()
    with harming(world.proxy.url) as elsewhere:
        goal = elsewhere.url.replace("127.0.0.1", "localhost")
        world.proxy.faults.append(
            Fault(kind="redirect", method=method, path="file0", location=f"{goal}/stolen", times=99)
        )
        with pytest.raises(SluicegateError, match="was not followed"):
            world.fetch() if method == "GET" else world.publish()
        assert elsewhere.seen == []
    world.proxy.faults.clear()
    world.publish()
    world.comes_back()


def test_a_redirect_within_the_server_is_followed_when_reading(world: World) -> None:
    published = world.publish()
    address = next(address for address in published.addresses if "file1" in address)
    world.proxy.faults.append(Fault(kind="redirect", method="GET", path="file0", location=address))
    with pytest.raises(IntegrityError):  # followed, to the wrong file on purpose
        world.fetch()
    world.comes_back()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="truncate", method="GET", path="file0", part=0.99),
        Fault(kind="reset", method="GET", path="file0", part=0.5, times=3),
        Fault(kind="status", method="GET", path="file1", status=503, retry_after="1"),
        Fault(kind="truncate", method="GET", path="manifest", part=0.5),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.path}",
)
def test_a_fetch_that_breaks_off_is_tried_again(world: World, fault: Fault) -> None:
    world.publish()
    world.proxy.faults.append(Fault(**vars(fault)))
    world.comes_back()
    assert len(world.pauses) == fault.times


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="lie", method="GET", path="file0", times=99),
        Fault(kind="page", method="GET", path="file0", times=99),
        Fault(kind="page", method="GET", path="manifest", times=99),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.path}",
)
def test_a_fetch_of_something_else_is_an_integrity_error_and_leaves_no_file(world: World, fault: Fault) -> None:
    world.publish()
    world.proxy.faults.append(Fault(**vars(fault)))
    with pytest.raises(IntegrityError):
        world.fetch()
    assert not list(world.folder.glob("fetched/1.0/*file0*"))
    world.proxy.faults.clear()
    world.comes_back()


@pytest.mark.parametrize("change", ["grow", "shrink", "replace", "vanish"])
def test_a_file_that_changes_while_it_is_sent_is_never_announced(world: World, change: str) -> None:
    victim = world.files[0]
    content = victim.read_bytes()

    def harm(count: int) -> None:
        meter.watcher = None
        if change == "grow":
            with victim.open("ab") as stream:
                stream.write(b"more")
        elif change == "shrink":
            os.truncate(victim, 1_500_000)
        elif change == "replace":
            victim.rename(victim.with_name("old"))
            victim.write_bytes(content)
        else:
            victim.unlink()

    meter.watcher = harm
    try:
        with pytest.raises((IntegrityError, RemoteUnavailable)) as caught:
            world.publish()
    finally:
        meter.watcher = None
    assert caught.value.exit_code == 6
    world.nothing_is_announced()
    assert world.proxy.count("PUT", "manifest") == 0
    victim.write_bytes(content)
    world.publish()
    world.comes_back()


def test_the_same_version_again_is_a_conflict_or_nothing_to_do(world: World) -> None:
    assert not world.publish().existed
    puts = world.proxy.count("PUT", "/1.0/")
    assert world.publish().existed
    assert world.proxy.count("PUT", "/1.0/") == puts
    world.files[0].write_bytes(b"other")
    with pytest.raises(Conflict, match=r"auth-1\.0-file0\.bin"):
        world.publish()
    assert world.proxy.count("PUT", "/1.0/") == puts


def test_of_two_publishers_with_other_content_one_wins(world: World, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    outcomes: list[str] = []

    def run(name: str, files: list[Path]) -> None:
        with Store(str(tmp_path / "delivery"), (MAIN, LEDGER)) as store:
            repo = DeliveryRepo(store, EntryPointDrivers(), actor=Actor(user=name, source=name))
            try:
                publish(repo, "auth", "1.0", files, Origin(), connections=2)
                outcomes.append(f"won {name}")
            except Conflict:
                outcomes.append("conflict")

    theirs = [other_folder / file.name for file in world.files]
    for file in theirs:
        file.write_bytes(os.urandom(1000))
    threads = [threading.Thread(target=run, args=arguments) for arguments in (("one", world.files), ("two", theirs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(outcome.startswith("won") for outcome in outcomes) <= 1
    assert "conflict" in outcomes


def test_an_unknown_repository_says_so(world: World, nexus: Nexus) -> None:
    with pytest.raises(UsageError, match="404") as caught:
        nexus.repository("no-such-one", "raw").put(
            world.repo.state().config.component("auth"), "1.0", "a.bin", world.files[1]
        )
    assert "no-such-one" in caught.value.hint
