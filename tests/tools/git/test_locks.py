"""A lock that a killed Git left is taken away, and never one that somebody may hold."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from sluicegate.delivery.book import repo as book
from sluicegate.delivery.moves import pinning
from sluicegate.errors import Conflict
from tests.worlds import Shop


@pytest.fixture
def published(shop: Shop) -> Shop:
    shop.publish("auth", "1.0.0")
    return shop


def leave_lock(shop: Shop, name: str, age: float) -> Path:
    path = shop.bare / name
    path.touch()
    os.utime(path, (time.time() - age, time.time() - age))
    return path


@pytest.mark.parametrize("name", ["HEAD.lock", "refs/heads/main.lock", "refs/heads/ledger.lock"])
def test_an_old_lock_that_nobody_holds_stops_no_change(published: Shop, name: str) -> None:
    lock = leave_lock(published, name, age=11)
    pinning.pin(published.by("rita"), "auth", "1.0.0", "integration", why="")
    assert published.pins("integration") == {"auth": "1.0.0"}
    assert not lock.exists()


def test_a_lock_in_which_a_process_stands_is_named_with_its_age(
    published: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "PATIENCE", 0.5)
    lock = leave_lock(published, "refs/heads/main.lock", age=3600)
    holder = subprocess.Popen(["sleep", "60"], cwd=published.bare)
    try:
        with pytest.raises(Conflict, match=rf"main\.lock, 36\d\d s old \(process {holder.pid} \(sleep\)") as refused:
            pinning.pin(published.by("rita"), "auth", "1.0.0", "integration", why="")
    finally:
        holder.kill()
        holder.wait()
    assert refused.value.hint == f"if no git runs there: rm {lock}"
    assert lock.exists()


def test_a_new_lock_is_waited_for(published: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "PATIENCE", 0.5)
    lock = leave_lock(published, "refs/heads/main.lock", age=0)
    with pytest.raises(Conflict, match="it is new"):
        pinning.pin(published.by("rita"), "auth", "1.0.0", "integration", why="")
    assert lock.exists()
