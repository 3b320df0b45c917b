"""A rollout that dies at any of its outside calls is brought to one version by `resume`, or taken back by `--abort`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.book.repo import DeliveryRepo
from sluicegate.delivery.changes import rolling
from sluicegate.delivery.changes.resume import open_intents, resume
from sluicegate.delivery.changes.rollback import rollback
from sluicegate.delivery.changes.rollout import abort, rollout
from sluicegate.errors import NotFound
from sluicegate.tools import door
from tests.fakes import FakeHost
from tests.worlds import CONFIG, Killed, OutsidePool, Shop

ROOMS = ("room1", "room2", "room3")
CALLS = ("pool drain", "pool out", "pool ready", "install", "git update-ref")


@pytest.fixture(scope="module")
def pinned(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """1.0.0 of auth runs in a pool of three rooms, and 2.0.0 is pinned there."""
    text = CONFIG.decode().replace("  room2: {driver: fake}", "  room2: {driver: fake}\n  room3: {driver: fake}")
    text = text.replace("rooms: [room1, room2]", "rooms: [room1, room2, room3]")
    plain = "hosts: rooms\n    deploy: {driver: fake}"
    shop = Shop.opened(tmp_path_factory.mktemp("killed") / "shop", text.encode())
    shop.drivers.hosts["room3"] = FakeHost("room3")
    shop.drivers.rooms = OutsidePool(ROOMS)
    shop.drivers.rooms.bound = None
    shop.to_integration(auth="1.0.0")
    shop.promote("training", auth="1.0.0")
    shop.deploy("training")
    shop.to_integration(auth="2.0.0")
    shop.promote("training", auth="2.0.0")
    pool = f"{plain}\n    pool: {{driver: haproxy}}\n    rollout: {{batch: 2, capacity: 1}}"
    shop.edited("sluicegate.yaml", text.replace(plain, pool))
    shop.drivers.rooms.least = 1000
    shop.close()
    return shop


def killed_everywhere(pinned: Shop, folder: Path, mend: Callable[[DeliveryRepo], object], version: str) -> list[str]:
    """Kill the rollout before each of its calls, and mend it; the names of the calls."""
    names: list[str] = []
    while True:
        root = folder / str(len(names))
        root.mkdir()
        shop = pinned.copied(root)
        last: list[str] = []
        left = [len(names)]

        def watch(name: str, left: list[int] = left, last: list[str] = last) -> None:
            if last or (name.startswith(CALLS) and left[0] == 0):
                last.append(name)
                raise Killed(name)
            left[0] -= name.startswith(CALLS)

        door.watcher = watch
        try:
            rollout(shop.by("ci"), "training")
        except Killed:
            pass
        finally:
            door.watcher = None
        shop.pass_time(timedelta(seconds=1))
        mend(shop.by("rita"))
        assert open_intents(shop.state) == (), last
        assert {shop.running(room)["auth"] for room in ROOMS} == {version}, last
        assert set(shop.drivers.rooms.states.values()) == {"ready"}, last
        assert shop.drivers.rooms.least >= 1, last
        assert shop.pins("training")["auth"] == version, last
        standing = shop.state.effective(shop.state.config.environment("training"))
        assert standing is not None
        assert standing.installed["auth"].version == version, last
        shop.close()
        if not last:
            return names
        names.append(last[0])


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rolling, "sleep", lambda seconds: None)


def test_a_rollout_killed_at_any_call_is_finished_by_resume_or_the_next_one(pinned: Shop, tmp_path: Path) -> None:
    def mend(repo: DeliveryRepo) -> None:
        resume(repo)
        rollout(repo, "training")  # where it died before its intent

    names = killed_everywhere(pinned, tmp_path, mend, "2.0.0")
    assert {name.split()[0] for name in names} == {"pool", "install", "git"}
    assert len(names) >= 12


def test_a_rollout_killed_at_any_call_is_taken_back_by_abort(pinned: Shop, tmp_path: Path) -> None:
    def mend(repo: DeliveryRepo) -> None:
        try:
            abort(repo, "training", why="OPS-12")
        except NotFound:  # it had not begun, or had ended
            rollout(repo, "training")
            rollback(repo, "training", "auth", why="OPS-12")

    killed_everywhere(pinned, tmp_path, mend, "1.0.0")
