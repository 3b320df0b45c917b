"""One accepted trigger that waits to be built, and how it stands in the queue's journal."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sluicegate.runner import causes as cause_forms
from sluicegate.runner.causes import Cause
from sluicegate.runner.parameters import Parameter
from sluicegate.runner.records import now_ms
from sluicegate.runner.scm.history import forcing


@dataclass(slots=True, kw_only=True)
class QueueItem:
    """One accepted trigger. Times are milliseconds since 1970, but for `due`: that moment of time.monotonic() when its
    quiet period ends, which no setting of the clock moves. `actions` are what the build carries (XML of
    build.xml), as the commit that it has to take;
    `trouble` is why the last try to start it failed."""

    id: int
    job: str
    causes: tuple[Cause, ...]
    parameters: tuple[Parameter, ...]
    since: int
    ready_at: int
    actions: tuple[str, ...] = ()
    buildable_since: int = 0
    cancelled: bool = False
    number: int | None = None
    left_at: float = 0.0
    due: float = field(default=0.0, compare=False)
    trouble: str = field(default="", compare=False)

    def to_dict(self) -> dict[str, object]:
        return {
            "id": self.id,
            "job": self.job,
            "causes": [cause.to_dict() for cause in self.causes],
            "parameters": [_row(parameter) for parameter in self.parameters],
            "since": self.since,
            "ready_at": self.ready_at,
            **({"actions": list(self.actions)} if self.actions else {}),
        }


def from_dict(entry: dict[str, object]) -> QueueItem:
    """An item from the journal. Raises ValueError for what no item looks like."""
    causes, values = entry.get("causes"), entry.get("parameters")
    if not isinstance(causes, list) or not isinstance(values, list):
        raise ValueError("an item without causes or parameters")
    since, ready_at = number_in(entry, "since"), number_in(entry, "ready_at")
    # A clock that was set back while the server was away must not prolong the quiet period.
    left = min(ready_at - now_ms(), ready_at - since) / 1000
    return QueueItem(
        id=number_in(entry, "id"),
        job=str(entry.get("job", "")),
        causes=tuple(cause_forms.from_dict(row) for row in causes),
        parameters=tuple(_parameter(row) for row in values),
        since=since,
        ready_at=ready_at,
        actions=_actions(entry),
        due=time.monotonic() + max(0.0, left),
    )


def number_in(entry: dict[str, object], name: str) -> int:
    value = entry.get(name)
    if not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError(f"{name} is no number")
    return value


def _actions(entry: dict[str, object]) -> tuple[str, ...]:
    commit = entry.get("revision")  # by which a home of before had the one action that there was
    actions = [forcing(commit)] if isinstance(commit, str) and commit else entry.get("actions", [])
    if not isinstance(actions, list) or not all(isinstance(action, str) for action in actions):
        raise ValueError("actions that are no texts")
    return tuple(actions)


def _row(parameter: Parameter) -> list[str | bool]:
    row = [parameter.name, parameter.value, parameter.value_class, parameter.description]
    return [*row, parameter.sha256] if parameter.sha256 else row


def _parameter(row: object) -> Parameter:
    if not isinstance(row, list) or len(row) not in (4, 5):
        raise ValueError("a parameter without its four parts")
    name, value, value_class, description = row[:4]
    sha256 = row[4] if len(row) == 5 else ""
    texts = (name, value_class, description, sha256)
    if not all(isinstance(text, str) for text in texts) or not isinstance(value, (str, bool)):
        raise ValueError("a parameter of another type")
    return Parameter(name=name, value=value, value_class=value_class, description=description, sha256=sha256)
