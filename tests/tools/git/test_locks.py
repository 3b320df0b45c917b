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
from sluicegate.model.values import Actor
from sluicegate.tools.git import locks
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


@pytest.mark.parametrize("way", ["{}", "file://{}"])
@pytest.mark.parametrize("name", ["HEAD.lock", "refs/heads/main.lock", "refs/heads/ledger.lock"])
def test_an_old_lock_that_nobody_holds_stops_no_change(
    published: Shop, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    monkeypatch.setattr(book, "PATIENCE", 5)
    lock = leave_lock(published, name, age=11)
    rita = published.opened_by(Actor(user="rita", source="far"), way.format(published.bare))
    with rita.store:
        pinning.pin(rita, "auth", "1.0.0", "integration", why="")
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


@pytest.mark.parametrize("name", ["refs/remotes/origin/main.lock", "refs/remotes/origin/ledger.lock", "shallow.lock"])
def test_a_lock_that_a_killed_fetch_left_in_a_mirror_stops_no_command(
    published: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(locks, "OLD", 0.5)
    cache = tmp_path / "cache"
    repo = published.opened_by(Actor(user="olle", source="far"), f"file://{published.bare}", cache)
    with repo.store:
        first = repo.state().tips["ledger"]
        for _ in range(3):
            published.publish("portal", f"1.0.{_}")
        pinning.pin(published.by("rita"), "auth", "1.0.0", "integration", why="")
        (lock,) = (mirror / name for mirror in cache.glob("*.git"))
        lock.touch()
        assert repo.state().tips == published.tips
        assert repo.store.descends(published.tips["ledger"], "0" * 40) is False  # asks for more history
        assert repo.store.descends(published.tips["ledger"], first)
        pinning.pin(repo, "auth", "1.0.0", "training", why="")
    assert not lock.exists()
