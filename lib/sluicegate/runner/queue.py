"""What waits to be built, kept in a journal so that an accepted trigger is on disk before it is answered.

`<home>/queue.journal` holds one JSON object a line: add, fold, start, end, cancel, next. Each is synced. Opening the
queue replays it: items without `start` wait again, items with `start` but no `end` ran when the server died.
Imitates hudson.model.Queue: quiet period, merging of equal items, blocking while the job runs.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.runner import causes as cause_forms
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.tools import door, files

LEFT_SECONDS = 300
COMPACT_AFTER = 20_000


@dataclass(slots=True, kw_only=True)
class QueueItem:
    """One accepted trigger. Times are milliseconds since 1970."""

    id: int
    job: str
    causes: tuple[Cause, ...]
    parameters: tuple[Parameter, ...]
    since: int
    ready_at: int
    buildable_since: int = 0
    cancelled: bool = False
    number: int | None = None
    left_at: float = 0.0

    def to_dict(self) -> dict[str, object]:
        return {
            "id": self.id,
            "job": self.job,
            "causes": [cause.to_dict() for cause in self.causes],
            "parameters": [[p.name, p.value, p.value_class, p.description] for p in self.parameters],
            "since": self.since,
            "ready_at": self.ready_at,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A build that ran when the server died."""

    item: QueueItem
    number: int


def _item(data: dict[str, object]) -> QueueItem:
    causes, values = data["causes"], data["parameters"]
    assert isinstance(causes, list) and isinstance(values, list)
    return QueueItem(
        id=int(str(data["id"])),
        job=str(data["job"]),
        causes=tuple(cause_forms.from_dict(one) for one in causes),
        parameters=tuple(Parameter(name=n, value=v, value_class=c, description=d) for n, v, c, d in values),
        since=int(str(data["since"])),
        ready_at=int(str(data["ready_at"])),
    )


def now_ms() -> int:
    return int(time.time() * 1000)


class Queue:
    """The waiting items in order of arrival, and those that left within the last five minutes."""

    def __init__(self, home: Path) -> None:
        self.path = home / "queue.journal"
        self.changed = threading.Condition()
        self.waiting: dict[int, QueueItem] = {}
        self.left: dict[int, QueueItem] = {}
        self.interrupted: list[Interrupted] = []
        self.paused = False
        self._running: dict[int, QueueItem] = {}
        self._next_id = 1
        self._lines = 0
        self._replay()
        self._descriptor = -1
        self._compact()

    def _replay(self) -> None:
        started: dict[int, Interrupted] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else []:
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # A crash may cut the last line; what it held was never acknowledged.
            self._apply(entry, started)
        self.interrupted = list(started.values())

    def _apply(self, entry: dict[str, object], started: dict[int, Interrupted]) -> None:
        if isinstance(data := entry.get("add"), dict):
            item = _item(data)
            self.waiting[item.id] = item
            self._next_id = max(self._next_id, item.id + 1)
            return
        verb = next(iter(entry))
        number = int(str(entry[verb]))
        if verb == "next":
            self._next_id = max(self._next_id, number)
        elif verb == "fold" and number in self.waiting and isinstance(causes := entry.get("causes"), list):
            self.waiting[number].causes += tuple(cause_forms.from_dict(one) for one in causes)
        elif verb == "cancel":
            self.waiting.pop(number, None)
        elif verb == "start" and number in self.waiting:
            item = self.waiting.pop(number)
            started[number] = Interrupted(item=item, number=int(str(entry["number"])))
        elif verb == "end":
            started.pop(number, None)

    def _compact(self) -> None:
        """Rewrite the journal with what still matters."""
        entries: list[dict[str, object]] = [{"next": self._next_id}]
        entries += [{"add": item.to_dict()} for item in self.waiting.values()]
        for one in self.interrupted:
            entries += [{"add": one.item.to_dict()}, {"start": one.item.id, "number": one.number}]
        for item in self._running.values():
            entries += [{"add": item.to_dict()}, {"start": item.id, "number": item.number or 0}]
        files.replace(self.path, "".join(json.dumps(entry) + "\n" for entry in entries).encode(), mode=0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._lines = len(entries)

    def _journal(self, entry: dict[str, object], *, durable: bool = True) -> None:
        door.passing("journal queue")
        os.write(self._descriptor, json.dumps(entry).encode() + b"\n")
        if durable:
            os.fdatasync(self._descriptor)
        self._lines += 1
        if self._lines > COMPACT_AFTER:
            self._compact()

    def add(self, job: str, causes: tuple[Cause, ...], values: tuple[Parameter, ...], delay: float) -> QueueItem:
        """Accept a trigger: a new item, or the equal one that waits already. On disk when this returns."""
        with self.changed:
            for item in self.waiting.values():
                if item.job == job and item.parameters == values:
                    self._journal({"fold": item.id, "causes": [cause.to_dict() for cause in causes]})
                    item.causes += causes
                    return item
            now = now_ms()
            ready = now + int(delay * 1000)
            item = QueueItem(id=self._next_id, job=job, causes=causes, parameters=values, since=now, ready_at=ready)
            self._journal({"add": item.to_dict()})
            self._next_id += 1
            self.waiting[item.id] = item
            self.changed.notify()
            return item

    def take(self, allowed: Callable[[QueueItem], bool], begin: Callable[[QueueItem], int]) -> QueueItem | None:
        """Start the first item that may run now, or wait for a change; None when the wait was in vain.

        `begin` reserves the build number; it is journaled before the build exists.
        """
        with self.changed:
            now = now_ms()
            soonest: int | None = None
            for item in self.waiting.values() if not self.paused else ():
                if item.ready_at > now:
                    soonest = item.ready_at if soonest is None else min(soonest, item.ready_at)
                    continue
                item.buildable_since = item.buildable_since or now
                if allowed(item):
                    return self._start(item, begin)
            self.changed.wait(None if soonest is None else max(0.001, (soonest - now) / 1000))
            return None

    def _start(self, item: QueueItem, begin: Callable[[QueueItem], int]) -> QueueItem:
        number = begin(item)
        self._journal({"start": item.id, "number": number})
        del self.waiting[item.id]
        item.number, item.left_at = number, time.monotonic()
        self._running[item.id] = item
        self._leave(item)
        return item

    def end(self, item: QueueItem) -> None:
        """The build of an item has ended and is recorded."""
        with self.changed:
            # Not synced: after a power cut the record itself tells that the build ended.
            self._journal({"end": item.id}, durable=False)
            self._running.pop(item.id, None)
            self.changed.notify_all()

    def forget_interrupted(self) -> None:
        """The builds that ran when the server died are marked now."""
        with self.changed:
            for one in self.interrupted:
                self._journal({"end": one.item.id})
                one.item.number, one.item.left_at = one.number, time.monotonic()
                self.left[one.item.id] = one.item
            self.interrupted = []

    def cancel(self, number: int) -> bool:
        """Take an item out; False when none with this id waits."""
        with self.changed:
            item = self.waiting.get(number)
            if item is None:
                return False
            self._journal({"cancel": number})
            del self.waiting[number]
            item.cancelled, item.left_at = True, time.monotonic()
            self._leave(item)
            return True

    def cancel_job(self, job: str) -> None:
        """Take out all items of a job that is being deleted."""
        for item in self.of_job(job):
            self.cancel(item.id)

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
            self._compact()
            os.close(self._descriptor)
            self._descriptor = -1
