"""The queue's journal: what was accepted survives any crash, at any point."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluicegate.runner.causes import Cause, upstream
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.queue import Queue
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.scm.history import forcing

USER = Cause(kind="user", user="anna")
CHAIN = (upstream("up", 3, "job/up/", (USER,)),)
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "start", "end", "cancel", "reopen"]), st.integers(0, 5)), max_size=30
)


class Starting:
    """Starts everything, as the build of this number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def allowed(self, item: QueueItem) -> bool:
        return True

    def reserve(self, item: QueueItem) -> int:
        return self.number

    def occupy(self, item: QueueItem) -> None:
        pass


def waiting(queue: Queue) -> dict[int, tuple[str, int]]:
    return {item.id: (item.job, len(item.causes)) for item in queue.items()}


@settings(max_examples=60)
@given(OPERATIONS)
def test_a_crash_at_any_moment_loses_and_repeats_nothing(operations: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        queue = Queue(Path(folder))
        running: dict[int, QueueItem] = {}
        for number, (verb, which) in enumerate(operations):
            if verb == "add":
                queue.add(f"job-{which}", (USER,), (), 0)
            elif verb == "start" and queue.items():
                item = queue.take(Starting(number + 1))
                assert item is not None
                running[item.id] = item
            elif verb == "end" and running:
                queue.end(running.pop(next(iter(running))))
            elif verb == "cancel" and queue.items():
                queue.cancel(queue.items()[which % len(queue.items())].id)
            elif verb == "reopen":
                before = waiting(queue)
                queue = Queue(Path(folder))
                assert waiting(queue) == before
                assert {left.item.id: left.number for left in queue.interrupted} == {
                    number: item.number for number, item in running.items()
                }
                for left in list(queue.interrupted):
                    queue.forget(left)
                running = {}


def test_a_trigger_is_on_disk_before_it_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What survives a power cut is what was synced, and as much of the file as there was then."""
    queue = Queue(tmp_path)
    on_disk: list[int] = []
    sync = os.fdatasync

    def watching(descriptor: int) -> None:
        sync(descriptor)
        on_disk.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", watching)
    queue.add("one", (USER,), (), 0)
    assert on_disk == [queue.journal.path.stat().st_size]
    queue.add("one", (USER,), (), 0)
    queue.take(Starting(1))
    queue.cancel(queue.add("two", (USER,), (), 0).id)
    assert (len(on_disk), on_disk[-1]) == (5, queue.journal.path.stat().st_size)


def test_everything_of_an_item_survives(tmp_path: Path) -> None:
    values = (
        Parameter(name="A", value="a\n'\"$(x)å\x01"),
        Parameter(name="B", value=True, value_class="hudson.model.BooleanParameterValue"),
    )
    added = Queue(tmp_path).add("team/job", CHAIN, values, 60)
    (again,) = Queue(tmp_path).items()
    assert again == added


def test_the_commit_of_an_item_survives_that_a_home_of_before_wrote(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    line = queue.add("one", (USER,), (), 0).to_dict() | {"id": 2, "job": "two", "revision": "c" * 40}
    with queue.journal.path.open("a") as stream:
        stream.write(json.dumps({"add": line}) + "\n")
    one, two = Queue(tmp_path).items()
    assert (one.job, one.actions, two.job, two.actions) == ("one", (), "two", (forcing("c" * 40),))


def test_a_delay_that_was_shortened_stays_short_after_a_crash(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", (USER,), (), 600)
    ready = queue.add("one", (USER,), (), 5).ready_at
    assert ready <= (time.time() + 5) * 1000
    (again,) = Queue(tmp_path).items()
    assert (again.ready_at, len(again.causes)) == (ready, 2)


def test_a_line_cut_by_the_crash_is_ignored(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", (USER,), (), 0)
    with queue.journal.path.open("ab") as stream:
        stream.write(b'{"add": {"id": 2, "jo')
    assert [item.job for item in Queue(tmp_path).items()] == ["one"]


@pytest.mark.parametrize("number", [-1, 1 << 62, "2", None])
def test_an_item_whose_number_is_none_is_ignored(tmp_path: Path, number: object) -> None:
    queue = Queue(tmp_path)
    item = queue.add("one", (USER,), (), 0)
    with queue.journal.path.open("a") as stream:
        stream.write(json.dumps({"add": item.to_dict() | {"id": number, "job": "two"}}) + "\n")
    again = Queue(tmp_path)
    assert [item.job for item in again.items()] == ["one"]
    assert again.add("three", (USER,), (), 0).id == item.id + 1


def test_numbers_go_on_from_the_greater_one(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.go_on_from(7)
    queue.go_on_from(3)
    assert queue.next_id == 7
    assert Queue(tmp_path).add("one", (USER,), (), 0).id == 7


def test_numbers_go_on_after_everything_left(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    item = queue.add("one", (USER,), (), 0)
    queue.cancel(item.id)
    assert Queue(tmp_path).add("one", (USER,), (), 0).id == item.id + 1


def test_a_clock_that_was_set_back_meanwhile_prolongs_no_quiet_period(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Queue(tmp_path).add("one", (USER,), (), 60)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 3600)
    (again,) = Queue(tmp_path).items()
    assert again.due - time.monotonic() <= 60


def test_a_journal_written_anew_still_knows_what_runs(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", (USER,), (), 0)
    running = queue.take(Starting(7))
    assert running is not None
    queue.close()  # which writes it anew; the server is killed before the build ends
    assert [(left.item.id, left.number) for left in Queue(tmp_path).interrupted] == [(running.id, 7)]


class Failing(Starting):
    """Cannot start one of the jobs, as when its folder is broken."""

    def reserve(self, item: QueueItem) -> int:
        if item.job == "broken":
            raise OSError("no folder")
        return super().reserve(item)


def test_what_cannot_be_started_lets_others_pass_and_is_tried_again_later(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    broken = queue.add("broken", (USER,), (), 0)
    queue.add("sound", (USER,), (), 0)
    started = queue.take(Failing(1))
    assert started is not None and started.job == "sound"
    assert broken.trouble == "OSError: no folder" and broken.due > time.monotonic()
    broken.due = 0.0
    assert queue.take(Starting(2)) is broken


def test_what_left_is_known_for_five_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = Queue(tmp_path)
    early = queue.add("one", (USER,), (), 0)
    queue.cancel(early.id)
    now = time.monotonic()
    for minutes, known in ((4, True), (6, False)):
        monkeypatch.setattr(time, "monotonic", lambda at=now + minutes * 60: at)
        queue.cancel(queue.add("two", (USER,), (), 0).id)
        assert (queue.get(early.id) is not None) is known
