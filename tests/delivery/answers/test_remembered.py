"""`status` remembers what it said of the same tips, and nothing that could be otherwise by now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sluicegate.delivery.answers import remembered
from sluicegate.delivery.answers.remembered import remembered_status, remembered_text
from sluicegate.delivery.answers.status import Cell, Status, status
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


def test_its_text_is_laid_out_as_that_of_other_answers(busy: Shop) -> None:
    """Their cells, rows and names, also where there are none and where they need quoting."""
    matrix = status(busy.state)
    strange = Cell(pin='"1.0"', effective="é\n", marks=("held", "not counted"))
    marked = replace(matrix, cells={**matrix.cells, "a \"b\"": {}, "c": {"int": strange}},
                     newest={**matrix.newest, "a \"b\"": "", "c": "\t"}, vetoed=frozenset({"c"}))  # fmt: skip
    for answer in (matrix, marked, Status(columns=(), newest={}, vetoed=frozenset(), cells={})):
        assert answer.text() == json.dumps(answer.json(), indent=2, ensure_ascii=False)


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


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n{}", b'{"about": 1}\n', b"\xff", b"null"])
def test_a_memory_that_is_damaged_is_made_anew(busy: Shop, content: bytes) -> None:
    before = remembered_status(busy.state)
    whole = kept(busy).read_bytes()
    middle = len(whole) // 2
    for damaged in (
        content,
        whole[:-1],
        whole[:middle],
        whole.partition(b"\n")[0] + b"\n",
        whole[:middle] + b"\0" + whole[middle + 1 :],
        whole.replace(b'"3.0.0"', b'"4.0.0"'),
    ):
        assert damaged != whole
        kept(busy).write_bytes(damaged)
        assert remembered_status(busy.state) == before
        assert reads_nothing(busy)


def test_what_status_prints_is_kept_as_it_is_printed(busy: Shop) -> None:
    for _ in range(2):
        assert remembered_text(busy.state) == json.dumps(status(busy.state).json(), indent=2, ensure_ascii=False)
        assert reads_nothing(busy)


def test_a_memory_that_others_could_have_written_does_not_count(busy: Shop) -> None:
    before = remembered_status(busy.state)
    text = remembered_text(busy.state).replace('"3.0.0"', '"9.9.9"').encode()
    kept(busy).write_bytes(remembered._head(busy.state, text) + b"\n" + text)
    assert remembered_status(busy.state) != before
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
