"""Lists of jobs that are asked again and again: kept as they were answered, until a job or a build changes.

Only what `tree` names is kept, and only where all of it lies in memory and is changed by nothing that does not tell
CHANGES: names, colours, and numbers and results of builds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from sluicegate.runner.changes import CHANGES
from sluicegate.runner.history import PERMALINKS
from sluicegate.web.call import Call
from sluicegate.web.selection import Selection, parse

Key: TypeAlias = tuple[object, ...]
OF_ITEMS = frozenset((
    "name", "url", "color", "displayName", "displayNameOrNull", "fullName", "fullDisplayName", "description",
    "buildable", "disabled", "concurrentBuild",
))  # fmt: skip
OF_BUILDS = frozenset((
    "number", "url", "id", "result", "building", "inProgress", "timestamp", "duration", "queueId", "keepLog",
))  # fmt: skip
BUILDS = frozenset(("firstBuild", "lastBuild", *PERMALINKS))
MOST = 8 << 20
"""Bytes of answers that are kept."""


class Lists:
    """The answers that are right now, by what was asked, from where, and what the asker may see."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mark: object = None
        self._answers: dict[Key, bytes] = {}
        self._size = 0

    def answer(self, call: Call, make: Callable[[], bytes]) -> bytes:
        """The kept answer to a question for a list, else what `make` makes."""
        wanted = call.value("tree")
        key = (call.segments, wanted, call.base, call.rules)
        with self._lock:
            mark = CHANGES.mark
            if self._mark is mark and (kept := self._answers.get(key)) is not None:
                return kept
        content = make()
        if wanted and is_steady(parse(wanted)):
            with self._lock:
                self._keep(key, content, mark)
        return content

    def _keep(self, key: Key, content: bytes, mark: object) -> None:
        """Keep an answer that was begun at `mark`, unless something changed while it was made."""
        if CHANGES.mark is not mark:
            return
        if self._mark is not mark:
            self._mark, self._size = mark, 0
            self._answers.clear()
        if self._size + len(content) <= MOST and key not in self._answers:
            self._answers[key] = content
            self._size += len(content)


def is_steady(wanted: Selection) -> bool:
    """Whether a tree of the root, or of a folder, names only what CHANGES tells of."""
    return set(wanted.names) == {"jobs"} and _steady_items(wanted.names["jobs"])


def _steady_items(wanted: Selection) -> bool:
    return all(
        name in OF_ITEMS
        or (name in BUILDS and OF_BUILDS.issuperset(below.names))
        or (name == "jobs" and _steady_items(below))
        for name, below in wanted.names.items()
    )
