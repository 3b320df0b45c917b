"""What waits to be built, kept in a journal so that an accepted trigger is on disk before it is answered.

`<home>/queue.journal` holds one JSON object a line: add, fold, start, end, cancel, next. Each is synced. Opening the
queue replays it: items without `start` wait again, items with `start` but no `end` ran when the server died.
Whose turn it is stands in `turns`, what waits in `queueitem`.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sluicegate.runner import causes as cause_forms
from sluicegate.runner import turns
from sluicegate.runner.causes import Cause
from sluicegate.runner.journal import Journal, NotStored
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.queueitem import QueueItem, from_dict, number_in
from sluicegate.runner.records import now_ms

LEFT_SECONDS = 300
LONGEST_WAIT = 10.0
"""Seconds after which an executor looks again by itself, whatever was missed."""
RETRY = 2.0
"""Seconds until an item that could not be started, as on a full disk, is tried again."""
COMPACT_AFTER = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A build that ran when the server died."""

    item: QueueItem
    number: int


class Starter(Protocol):
    """Who starts what waits. All is called while the queue is locked."""

    def allowed(self, item: QueueItem) -> bool:
        """Whether its build may start now."""

    def reserve(self, item: QueueItem) -> int:
        """The number of its build; a number that is reserved in vain is a gap and does no harm."""

    def occupy(self, item: QueueItem) -> None:
        """The start is on disk, and `item.number` set: the job is busy from now on."""


