"""Records and their lines: the chain, retries, and lenient reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.model import ledger
from sluicegate.model.values import Actor, Record

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PATH = "components/auth/1.0.0.jsonl"
ANNA = Actor(user="anna", source="https://ci/1/", verified=True)
json = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda below: st.lists(below, max_size=3))
facts = st.dictionaries(st.sampled_from(["env", "why", "set", "ünï"]), json, max_size=3)


def add(story: list[Record], what: str, by: Actor = ANNA, at: datetime = NOW, **given: Any) -> Record | None:
    record = ledger.next_record(story, PATH, what, given, by=by, at=at)
    story += [record] if record else []
    return record


@given(st.lists(st.tuples(st.sampled_from(["tests", "approval", "veto"]), facts), max_size=6), st.randoms())
def test_what_is_written_is_read_in_whatever_order_and_how_often_the_lines_stand(
    given_: list[tuple[str, dict[str, Any]]], random: Any
) -> None:
    story: list[Record] = []
    for what, some in given_:
        add(story, what, **some)
    lines = [ledger.line(record) for record in story] * 2
    random.shuffle(lines)
    assert list(ledger.read(b"".join(lines))) == story


def test_a_retried_step_writes_nothing_and_approve_reject_approve_is_three() -> None:
    story: list[Record] = []
    for what in ("approval", "approval", "rejection", "approval", "approval"):
        add(story, what, env="staging", role="qa")
    assert [r.what for r in story] == ["approval", "rejection", "approval"]
    assert len({r.id for r in story}) == 3
    assert [r.after for r in story] == ["", story[0].id, story[1].id]


def test_another_build_and_another_person_write_their_own() -> None:
    story: list[Record] = []
    add(story, "approval", env="staging", role="qa")
    add(story, "approval", Actor(user="anna", source="https://ci/2/"), env="staging", role="qa")
    add(story, "approval", Actor(user="olle", source="https://ci/1/"), env="staging", role="qa")
    assert len(story) == 3


def test_times_follow_the_chain_when_a_clock_is_late() -> None:
    story: list[Record] = []
    add(story, "tests", at=NOW)
    add(story, "approval", at=NOW - timedelta(hours=1))
    assert story[1].at > story[0].at


@pytest.mark.parametrize("name", ledger.OWN)
def test_a_fact_cannot_take_the_place_of_what_every_record_has(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        ledger.next_record((), PATH, "tests", {name: "x"}, by=ANNA, at=NOW)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(content: bytes) -> None:
    ledger.read(content)


@given(st.text(min_size=1, max_size=20))
def test_any_version_has_a_path_of_its_own_and_comes_back(version: str) -> None:
    try:
        version.encode()
    except UnicodeEncodeError:
        return
    path = ledger.component_path("auth", version)
    assert path.count("/") == 2
    assert ledger.version_of(path.rpartition("/")[2]) == version
