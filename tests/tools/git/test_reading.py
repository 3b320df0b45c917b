"""Many files are read in one go, and each is what it is when it is read alone."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluicegate.errors import IntegrityError, UsageError
from sluicegate.tools.git import Edit, Store, objects
from sluicegate.tools.git.objects import object_id
from sluicegate.tools.git.store import init_store

FILES = {f"stories/{number:03}-{'x' * 190}.jsonl": b"%d\n" % number * 100 for number in range(300)}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    init_store(tmp_path / "book.git", bare=True, branch="main")
    store = Store(str(tmp_path / "book.git"), ("main",))
    edit = Edit(branch="main", base="", files=FILES)
    store.push([edit], "Files\n", by=store.signature, at=datetime.now(UTC))
    return store


def test_more_names_than_a_pipe_takes_are_answered_in_their_order(store: Store) -> None:
    with store:
        tip = store.tips()["main"]
        paths = ["missing", *FILES, "stories/missing", *reversed(FILES)]
        assert store.read_all(tip, paths) == [store.read(tip, path) for path in paths]
        assert store.read_all(tip, []) == []
        assert store.read_all("", ["a", "b"]) == [None, None]


def test_files_of_many_folders_are_found_or_not_there_as_each_alone(tmp_path: Path) -> None:
    init_store(tmp_path / "book.git", bare=True, branch="main")
    with Store(str(tmp_path / "book.git"), ("main",)) as store:
        files = {f"components/c{n}/1.{minor}.jsonl": b"%d.%d" % (n, minor) for n in range(30) for minor in range(n)}
        edit = Edit(branch="main", base="", files={**files, "top": b"top"})
        tip = store.push([edit], "Files\n", by=store.signature, at=datetime.now(UTC))["main"]
        odd = ["top", "top/below", "components/c99/1.0.jsonl", "components/c9/1.99.jsonl", "components/c9/1.0.jsonl/x"]
        for paths in ([*odd, *files], list(files)[:20], odd):
            assert store.read_all(tip, paths) == [store.read(tip, path) for path in paths]


@pytest.mark.parametrize("lost", ["components", "components/c29", "components/c3/1.1.jsonl"])
def test_a_lost_folder_or_file_among_many_is_named(tmp_path: Path, lost: str) -> None:
    init_store(tmp_path / "book.git", bare=True, branch="main")
    with Store(str(tmp_path / "book.git"), ("main",)) as store:
        files = {f"components/c{n}/1.{minor}.jsonl": b"%d.%d" % (n, minor) for n in range(30) for minor in range(n)}
        tip = store.push([Edit(branch="main", base="", files=files)], "x\n", by=store.signature, at=datetime.now(UTC))
        name = store.git("rev-parse", f"{tip['main']}:{lost}").text.strip()
        pack = next((store.local / "objects" / "pack").glob("*.pack"))
        pack.rename(tmp_path / "pack")
        pack.with_suffix(".idx").unlink()
        store.git("unpack-objects", "-q", stdin=(tmp_path / "pack").read_bytes())
        (store.local / "objects" / name[:2] / name[2:]).unlink()
        store.close()
        with pytest.raises(IntegrityError, match=f"'{lost}'.*damaged or missing"):
            store.read_all(tip["main"], list(files))


def test_a_folder_is_no_file_and_a_file_is_no_folder(store: Store) -> None:
    with store:
        tip, path = store.tips()["main"], next(iter(FILES))
        for read in (lambda: store.read(tip, "stories"), lambda: store.read_all(tip, [path, "stories"])):
            with pytest.raises(IntegrityError, match="'stories' is a folder, and should be a file"):
                read()
        with pytest.raises(IntegrityError, match="is a file, and should be a folder"):
            store.names(tip, path)


def test_a_lost_one_among_many_is_an_integrity_error_that_names_it(store: Store) -> None:
    path = next(iter(FILES))
    with store:
        tip = store.tips()["main"]
        blob = store.git("rev-parse", f"{tip}:{path}").text.strip()
        (store.local / "objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)
        for pack in (store.local / "objects" / "pack").glob("*"):
            pack.unlink()
    with store, pytest.raises(IntegrityError):
        store.read_all(tip, list(FILES))


def test_a_name_with_a_line_break_asks_for_nothing(store: Store) -> None:
    with store, pytest.raises(UsageError, match="line break"):
        store.read_all(store.tips()["main"], ["a", "b\nc"])


def test_a_file_that_was_read_is_not_asked_for_again(store: Store) -> None:
    path = next(iter(FILES))
    with store:
        tip = store.tips()["main"]
        content = store.read(tip, path)
        shutil.rmtree(store.local / "objects")
        assert store.read(tip, path) == content


def test_a_branch_that_moved_is_asked_for_again(store: Store) -> None:
    path = next(iter(FILES))
    with store:
        tip = store.tips()["main"]
        assert store.read(tip, path) == FILES[path]
        edit = Edit(branch="main", base=tip, files={path: b"other\n"})
        store.push([edit], "Other\n", by=store.signature, at=datetime.now(UTC))
        assert store.read(store.tips()["main"], path) == b"other\n"
        assert store.read(tip, path) == FILES[path]


def test_what_is_not_there_may_come(store: Store) -> None:
    with store:
        later = object_id(b"late\n", like=store.tips()["main"])
        assert not store.has(later)
        store.git("hash-object", "-w", "--stdin", stdin=b"late\n")
        assert store.has(later)


def test_what_is_remembered_of_objects_has_a_bound(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "REMEMBERED", 40_000)
    with store:
        tip = store.tips()["main"]
        for path, content in FILES.items():
            assert store.read(tip, path) == content
        assert len(store._objects._remembered) == 40
        assert (
            sum(len(remembered.content) for remembered in store._objects._remembered.values())
            == store._objects._size
            <= 40_000
        )
