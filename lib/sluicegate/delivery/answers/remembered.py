"""`status` as it was said before of the same tips: the matrix of a large organisation is put together once for each.

What is remembered is shown and never decided by: gates, plans and swaps read the records.
"""

from __future__ import annotations

import json
from pathlib import Path

from sluicegate import __version__
from sluicegate.delivery.answers.status import Status, from_json, status
from sluicegate.delivery.book.state import State
from sluicegate.model.values import Json
from sluicegate.tools import cached
from sluicegate.tools.git.place import cache_name, cache_path

SHAPE = 2
"""Raised with each change of what `status` says of the same records."""


def remembered_status(state: State) -> Status:
    """The matrix at the tips: as it was said on this day of just these, else read."""
    path, about = _path(state), _about(state)
    try:
        kept = json.loads(cached.read(path) or b"{}")
        if kept.get("about") == about:
            return from_json(kept["status"])
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged, so it is made anew
        pass
    found = status(state)
    if not state.notices:  # which have to be said again
        cached.write(path, json.dumps({"about": about, "status": found.json()}).encode())
    return found


def _path(state: State) -> Path:
    return cache_path() / f"{cache_name(state.store.remote)}.status"


def _about(state: State) -> Json:
    """What the matrix depends on; on the time only by its day, as a hold ends with one."""
    return [__version__, SHAPE, state.now.date().isoformat(), dict(state.tips)]
