"""`status` remembers what it said of the same tips, and nothing that could be otherwise by now."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.answers import remembered
from sluicegate.delivery.answers.remembered import remembered_status
from sluicegate.delivery.answers.status import status
from sluicegate.delivery.moves import pinning
from tests.worlds import Shop


def kept(shop: Shop) -> Path:
    return remembered._path(shop.state)


def reads_nothing(shop: Shop) -> bool:
    """Whether the answer comes without a look at the ledger."""
    state = shop.state
    remembered_status(state)
    return not state._ledger


@pytest.fixture
def busy(again: Shop) -> Shop:
    """A matrix with marks of every kind."""
    again.veto("auth", "2.0.0", "production")
    pinning.hold(again.by("rita"), "portal", "integration", until=date(2026, 11, 25), why="the fair")
    again.publish("portal", "3.0.0")
    again.pin_by_hand("training", auth="1.0.0")
    return again


def test_what_is_remembered_is_what_was_read(busy: Shop) -> None:
    before = status(busy.state)
    assert remembered_status(busy.state) == before
    assert reads_nothing(busy)
    assert remembered_status(busy.state) == before
    assert "held" in before.cells["portal"]["integration"].marks


def test_another_tip_is_read_anew(busy: Shop) -> None:
    remembered_status(busy.state)
    busy.publish("auth", "4.0.0")
    assert remembered_status(busy.state).newest["auth"] == "4.0.0"
    busy.edited("environments/training.yaml", "portal: 1.0.0\n")
    assert remembered_status(busy.state) == status(busy.state)


def test_on_another_day_a_hold_may_be_over(busy: Shop) -> None:
    remembered_status(busy.state)
    busy.pass_time(timedelta(days=5))
    assert "held" not in remembered_status(busy.state).cells["portal"]["integration"].marks


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"about": 1}', b"\xff", b"null"])
def test_a_memory_that_is_damaged_is_made_anew(busy: Shop, content: bytes) -> None:
    before = remembered_status(busy.state)
    whole = json.loads(kept(busy).read_bytes())
    for damaged in (
        content,
        json.dumps(whole | {"status": {}}).encode(),
        json.dumps(whole | {"status": None}).encode(),
    ):
        kept(busy).write_bytes(damaged)
        assert remembered_status(busy.state) == before
        assert reads_nothing(busy)


def test_a_memory_that_others_could_have_written_does_not_count(busy: Shop) -> None:
    before = remembered_status(busy.state)
    forged = json.loads(kept(busy).read_bytes())
    forged["status"]["components"][0]["newest"] = "9.9.9"
    kept(busy).write_bytes(json.dumps(forged).encode())
    kept(busy).chmod(0o666)
    assert remembered_status(busy.state) == before


def test_what_has_to_be_said_again_is_read_again(busy: Shop) -> None:
    store = busy.by("mallory").store
    tips = store.tips()
    from sluicegate.tools.git import Edit

    edit = Edit(branch="ledger", base=tips["ledger"], files={"current/integration.json": b"{}"})
    store.push([edit], "x\n", by=store.signature, at=busy.now)
    for _ in range(2):
        repo = busy.by("ci")
        repo.notices.clear()
        remembered_status(repo.state())
        assert any("current/integration.json" in notice for notice in repo.notices)
