"""A line of processes that want the same: one at a time has its turn, in the order in which they came.

Who waits has a ticket, a file that is named for when it came and that it holds a lock on: so who was killed stands in
nobody's way, and who has had a turn and wants another stands behind all who wait. Each looks at the one before it only.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sluicegate.errors import Conflict
from sluicegate.tools.lock import POLL, locked

TICKET = re.compile(r"[0-9]{20}-[0-9]+-[0-9]+")
GLANCE = 1.0  # seconds after which one looks at the whole line again


@contextmanager
def in_line(folder: Path, mode: int, *, since: int, seconds: float = 60.0) -> Iterator[bool]:
    """Wait behind all who came before `since`, in nanoseconds of the clock; whether the turn came.

    It did not when no turn began for `seconds`: then somebody hangs, or was stopped, and the caller goes on beside it.
    `folder` is where the line stands, `mode` that of its files. Raises OSError where no lock can be made there.
    """
    ticket = folder / f"{since:020}-{os.getpid()}-{threading.get_ident()}"
    turn = folder / "turn"
    patience = _Patience(turn, seconds)
    with ExitStack() as held:
        with ExitStack() as waiting:
            waiting.enter_context(locked(ticket, mode=mode))
            waiting.callback(ticket.unlink, missing_ok=True)
            came = _come_forward(ticket, patience) and _take(held, turn, mode, patience)
        yield came


def _come_forward(ticket: Path, patience: _Patience) -> bool:
    """Wait until nobody is before us; False when that takes too long."""
    while before := _before(ticket):
        try:  # who is far from its turn need not look often
            with locked(before[-1], seconds=GLANCE, poll=POLL * len(before)):
                before[-1].unlink(missing_ok=True)  # its process has its turn, or is dead
        except Conflict:
            if patience.over:
                return False
    return True


def _before(ticket: Path) -> list[Path]:
    names = (name for name in os.listdir(ticket.parent) if name < ticket.name and TICKET.fullmatch(name))
    return [ticket.parent / name for name in sorted(names)]


def _take(held: ExitStack, turn: Path, mode: int, patience: _Patience) -> bool:
    """Wait until the turn before ours has ended; False when that takes too long."""
    while True:
        try:
            held.enter_context(locked(turn, mode=mode, seconds=min(GLANCE, patience.seconds)))
        except Conflict:
            if patience.over:
                return False
        else:
            os.utime(turn)  # for those who wait: the line moves
            return True


class _Patience:
    """Is over when no turn has begun for `seconds`, and we have waited as long."""

    def __init__(self, turn: Path, seconds: float) -> None:
        self.seconds = seconds
        self._turn = turn
        self._came = time.time()

    @property
    def over(self) -> bool:
        try:
            began = self._turn.stat().st_mtime
        except FileNotFoundError:
            began = self._came
        return time.time() - max(began, self._came) > self.seconds
