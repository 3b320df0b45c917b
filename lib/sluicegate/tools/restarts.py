"""Waits for a Jenkins that restarts: it refuses, answers 503, 401 in spite of a right token, and 500 to a POST.

`GET /login` tells the two kinds of 401 apart: it answers 503 until Jenkins is up, and never 401.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sluicegate.errors import (
    Denied,
    NotFound,
    RemoteUnavailable,
    Restarting,
    ServerError,
    SluicegateError,
    UnknownName,
    Untrusted,
)

T = TypeVar("T")

PATIENCE = 60.0
"""Seconds for which a server that was there a moment ago is asked again."""
PAUSE = 1.0


def again(ask: Callable[[], T], may_pass: Callable[[SluicegateError], bool] = lambda problem: False) -> T:
    """What `ask` returns, tried again while the server is away, or while `may_pass` says that the error may pass.

    Right after a restart a login and what is there may be unknown for a moment.
    """
    end = time.monotonic() + PATIENCE
    seen = False
    while True:
        try:
            return ask()
        except SluicegateError as problem:
            away = isinstance(problem, RemoteUnavailable) and not isinstance(problem, Untrusted)
            passing = away or may_pass(problem) or (seen and isinstance(problem, Denied | NotFound | UnknownName))
            if not passing or time.monotonic() >= end:
                raise
            seen = seen or away
            pause()


def post(send: Callable[[], T], look: Callable[[], object]) -> T:
    """What `send` returns. It is sent again only where the server has surely done nothing.

    An error of the server (500) is a restart's only where `look`, which reads the same thing, fails as well.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return send()
        except Restarting:
            if time.monotonic() >= end:
                raise
            pause()
        except ServerError as problem:
            if time.monotonic() >= end or not _is_away(look):
                raise SluicegateError(problem.message, hint=problem.hint) from problem
            again(look)


def pause() -> None:
    """Wait between two tries."""
    from sluicegate.tools import patience  # brings urllib3, which a command that stays here does not need

    patience.pause(PAUSE)


def _is_away(look: Callable[[], object]) -> bool:
    try:
        look()
    except RemoteUnavailable:
        return True
    return False


def refused(problem: BaseException | None) -> bool:
    """Whether no connection came about, so that nothing of a request arrived."""
    while problem is not None:
        if isinstance(problem, ConnectionRefusedError) or type(problem).__name__ == "NewConnectionError":
            return True
        inner = [part for part in (getattr(problem, "reason", None), *problem.args) if isinstance(part, BaseException)]
        problem = inner[0] if inner else problem.__cause__
    return False
