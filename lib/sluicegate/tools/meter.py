"""Counts the bytes of artifacts that go out or come in, for whoever shows progress."""

from __future__ import annotations

from collections.abc import Callable

watcher: Callable[[int], None] | None = None
"""Called from any thread with the number of bytes just moved; set by the command that shows a bar."""


def moved(count: int) -> None:
    if watcher is not None:
        watcher(count)
