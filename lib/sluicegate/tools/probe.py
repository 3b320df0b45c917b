"""Asks a running service for its version."""

from __future__ import annotations

import json
import time

from sluicegate.errors import RemoteUnavailable, SluicegateError
from sluicegate.tools import http

PAUSE = 0.1


def wait_for_version(url: str, version: str, *, seconds: float = 30.0) -> None:
    """Ask until `url` answers `version`: a JSON object's field of that name, or the plain text.

    Raises SluicegateError saying what it answered last, when the time is over.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            answer = http.get(url, timeout=5.0)
            said = f"status {answer.status}" if answer.status != 200 else f"version '{spoken_version(answer.text)}'"
            if answer.status == 200 and spoken_version(answer.text) == version:
                return
        except RemoteUnavailable as problem:
            said = problem.message
        if time.monotonic() >= deadline:
            raise SluicegateError(f"{url} should answer version {version} within {seconds:g} s, but: {said}")
        time.sleep(PAUSE)


def spoken_version(text: str) -> str:
    """The version in an answer."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    return str(value.get("version", "")) if isinstance(value, dict) else str(value)
