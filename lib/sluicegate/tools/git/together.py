"""Changes of one process that wait for the same delivery repo go out in one push.

Each is decided on what was staged before it, and staged itself; the last one that waits sends all. Nobody is told that
a change was made, or why not, before the repository took what that was decided on. Processes stand in a line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from sluicegate.errors import Conflict, RemoteUnavailable
from sluicegate.tools.git.commits import Edit, Signature
from sluicegate.tools.git.refusals import Beaten
from sluicegate.tools.git.store import Store

AT_MOST = 64  # changes in one push
LONGEST = 1.0  # seconds after which no further change joins a push


class RefusedTogether(Beaten):
    """The repository refused a push of several changes: each is to be made again by itself, to see which it meant."""


class Batch:
    """Changes that go out in one push; the lock on the delivery repo is held until then. `base`: the tips before."""

    def __init__(self, store: Store, *, alone: bool, since: int) -> None:
        with ExitStack() as held:
            held.enter_context(store.lock(since=since))
            self.base = self.tips = store.tips()
            self._held = held.pop_all()
        self._alone = alone
        self._until = time.monotonic() + LONGEST
        self.changes = 0
        self.done = False
        self.problem: Exception | None = None

    @property
    def open(self) -> bool:
        return not self._alone and self.changes < AT_MOST and time.monotonic() < self._until

    def stage(self, store: Store, edits: Iterable[Edit], message: str, *, by: Signature, at: datetime) -> None:
        """Make the commits of a change that was decided on `tips`."""
        if commits := store.commits(edits, message, by=by, at=at, before=self.base):
            self.tips = {**self.tips, **commits}
            self.changes += 1

    def send(self, store: Store) -> None:
        """Push all; what came of it is in `problem`."""
        self.problem = RemoteUnavailable("the push was broken off", hint="run the command again")
        try:
            store.move(self.base, self.tips)
            self.problem = None
        except Exception as problem:
            self.problem = problem

    def close(self) -> None:
        self._held.close()

    def refuse_unsent(self) -> None:
        """Raise what the push ended with."""
        problem = self.problem
        if self.changes > 1 and isinstance(problem, Conflict) and not isinstance(problem, Beaten):
            raise RefusedTogether(problem.message) from problem
        if problem is not None:
            raise problem


class Line:
    """The changes of this process that wait for one delivery repo; one at a time is `busy` deciding or sending."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._busy = False
        self.waiting = 0  # changes that may still join the batch
        self._batch: Batch | None = None

    def enter(self, store: Store, *, alone: bool, since: int) -> Batch:
        """Wait for one's turn in a batch."""
        with self._changed:
            self.waiting += not alone
            try:
                self._changed.wait_for(lambda: not self._busy and self._may_join(alone))
                self._busy = True
            finally:
                self.waiting -= not alone
                self._changed.notify_all()  # who gave up may have been waited for
        try:
            self._batch = self._batch or Batch(store, alone=alone, since=since)
        except BaseException:
            self._free()
            raise
        return self._batch

    def _may_join(self, alone: bool) -> bool:
        return self._batch is None or (not alone and self._batch.open)

    def leave(self, batch: Batch) -> None:
        """End one's turn; a batch without changes ends with it."""
        if not batch.changes:
            self._end(batch)
        self._free()

    def sent(self, store: Store, batch: Batch) -> None:
        """Wait until the batch was sent, by us where nobody waits any more. Raises what came of it."""
        with self._changed:
            self._changed.wait_for(lambda: batch.done or not (self._busy or (self.waiting and batch.open)))
            ours = not batch.done
            self._busy = self._busy or ours
        if ours:
            try:
                batch.send(store)
            finally:
                self._end(batch)
                self._free()
        batch.refuse_unsent()

    def _end(self, batch: Batch) -> None:
        batch.close()
        batch.done = True
        self._batch = None

    def _free(self) -> None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()


_lines: dict[tuple[str, str], Line] = {}


def line_of(store: Store) -> Line:
    """Where changes of what this store is of wait."""
    return _lines.setdefault((store.remote, str(store.local)), Line())


@contextmanager
def turn(store: Store, *, alone: bool = False, since: int = 0) -> Iterator[Batch]:
    """One's turn to decide on the `tips` of a batch and to stage a change; left when the batch was sent.

    `since`: when the change stood in line first, as of `Store.lock`.

    Raises Beaten when what the change, or its refusal, was decided on has not come to be: decide again.
    """
    line = line_of(store)
    batch = line.enter(store, alone=alone, since=since)
    try:
        yield batch
    except Exception:
        line.leave(batch)
        line.sent(store, batch)
        raise
    except BaseException:
        line.leave(batch)
        raise
    line.leave(batch)
    line.sent(store, batch)
