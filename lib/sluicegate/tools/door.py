"""The place that every call to the outside passes, for tests that stop or fail at call N."""

from __future__ import annotations

from collections.abc import Callable

watcher: Callable[[str], None] | None = None
"""Called with the name of each outside call before it happens; a test sets it and may raise from it."""


def passing(name: str) -> None:
    """Announce an outside call such as `git push` or `rename live`."""
    if watcher is not None:
        watcher(name)
