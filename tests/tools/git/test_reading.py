"""Many files are read in one go, and each is what it is when it is read alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sluicegate.errors import IntegrityError, UsageError
from sluicegate.tools.git import Edit, Store
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
