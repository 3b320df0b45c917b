"""What this machine remembers for a user: files in the cache that nobody else could have written, and that may go."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path


def read(path: Path) -> bytes:
    """What was kept; empty on the first visit, and where somebody else could have written it."""
    try:
        status = path.lstat()
        return path.read_bytes() if status.st_uid == os.geteuid() and not status.st_mode & 0o022 else b""
    except OSError:
        return b""


def write(path: Path, content: bytes) -> None:
    """Keep this in place of what was kept. A cache that cannot be written costs time, and stops nobody."""
    temporary = path.with_name(f".{path.name}.{threading.get_native_id()}")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(temporary, flags, 0o600), "wb") as stream:
            stream.write(content)
        os.replace(temporary, path)
