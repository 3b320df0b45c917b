"""A local file as it is read: hashed on the way, and refused when it changes meanwhile."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from sluicegate.errors import IntegrityError

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file as it went out or came in: bytes and hex checksums. `whole` is false when the server cut it short."""

    size: int = 0
    checksums: Mapping[str, str]
    whole: bool = True


def checksums(source: Path, kinds: Iterable[str]) -> Sent:
    """Hash a file without sending it. Raises IntegrityError when it changes meanwhile."""
    with opened(source) as stream:
        marks = marks_of(os.fstat(stream.fileno()))
        digests = [hashlib.new(kind, usedforsecurity=False) for kind in kinds]
        size = 0
        while block := stream.read(BLOCK):
            feed(digests, block)
            size += len(block)
        check_unchanged(source, stream, marks, size)
    return Sent(size=size, checksums={digest.name: digest.hexdigest() for digest in digests})


def feed(digests: list[hashlib._Hash], block: bytes | memoryview) -> None:
    for digest in digests:
        digest.update(block)


def opened(source: Path) -> BinaryIO:
    try:
        return source.open("rb")
    except FileNotFoundError as problem:
        raise IntegrityError(f"{source} vanished before it was read", hint="build it again") from problem


def marks_of(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


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
