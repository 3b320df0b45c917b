"""A disk that takes a part of what is written: nothing is half there, and the same again completes."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sluicegate.delivery.answers.deep import examine
from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.artifacts.publish import publish
from sluicegate.delivery.artifacts.source import Origin
from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.book.setup import init_repo
from sluicegate.delivery.book.state import LEDGER, MAIN
from sluicegate.delivery.moves import pinning
from sluicegate.errors import SluicegateError
from sluicegate.model.values import Actor
from sluicegate.runner.journal import Journal, NotStored
from sluicegate.tools import files
from sluicegate.tools.git import Store
from sluicegate.wiring import EntryPointDrivers
from tests.worlds import Shop


@contextmanager
def disk_takes(size: int) -> Iterator[None]:
    """No file of this process, or of a Git that it starts, grows beyond so many bytes; what fits is written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 60, 400, 1500])
def test_a_pin_whose_objects_are_written_short_is_made_whole_or_not_at_all(live: Shop, size: int) -> None:
    live.publish("auth", "2.0.0")
    repo = live.by("rita")
    before, failed = live.pins("training"), False
    try:
        with disk_takes(size):
            pinning.pin(repo, "auth", "2.0.0", "training", why="")
    except SluicegateError:
        failed = True
        assert live.pins("training") == before
    assert failed or size
    pinning.pin(repo, "auth", "2.0.0", "training", why="")
    assert live.pins("training") == before | {"auth": "2.0.0"}
    assert [record.how for record in live.story("auth", "2.0.0", "pinned")] == ["pin"]
    assert examine(live.state).findings == ()


@pytest.mark.parametrize("size", [0, 60, 400])
def test_a_deploy_whose_end_is_written_short_is_finished_by_the_next(
    live: Shop, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    live.publish("auth", "2.0.0")
    install = live.drivers.deployers.install
    limit: list[object] = []

    def installing(*words: object) -> None:
        install(*words)  # type: ignore[arg-type]
        limit.append(disk_takes(size))
        limit[-1].__enter__()  # type: ignore[attr-defined]

    monkeypatch.setattr(live.drivers.deployers, "install", installing)
    failed = False
    try:
        live.sync()
    except SluicegateError:
        failed = True
    finally:
        for context in limit:
            context.__exit__(None, None, None)  # type: ignore[attr-defined]
    monkeypatch.undo()
    assert failed or size
    live.resume()
    live.sync()
    standing = live.state.effective(live.state.config.environment("integration"))
    assert live.running("int1")["auth"] == "2.0.0" and standing is not None
    assert standing.versions == {"auth": "2.0.0", "portal": "1.0.0"}
    assert examine(live.state).findings == ()


@pytest.mark.parametrize("rest", [0, 1, 20])
def test_an_entry_that_the_journal_cannot_take_whole_leaves_no_part(tmp_path: Path, rest: int) -> None:
    journal = Journal(tmp_path / "queue.jsonl")
    journal.rewrite([{"number": 1}])
    before = journal.path.read_bytes()
    with disk_takes(len(before) + rest), pytest.raises(NotStored):
        journal.append({"number": 2, "name": "a job with a name that does not fit"})
    assert journal.path.read_bytes() == before
    journal.rewrite([{"number": 1}, {"number": 2}])
    read: list[object] = []
    Journal(journal.path).read(read.append)
    assert read == [{"number": 1}, {"number": 2}]


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_a_file_of_a_version_is_copied_whole_or_is_not_there(tmp_path: Path, size: int) -> None:
    source = tmp_path / "auth.tar.gz"
    source.write_bytes(b"x" * 10_000)
    place = tmp_path / "releases" / "auth.tar.gz"
    place.parent.mkdir()
    with disk_takes(size), pytest.raises(OSError):
        files.copy(source, place)
    assert not place.exists()
    files.copy(source, place)
    assert place.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("size", [0, 5])
def test_a_file_that_is_replaced_keeps_its_old_content(tmp_path: Path, size: int) -> None:
    place = tmp_path / "config.xml"
    files.replace(place, b"old")
    with disk_takes(size), pytest.raises(OSError):
        files.replace(place, b"the new content")
    assert place.read_bytes() == b"old" and [path.name for path in tmp_path.iterdir()] == ["config.xml"]


CONFIG = """\
repositories: {{releases: {{driver: directory, path: {folder}/releases}}}}
components: {{auth: {{repository: releases, group: com.example}}}}
environments: {{integration: {{follow: latest}}}}
"""


def versions_after_short_publish(folder: Path, repo: DeliveryRepo, length: int, size: int) -> list[str]:
    """Publish files of a length on a disk that takes so many bytes, then again on a good one; the versions between."""
    large, small = folder / "large.bin", folder / "small.txt"
    large.write_bytes(os.urandom(length))
    small.write_bytes(b"x\n")
    announced = []
    try:
        with disk_takes(size):
            publish(repo, "auth", "1.0.0", [large, small], Origin(), connections=1)
        announced = ["1.0.0"]
    except SluicegateError:
        pass
    except OSError as problem:  # which the command line says in a sentence
        assert problem.errno == errno.EFBIG
    between = repo.state().versions("auth")
    assert between == announced  # never announced where the command said that it failed, nor the other way round
    publish(repo, "auth", "1.0.0", [large, small], Origin(), connections=1)
    fetch(repo.state(), "auth", "1.0.0", folder / "back")
    assert (folder / "back" / "auth-1.0.0-large.bin").read_bytes() == large.read_bytes()
    return between


STEPS = {  # the bytes at which a step of a publish fails: files, manifest, objects of Git, refs
    "copy": (10_000, (0, 1, 4000, 9999)),
    "beside and book": (2, (0, 2, 40, 100, 150, 200, 300, 400, 600, 800, 1500)),
}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_publish_on_a_full_disk_announces_nothing_and_the_same_again_completes(tmp_path: Path, step: str) -> None:
    length, sizes = STEPS[step]
    ends = []
    for size in sizes:
        folder = tmp_path / str(size)
        folder.mkdir()
        config = CONFIG.format(folder=folder).encode()
        init_repo(folder / "delivery", EntryPointDrivers(), bare=True, config=config)
        with Store(str(folder / "delivery"), (MAIN, LEDGER)) as store:
            repo = DeliveryRepo(store, EntryPointDrivers(), actor=Actor(user="ci", source="test"))
            ends.append(bool(versions_after_short_publish(folder, repo, length, size)))
            assert repo.state().versions("auth") == ["1.0.0"]
            assert examine(repo.state()).findings == ()
        assert [path for path in (folder / "releases").rglob("*") if path.name.startswith(".")] == []
    assert not ends[0] and (step == "copy" or ends[-1])  # the sizes reach from the first write to the last
