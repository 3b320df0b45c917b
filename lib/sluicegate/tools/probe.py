"""Asks a running service for its version."""

from __future__ import annotations

import json
import time

from sluicegate.errors import RemoteUnavailable, SluicegateError
from sluicegate.model import snapshots
from sluicegate.tools import http

PAUSE = 0.05
PATIENCE = 2.0


def spoken_version(url: str) -> str | None:
    """The version that a service says it is (a JSON object's field, or the text), something else, None for silence."""
    try:
        answer = http.get(url, timeout=PATIENCE)
    except RemoteUnavailable:
        return None
    if answer.status != 200:
        return f"status {answer.status}"
    try:
        value = json.loads(answer.body)
    except ValueError:
        value = None
    if isinstance(value, dict) and isinstance(value.get("version"), str):
        return str(value["version"])
    return answer.text.strip()[:200]


def wait_for_version(url: str, version: str, *, seconds: float, hint: str = "") -> None:
    """Ask until `url` answers `version`. Raises SluicegateError with the last answer when the time is over.

    What was built as 1.4.2-SNAPSHOT may say so: it was built before it got its time stamp.
    """
    deadline = time.monotonic() + seconds
    right = {version, snapshots.base(version) or version}
    while (answer := spoken_version(url)) not in right:
        if time.monotonic() >= deadline:
            observation = "did not answer" if answer is None else f"answered {answer!r}"
            raise SluicegateError(
                f"{url} {observation} after {seconds:g} seconds, expected version {version}", hint=hint
            )
        time.sleep(PAUSE)
