"""`status` as it was said before of the same tips: the matrix of a large organisation is put together once for each.

What is remembered is shown and never decided by: gates, plans and swaps read the records. It is kept as it is printed,
below a line that says of what, and what it has to be.
"""

from __future__ import annotations

import json
from pathlib import Path

from sluicegate import __version__
from sluicegate.delivery.answers.status import Status, from_json, status
from sluicegate.delivery.book.state import State
from sluicegate.tools import cached
from sluicegate.tools.git.place import cache_name, cache_path

SHAPE = 2
"""Raised with each change of what `status` says of the same records."""


def remembered_status(state: State) -> Status:
    """The matrix at the tips: as it was said on this day of just these, else read."""
    kept = _kept(state)
    return from_json(json.loads(kept)) if kept else _read(state)[0]


def remembered_text(state: State) -> str:
    """The same, as `status --json` prints it."""
    return _kept(state) or _read(state)[1]


def _kept(state: State) -> str:
    """What was said of the same, '' where that is not known."""
    head, _, content = cached.read(_path(state)).partition(b"\n")
    return content.decode() if content and head == _head(state, content) else ""


def _read(state: State) -> tuple[Status, str]:
    """The matrix and its text, which is remembered."""
    matrix = status(state)
    text = matrix.text()
    content = text.encode()
    if not state.notices:  # which have to be said again
        cached.write(_path(state), _head(state, content) + b"\n" + content)
    return matrix, text


def _path(state: State) -> Path:
    return cache_path() / f"{cache_name(state.store.remote)}.status"


def _head(state: State, content: bytes) -> bytes:
    """What the matrix depends on, on the time only by its day, as a hold ends with one; and its text's checksum."""
    import hashlib

    about = [__version__, SHAPE, state.now.date().isoformat(), dict(state.tips), hashlib.sha256(content).hexdigest()]
    return json.dumps(about).encode()
