"""A file of JSON objects, one a line, each on disk before anybody is told of it."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.tools import door, files

Entry = dict[str, object]


class NotStored(SluicegateError):
    """The disk took nothing of it; what was there before is as it was. Trying again later may help."""


class Journal:
    """An append-only file. What cannot be appended whole is taken back; after that the file is written anew.

    `sound` tells whether the file says all that it should; else it has to be rewritten before the next entry.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines = 0
        self._descriptor = -1
        self._size = 0
        self.sound = False

    def read(self, apply: Callable[[Entry], None]) -> None:
        """Hand each entry to `apply`. Lines that are no object, or that `apply` refuses by ValueError, are reported
        and kept in PATH.damaged: a crash may cut or zero the last lines, and nothing else may be lost by that."""
        damaged: list[bytes] = []
        for line in self.path.read_bytes().split(b"\n") if self.path.exists() else []:
            self.lines += bool(line)
            try:
                if line:
                    apply(_entry(line))
            except ValueError:
                damaged.append(line)
        if damaged:
            aside = self.path.with_name(f"{self.path.name}.damaged")
            logging.getLogger(__name__).warning(
                "%s: %d lines could not be read; they are kept in %s", self.path, len(damaged), aside.name
            )
            with aside.open("ab") as stream:
                stream.write(b"".join(line + b"\n" for line in damaged))

    def rewrite(self, entries: Iterable[Entry]) -> None:
        """Replace the file by these entries. Raises NotStored."""
        lines = [json.dumps(entry).encode() + b"\n" for entry in entries]
        try:
            files.replace(self.path, b"".join(lines), mode=0o600)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError as problem:
            raise _not_stored(self.path, problem) from problem
        self._shut()
        self._descriptor, self._size, self.sound = descriptor, sum(map(len, lines)), True
        self.lines = len(lines)

    def append(self, entry: Entry, *, durable: bool = True) -> None:
        """Add a line, on disk when this returns. Raises NotStored, and then no part of the line is in the file."""
        door.passing(f"journal {self.path.stem}")
        line = json.dumps(entry).encode() + b"\n"
        try:
            rest = memoryview(line)
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            if durable:
                os.fdatasync(self._descriptor)
        except OSError as problem:
            # What a failed sync left on disk nobody knows: only a new file can be trusted again.
            self.sound = False
            self._take_back()
            raise _not_stored(self.path, problem) from problem
        self._size += len(line)
        self.lines += 1

    def empty(self) -> None:
        """Forget all entries, also where there is no room. Raises NotStored."""
        door.passing(f"empty {self.path.stem}")
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(self._descriptor, 0)
            os.fdatasync(self._descriptor)
        except OSError as problem:
            self.sound = False
            raise _not_stored(self.path, problem) from problem
        self._size = self.lines = 0

    def _take_back(self) -> None:
        """Cut off what a failed `append` left, so that also a crash before the rewriting finds no half line."""
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            logging.getLogger(__name__).exception("%s: a half line could not be taken back", self.path)

    def close(self) -> None:
        self._shut()

    def _shut(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _entry(line: bytes) -> Entry:
    try:
        entry = json.loads(line)
    except RecursionError as problem:
        raise ValueError("nested too deep") from problem
    if not isinstance(entry, dict) or not entry:
        raise ValueError("no object")
    return entry


def _not_stored(path: Path, problem: OSError) -> NotStored:
    return NotStored(
        f"{path.name} cannot be written: {os.strerror(problem.errno or 0)}",
        hint="make room on the disk, then try again",
    )
