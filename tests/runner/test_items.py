"""The tree of jobs and folders while it is changed: who reads waits for no disk."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sluicegate.runner.items import Items


def test_a_list_does_not_wait_until_a_new_job_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = Items(tmp_path)
    items.create("", "one", b"<project/>")
    syncing, go_on = threading.Event(), threading.Event()
    sync = os.fsync

    def slow(descriptor: int) -> None:
        syncing.set()
        assert go_on.wait(20)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    maker = threading.Thread(target=items.create, args=("", "two", b"<project/>"))
    maker.start()
    assert syncing.wait(20)
    listed: list[list[str]] = []
    reader = threading.Thread(target=lambda: listed.append([one.name for one in items.children("")]), daemon=True)
    reader.start()
    reader.join(10)
    assert listed == [["one"]]  # and not yet the job that is nowhere for certain
    go_on.set()
    maker.join(20)
    assert [one.name for one in items.children("")] == ["one", "two"]
