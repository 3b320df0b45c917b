"""A lock on a file: one holder on this machine, and none once its process is dead."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import Conflict, UsageError
from sluicegate.tools import door

NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)
POLL = 0.005  # seconds between two looks at a lock that somebody else holds


@contextmanager
def locked(path: Path, *, seconds: float = 60.0, mode: int = 0o600, poll: float = POLL) -> Iterator[None]:
    """Hold an advisory lock on `path`, which is made where it is not there; it stays behind, and is free.

    Raises Conflict when somebody else holds it for longer than `seconds`; it is looked for every `poll` seconds.
    Raises UsageError where the file system keeps no locks, as some mounts of NFS, FUSE and containers' shares.
    """
    from filelock import FileLock, Timeout  # only commands that write pay for it

    path.parent.mkdir(parents=True, exist_ok=True)
    door.passing(f"lock {path.name}")
    # The thread that lets go of it may be another one than took it.
    lock = FileLock(path, timeout=seconds, mode=mode, poll_interval=poll, thread_local=False)
    try:
        lock.acquire()
    except Timeout as problem:
        raise Conflict(
            f"another command holds {path} for more than {seconds:g} seconds", hint=f"see who: fuser {path}"
        ) from problem
    except OSError as problem:
        if problem.errno not in NO_LOCKS:
            raise
        raise UsageError(
            f"the file system of {path.parent} keeps no locks: {problem.strerror}",
            hint="mount it with locks, or use a folder of another file system: two writers would not see each other",
        ) from problem
    try:
        yield
    finally:
        lock.release()
