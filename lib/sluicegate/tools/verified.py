"""What this machine has verified before, so that a signature is checked once. Only what verified is remembered."""

from __future__ import annotations

import hashlib
import os
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from sluicegate.tools import cached
from sluicegate.tools.git.place import cache_path


class Verified:
    """The memory for one repository and one list of who may sign: another list asks everything anew."""

    def __init__(self, remote: str, signers: bytes) -> None:
        about = hashlib.sha256(remote.encode() + b"\0" + signers).hexdigest()[:24]
        self._path = cache_path() / f"{about}.verified"

    @cached_property
    def _known(self) -> set[str]:
        return _remembered(self._path)

    def knows(self, message: bytes, signature: str) -> bool:
        return _digest(message, signature) in self._known

    def remember(self, message: bytes, signature: str) -> None:
        """Note what verified. A cache that cannot be written costs time, and stops nobody."""
        digest = _digest(message, signature)
        self._known.add(digest)
        with suppress(OSError):
            os.write(self._descriptor, f"{digest}\n".encode())

    @cached_property
    def _descriptor(self) -> int:
        """The file, open as long as this memory is used: a machine may have a thousand to remember on its first day."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        weakref.finalize(self, os.close, opened)
        return opened


def _digest(message: bytes, signature: str) -> str:
    return hashlib.sha256(hashlib.sha256(message).digest() + signature.encode()).hexdigest()


def _remembered(path: Path) -> set[str]:
    return set(cached.read(path).decode("utf-8", "replace").split())
