"""Counts the bytes of artifacts that go out or come in, and tells of waiting, for whoever shows progress."""

from __future__ import annotations

from collections.abc import Callable

watcher: Callable[[int], None] | None = None
"""Called from any thread with the number of bytes just moved; set by the command that shows a bar."""

listener: Callable[[str], None] | None = None
"""Called from any thread with why a request is tried again only later."""


def waits(why: str) -> None:
    if listener is not None:
        listener(why)


def moved(count: int) -> None:
    if watcher is not None:
        watcher(count)
