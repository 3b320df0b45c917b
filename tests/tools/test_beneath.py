"""Folders that strangers filled are emptied, whatever rights they took away; what stays is told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate.errors import UsageError
from sluicegate.tools import beneath

NOBODY = 65534


@pytest.fixture
def mine() -> Iterator[Path]:
    """A folder of an ordinary user, who we are meanwhile: root needs no rights of folders."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made) / "workspace"
        folder.mkdir()
        if os.geteuid():
            yield folder
            return
        for place in (made, folder):
            os.chown(place, NOBODY, NOBODY)
        os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("mode", [0o555, 0o000])
@pytest.mark.parametrize("how", ["empty", "remove"])
def test_folders_whose_rights_were_taken_away_are_emptied(mine: Path, mode: int, how: str) -> None:
    deep = mine.joinpath("cache", *["d"] * 120)
    deep.mkdir(parents=True)
    (deep / "file").write_text("x")
    for folder in [deep, *deep.parents]:
        if folder.is_relative_to(mine):
            folder.chmod(mode)
    if how == "empty":
        beneath.empty(mine)
        assert list(mine.iterdir()) == []
    else:
        beneath.remove(mine)
        assert not mine.exists()


def test_what_cannot_be_removed_is_named_and_nothing_else_stays(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "a" / "b").mkdir(parents=True)
    for place in ("a/b/others", "a/b/own", "a/own", "z"):
        (mine / place).write_text("x")
    unlink = os.unlink

    def refusing(name: str, *, dir_fd: int | None = None) -> None:
        if name == "others":
            raise PermissionError(1, "Operation not permitted", name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refusing)
    with pytest.raises(
        UsageError, match=r"workspace is not empty: .*/workspace/a/b/others cannot be removed: Operation"
    ):
        beneath.empty(mine)
    with pytest.raises(OSError, match="Operation not permitted"):
        beneath.remove(mine)
    assert sorted(str(path.relative_to(mine)) for path in mine.rglob("*")) == ["a", "a/b", "a/b/others"]
