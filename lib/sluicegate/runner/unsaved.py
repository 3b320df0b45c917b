"""The ends of builds that failed inside the runner, kept until the disk takes them."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from sluicegate.runner.item import Item
from sluicegate.runner.items import Items
from sluicegate.runner.queue import Queue
from sluicegate.runner.queueitem import QueueItem
from sluicegate.runner.records import Record, now_ms
from sluicegate.runner.results import Result
from sluicegate.tools import files


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsaved:
    """A build that failed while the disk took nothing; `reason` is the end of its log."""

    waiting: QueueItem
    item: Item
    record: Record
    reason: str


class UnsavedBuilds:
    """All of one home. Executors add to it and save it at the same time."""

    def __init__(self, items: Items, queue: Queue) -> None:
        self.items = items
        self.queue = queue
        self._rows: list[Unsaved] = []
        self._saving = threading.Lock()

    def __contains__(self, waiting: QueueItem) -> bool:
        return any(row.waiting is waiting for row in self._rows)

    def add(self, waiting: QueueItem, problem: Exception) -> None:
        """A fault of ours, such as a full disk: the build ends as a failure with the reason in its log.

        Where the disk takes nothing of this, the job is free nevertheless, and the record is saved when there is room.
        """
        item = self.items.job(waiting.job)
        record = item.history.running.get(waiting.number or 0) if item is not None else None
        if item is None or record is None:
            return
        reason = f"ERROR: the runner failed: {type(problem).__name__}: {problem}\nFinished: FAILURE\n"
        logging.getLogger(__name__).exception("%s #%d failed inside the runner", record.job, record.number)
        record.duration = max(1, now_ms() - record.start_time)
        item.history.forget_running(record, Result.FAILURE)
        self._rows.append(Unsaved(waiting=waiting, item=item, record=record, reason=reason))
        self.save()

    def save(self) -> None:
        """Write down the ends of builds that the disk did not take when they came."""
        with self._saving:
            for row in list(self._rows):
                try:
                    if self.items.job(row.record.job) is row.item:  # else it was deleted meanwhile
                        row.record.folder.mkdir(parents=True, exist_ok=True)
                        append_once(row.record.log, row.reason.encode("utf-8", "replace"))
                        row.item.history.finish(row.record, Result.FAILURE)
                except OSError:
                    continue
                self._rows.remove(row)
                self.queue.end(row.waiting)


def append_once(log: Path, text: bytes) -> None:
    """Add lines to the end of a log, whole or not at all, and once."""
    with log.open("r+b" if log.exists() else "w+b", buffering=0) as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - len(text)))
        tail = stream.read()
        if tail == text:
            return
        try:
            files.write(stream, b"" if tail.endswith(b"\n") else b"\n", log)
            files.write(stream, text, log)
        except OSError:
            stream.truncate(size)
            raise
