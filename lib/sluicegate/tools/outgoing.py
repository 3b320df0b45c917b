"""A local file as it is read and goes out: hashed on the way, refused when it changes meanwhile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sluicegate.errors import IntegrityError
from sluicegate.tools import meter

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file as it went out or came in: bytes and hex checksums. `whole` is false when the server cut it short."""

    size: int = 0
    checksums: Mapping[str, str]
    whole: bool = True


class Summing:
    """Adds blocks up to a size and checksums."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self.kinds = tuple(kinds)
        self.size = 0
        self._digests = [hashlib.new(kind, usedforsecurity=False) for kind in self.kinds]

    def add(self, block: bytes) -> None:
        self.size += len(block)
        for digest in self._digests:
            digest.update(block)

    def sent(self, *, whole: bool = True) -> Sent:
        sums = {digest.name: digest.hexdigest() for digest in self._digests}
        return Sent(size=self.size, checksums=sums, whole=whole)


class Outgoing:
    """A file as the body of a request, between the bytes `before` and `after`.

    Requests reads it block by block and gives it back to `seek(0)` before it tries again.
    """

    def __init__(
        self, source: Path, stream: BinaryIO, kinds: Iterable[str], *, before: bytes = b"", after: bytes = b"",
        metered: bool = True,
    ) -> None:  # fmt: skip
        self._source, self._stream, self._kinds = source, stream, tuple(kinds)
        self._before, self._after, self._metered = before, after, metered
        self._marks = marks_of(os.fstat(stream.fileno()))
        self.size = self._marks[2]
        self.seek(0)

    @classmethod
    @contextmanager
    def opened(
        cls, source: Path, kinds: Iterable[str], *, before: bytes = b"", after: bytes = b"", metered: bool = True
    ) -> Iterator[Outgoing]:
        """Without `metered` the first reading is not told to the meter: it is not for the wire."""
        with opened(source) as stream:
            yield cls(source, stream, kinds, before=before, after=after, metered=metered)

    def __len__(self) -> int:
        return len(self._before) + self.size + len(self._after)

    def __iter__(self) -> Iterator[bytes]:
        return self._blocks

    def tell(self) -> int:
        """Where requests is to begin again: always at the start."""
        return 0

    def seek(self, position: int) -> None:
        assert position == 0
        self._stream.seek(0)
        self._sum = Summing(self._kinds)
        self._ended = False
        self._blocks = self._read()

    def begun(self) -> Outgoing:
        """Itself, from its start."""
        self.seek(0)
        return self

    def read(self, size: int = -1) -> bytes:
        """The next block, of whatever size; b'' at the end."""
        return next(self._blocks, b"")

    def content(self) -> bytes:
        """All of it at once."""
        self.seek(0)
        return b"".join(self._blocks)

    def sent(self) -> Sent:
        return self._sum.sent(whole=self._ended)

    def _read(self) -> Iterator[bytes]:
        """The blocks; each is hashed while it goes out. The last goes out only when the file is as it was opened."""
        from concurrent.futures import ThreadPoolExecutor

        if self._before:
            yield self._before
        left = self.size
        with ThreadPoolExecutor(1) as beside:
            while left and (block := self._stream.read(min(BLOCK, left))):
                hashed = beside.submit(self._sum.add, block)
                left -= len(block)
                if not left:
                    check_unchanged(self._source, self._stream, self._marks, self.size + len(self._stream.read(1)))
                yield block
                hashed.result()
                if self._metered:
                    meter.moved(len(block))
        self._metered = True
        check_unchanged(self._source, self._stream, self._marks, self._sum.size)
        self._ended = True
        if self._after:
            yield self._after


def checksums(source: Path, kinds: Iterable[str]) -> Sent:
    """Hash a file without sending it. Raises IntegrityError when it changes meanwhile."""
    with opened(source) as stream:
        marks = marks_of(os.fstat(stream.fileno()))
        sums = Summing(kinds)
        while block := stream.read(BLOCK):
            sums.add(block)
        check_unchanged(source, stream, marks, sums.size)
    return sums.sent()


def opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except FileNotFoundError as problem:
        raise IntegrityError(f"{source} vanished before it was read", hint="build it again") from problem


def marks_of(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def check_unchanged(source: Path, stream: BinaryIO, marks: tuple[int, ...], read: int) -> None:
    """Compare what was opened with what stands under the name after reading: grown, shrunk, replaced or gone."""
    try:
        named = source.stat()
    except FileNotFoundError:
        named = None
    if named is None or {marks_of(named), marks_of(os.fstat(stream.fileno()))} != {marks} or read != marks[2]:
        raise changed(source)


def changed(source: Path) -> IntegrityError:
    return IntegrityError(f"{source} changed while it was read", hint="write it to its end first, then try again")