class Queue:
    """The waiting items in order of arrival, and those that left within the last five minutes."""

    def __init__(self, home: Path) -> None:
        self.journal = Journal(home / "queue.journal")
        self.changed = threading.Condition()
        self.waiting: dict[int, QueueItem] = {}
        self.left: dict[int, QueueItem] = {}
        self.interrupted: list[Interrupted] = []
        self.paused = False
        self._running: dict[int, QueueItem] = {}
        self._next_id = 1
        started: dict[int, Interrupted] = {}
        self.journal.read(lambda entry: self._apply(entry, started))
        self.interrupted = list(started.values())
        with contextlib.suppress(NotStored):  # the longer journal says the same; the next entry tries again
            self._compact()

    def _apply(self, entry: dict[str, object], started: dict[int, Interrupted]) -> None:
        """Repeat what an entry says. Raises ValueError for one that says nothing."""
        if isinstance(added := entry.get("add"), dict):
            item = from_dict(added)
            self.waiting[item.id] = item
            self._next_id = max(self._next_id, item.id + 1)
            return
        verb = next(iter(entry))
        number = number_in(entry, verb)
        if verb == "next":
            self._next_id = max(self._next_id, number)
        elif verb == "fold" and isinstance(causes := entry.get("causes"), list):
            more = tuple(cause_forms.from_dict(row) for row in causes)
            if (folded := self.waiting.get(number)) is not None:
                folded.causes += more
                if "ready_at" in entry:
                    folded.ready_at = number_in(entry, "ready_at")
                    folded.due = time.monotonic() + max(0.0, (folded.ready_at - now_ms()) / 1000)
        elif verb == "cancel":
            self.waiting.pop(number, None)
        elif verb == "start":
            build = number_in(entry, "number")
            if (waited := self.waiting.pop(number, None)) is not None:
                started[number] = Interrupted(item=waited, number=build)
        elif verb == "end":
            started.pop(number, None)
        else:
            raise ValueError(f"'{verb}' is nothing that happens in a queue")

    def _compact(self) -> None:
        """Rewrite the journal with what still matters."""
        entries: list[dict[str, object]] = [{"next": self._next_id}]
        entries += [{"add": item.to_dict()} for item in self.waiting.values()]
        for build in self.interrupted:
            entries += [{"add": build.item.to_dict()}, {"start": build.item.id, "number": build.number}]
        for item in self._running.values():
            entries += [{"add": item.to_dict()}, {"start": item.id, "number": item.number or 0}]
        self.journal.rewrite(entries)

    def _write_down(self, entry: dict[str, object], *, durable: bool = True) -> None:
        """Put an entry on disk. Raises NotStored; what was written before is safe then."""
        if not self.journal.sound:
            self._compact()
        self.journal.append(entry, durable=durable)
        if self.journal.lines > COMPACT_AFTER:
            with contextlib.suppress(NotStored):  # the entry is stored; the next one tries again
                self._compact()

    def add(
        self,
        job: str,
        causes: tuple[Cause, ...],
        values: tuple[Parameter, ...],
        delay: float,
        actions: tuple[str, ...] = (),
        *,
        durable: bool = True,
    ) -> QueueItem:
        """Accept a trigger: a new item, or the equal one that waits already. On disk when this returns.

        Without `durable` a power cut may lose it: for what a build starts that would not outlive one itself.
        """
        with self.changed:
            if (item := turns.fold(self.waiting.values(), job, values, actions)) is not None:
                return self._folded(item, causes, delay)
            now = now_ms()
            ready = now + int(delay * 1000)
            item = QueueItem(
                id=self._next_id,
                job=job,
                causes=causes,
                parameters=values,
                since=now,
                ready_at=ready,
                actions=actions,
                due=time.monotonic() + delay,
            )
            self._write_down({"add": item.to_dict()}, durable=durable)
            self._next_id += 1
            self.waiting[item.id] = item
            self.changed.notify()
            return item

    def _folded(self, item: QueueItem, causes: tuple[Cause, ...], delay: float) -> QueueItem:
        """Merge a further trigger into an item."""
        ready_at = int(turns.hastened(item.ready_at, now_ms() + int(delay * 1000)))
        rows = [cause.to_dict() for cause in causes]
        self._write_down({"fold": item.id, "causes": rows, "ready_at": ready_at})
        item.causes += causes
        item.ready_at, item.due = ready_at, turns.hastened(item.due, time.monotonic() + delay)
        self.changed.notify()
        return item

    def take(self, starter: Starter) -> QueueItem | None:
        """Start the first item that may run now, or wait for a change; None when the wait was in vain."""
        with self.changed:
            now = time.monotonic()
            for item in turns.ready(self.waiting.values(), now) if not self.paused else ():
                item.buildable_since = item.buildable_since or now_ms()
                if starter.allowed(item) and self._start(item, starter):
                    return item
            soonest = turns.next_moment(self.waiting.values(), now) if not self.paused else None
            self.changed.wait(max(0.001, min(soonest or math.inf, now + LONGEST_WAIT) - now))
            return None

    def _start(self, item: QueueItem, starter: Starter) -> bool:
        """Start an item; False, and a later try, when that is not possible: others behind it must not wait for it."""
        try:
            number = starter.reserve(item)
            self._write_down({"start": item.id, "number": number})
        except Exception as problem:  # a full disk, a job that is broken on disk
            item.trouble = f"{type(problem).__name__}: {problem}"
            item.due = time.monotonic() + RETRY
            logging.getLogger(__name__).warning("%s cannot be started now: %s", item.job, item.trouble)
            return False
        del self.waiting[item.id]
        item.number, item.left_at = number, time.monotonic()
        self._running[item.id] = item
        self._leave(item)
        starter.occupy(item)
        return True

    def end(self, item: QueueItem) -> None:
        """Cross out an item whose build has ended and is on disk."""
        with self.changed:
            self._running.pop(item.id, None)
            self.changed.notify_all()
            # Not synced, and on a full disk not written: the record itself tells that the build ended.
            with contextlib.suppress(NotStored):
                self._write_down({"end": item.id}, durable=False)

    @property
    def next_id(self) -> int:
        """The id of the next item."""
        return self._next_id

    def go_on_from(self, number: int) -> None:
        """Give no further item an id below this one."""
        with self.changed:
            if number > self._next_id:
                self._write_down({"next": number})
                self._next_id = number

    def forget(self, build: Interrupted) -> None:
        """Cross out a build that ran when the server died: its record says so by now. Raises NotStored."""
        with self.changed:
            self._write_down({"end": build.item.id})
            build.item.number, build.item.left_at = build.number, time.monotonic()
            self.left[build.item.id] = build.item
            self.interrupted.remove(build)

    def cancel(self, number: int) -> bool:
        """Take an item out; False when none with this id waits."""
        with self.changed:
            item = self.waiting.get(number)
            if item is None:
                return False
            self._write_down({"cancel": number})
            del self.waiting[number]
            item.cancelled, item.left_at = True, time.monotonic()
            self._leave(item)
            return True

    def drop(self, number: int) -> None:
        """Take out an item at the start; where there is no room, the next entry writes down that it is gone."""
        with self.changed:
            self.waiting.pop(number, None)
            try:
                self._write_down({"cancel": number})
            except NotStored:
                self.journal.sound = False

    def cancel_job(self, job: str) -> None:
        """Take out all items of a job that is being deleted."""
        for item in self.of_job(job):
            self.cancel(item.id)

    def rename(self, names: Mapping[str, str]) -> None:
        """Jobs have other names now (old -> new): what waits for them waits on."""
        with self.changed:
            for item in self.waiting.values():
                item.job = names.get(item.job, item.job)
            try:
                self._compact()
            except NotStored:
                self.journal.sound = False  # the next entry writes all of it

    def _leave(self, item: QueueItem) -> None:
        self.left[item.id] = item
        limit = time.monotonic() - LEFT_SECONDS
        while self.left and (oldest := next(iter(self.left.values()))).left_at < limit:
            del self.left[oldest.id]

    def get(self, number: int) -> QueueItem | None:
        with self.changed:
            return self.waiting.get(number) or self.left.get(number)

    def items(self) -> Sequence[QueueItem]:
        with self.changed:
            return list(self.waiting.values())

    def of_job(self, job: str) -> list[QueueItem]:
        return [item for item in self.items() if item.job == job]

    def pause(self, paused: bool) -> None:
        """quietDown and cancelQuietDown: accept, but start nothing."""
        with self.changed:
            self.paused = paused
            self.changed.notify_all()

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            with contextlib.suppress(NotStored):  # the longer journal says the same
                self._compact()
            self.journal.close()
