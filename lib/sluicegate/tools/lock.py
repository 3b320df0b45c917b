"""A lock on a file: one holder on this machine, and none once its process is dead."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import Conflict
from sluicegate.tools import door

POLL = 0.005  # seconds between two looks at a lock that somebody else holds


@contextmanager
def locked(path: Path, *, seconds: float = 60.0) -> Iterator[None]:
    """Hold an advisory lock on `path` (flock(2)), which is made where it is not there; it stays behind, and is free.

    Raises Conflict when somebody else holds it for longer than `seconds`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    door.passing(f"lock {path.name}")
    deadline = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise Conflict(
                    f"another command holds {path} for more than {seconds:g} seconds", hint=f"see who: fuser {path}"
                )
            time.sleep(POLL)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
