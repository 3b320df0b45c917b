"""What is written in place of a file survives a power cut: the content first, then the name."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from sluicegate.tools import files


def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is synced from now on, in its order: file or folder."""
    kinds: list[str] = []
    sync = os.fsync

    def watching(descriptor: int) -> None:
        kinds.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watching)
    return kinds


def test_a_replaced_file_is_synced_before_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = synced(monkeypatch)
    files.replace(tmp_path / "live", b"blue")
    assert (kinds, (tmp_path / "live").read_bytes()) == (["file", "folder"], b"blue")


def test_what_can_be_made_again_costs_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = synced(monkeypatch)
    files.replace(tmp_path / "index", b"x", durable=False)
    assert kinds == []


def test_a_folder_that_is_made_for_a_file_is_on_disk_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut takes a new job away with its folder, which was answered with 200."""
    folders: list[Path] = []
    monkeypatch.setattr(files, "sync_folder", folders.append)
    files.replace(tmp_path / "jobs" / "one" / "config.xml", b"<project/>")
    assert folders == [tmp_path / "jobs" / "one", tmp_path / "jobs", tmp_path]
