"""A disk that fails once, at whichever call: no accepted trigger is lost, no number is used twice."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from sluicegate.runner import queue
from sluicegate.runner.journal import NotStored
from sluicegate.runner.service import Runner
from sluicegate.tools import door
from tests.runner.conftest import ADMIN, shell, until


@pytest.mark.parametrize("fault", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
def test_a_disk_that_fails_at_any_call_loses_no_accepted_trigger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    monkeypatch.setattr(queue, "RETRY", 0.05)
    for nth in range(12):
        runner = Runner(tmp_path / str(nth))
        item = runner.items.create("", "job", shell("true"))
        calls = iter(range(1000))

        def failing(name: str, nth: int = nth, calls: object = calls) -> None:
            if name.startswith(("journal", "rename")) and next(calls) == nth:  # type: ignore[call-overload]
                raise OSError(fault, os.strerror(fault))

        monkeypatch.setattr(door, "watcher", failing)
        runner.start()
        accepted = 0
        for _ in range(3):
            try:
                runner.trigger(item, ADMIN, {}, 0)
                accepted += 1
                until(lambda runner=runner: not runner.busy)  # type: ignore[misc]
            except (NotStored, OSError):
                pass
        monkeypatch.setattr(door, "watcher", None)
        until(lambda runner=runner: not runner.busy)  # type: ignore[misc]
        runner.stop()

        # As after a restart: what is on disk is what counts.
        again = Runner(tmp_path / str(nth))
        history = again.items.needed("job").history
        until(lambda again=again: not again.queue.interrupted)  # type: ignore[misc]
        records = [history.get(number) for number in history.numbers()]
        waiting = len(again.queue.items())
        assert len(records) + waiting >= accepted, nth
        assert all(record is not None and record.result is not None for record in records), nth
        assert history.take_number() > max(history.numbers(), default=0), nth
        again.stop()
