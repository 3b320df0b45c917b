"""Intents: what is written before the outside is changed. An open one locks its environment until it is ended."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from sluicegate.delivery.book.repo import Draft
from sluicegate.delivery.book.state import OpenIntent, State
from sluicegate.errors import Conflict, GateRefused, SluicegateError
from sluicegate.model.config import Config, Environment
from sluicegate.model.evidence import Done, Ending, Failed, Intent
from sluicegate.model.numbers import INT, whole
from sluicegate.tools import process

Result = TypeVar("Result")


class Locked(Conflict):
    """The environment has an open intent."""


class Occupied(GateRefused):
    """Logged-in users may still be on the group."""


def refuse_locked(state: State, environment: Environment) -> None:
    """Raise Conflict when something is going on in the environment, or in the one that it swaps with."""
    for intent in state.open_intents(environment):
        raise Locked(
            f"{intent.environment} is locked: {described(intent)}",
            hint="if that command is dead: sluicegate resume; if it still works, wait for it (sync --wait)",
        )


def refuse_swap_at_work(state: State, environment: Environment) -> None:
    """Raise Conflict while a swap is going on: at its end both environments get the pins that it began with."""
    if any(intent.record.verb == "swap" for intent in state.open_intents(environment)):
        refuse_locked(state, environment)


def described(intent: OpenIntent) -> str:
    record = intent.record
    where = f" (process {record.pid} on {record.host})"
    return f"'{record.verb}' by {record.by.user} since {record.at:%Y-%m-%d %H:%M:%S} UTC{where}"


def begin(draft: Draft, environment: str, intent: Intent) -> Intent:
    """Write the intent into the change being decided, with who does it; every intent is a record of its own."""
    # the nanosecond tells one intent from the next: the same command twice must lock twice
    me = os.getpid()
    who = replace(intent, host=process.machine(), pid=me, born=process.born(me), nonce=time.time_ns())
    return draft.note_environment(environment, who)


def end(
    draft: Draft, environment: str, intent: Intent, *, failed: str = "", behind: Mapping[str, str] | None = None
) -> None:
    """End an intent that is still open; ending it twice changes nothing. `behind`: hosts that were not done."""
    later = draft.state.annals.since(environment, intent)
    if not any(isinstance(record, Ending) and record.of == intent.id for record in later):
        ending = Failed(of=intent.id, why=failed, behind=behind or {}) if failed else Done(of=intent.id)
        draft.note_environment(environment, ending)


def at_work(config: Config, intent: OpenIntent) -> bool | None:
    """Whether the command that began it still runs: told by this machine, or by the Jenkins of its build; else None."""
    here = intent.record.host == process.machine()
    pid = whole(intent.record.pid, most=INT) or 0
    same = intent.record.born in ("", process.born(pid))  # else the number is another process' by now
    if here and same and pid != os.getpid() and process.command_line(pid):
        return True
    url = intent.record.by.source
    server = config.jenkins
    if server is None or not url.startswith(f"{server.url}/job/") or url == os.environ.get("BUILD_URL"):
        return False if here else None
    from sluicegate.tools import jenkins

    try:
        return jenkins.read_build(
            server, url, patient=False
        ).building  # an agent in a container sees its own processes only
    except SluicegateError:  # it is down, has forgotten the build, or we have no token: so nobody can tell
        return None


def until_free(attempt: Callable[[], Result], seconds: float) -> Result:
    """Repeat an attempt for some seconds while the environment is locked or has users that stay."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (Locked, Occupied):
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.5)
