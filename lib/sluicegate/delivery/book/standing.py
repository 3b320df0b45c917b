"""What stands now, as an index: which version of each component was pinned or unpinned last in an environment.

An index is never evidence. It names the record that it was made from, and what the record says counts; where the two
disagree, as after a merge or a forgery, the records are looked through instead.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sluicegate.delivery.book.state import State
from sluicegate.model.evidence import PinEvent, Pinned, Unpinned
from sluicegate.model.story import newest
from sluicegate.model.values import Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The version that was pinned or unpinned last, and the id of the record that says so."""

    version: str
    record: str


def current_path(environment: str) -> str:
    return f"current/{environment}.json"


def read(content: bytes | None) -> dict[str, Entry]:
    """The entries by component; none for what is no index, such as one with the marks of a merge."""
    try:
        pins = json.loads(content or b"{}")["pins"]
        return {str(name): Entry(version=str(one["version"]), record=str(one["record"])) for name, one in pins.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def written(entries: Mapping[str, Entry]) -> bytes:
    """The index as a file: one component a line, so that a change is a small one."""
    lines = ",\n".join(
        f"{json.dumps(name, ensure_ascii=False)}: "
        + json.dumps({"version": one.version, "record": one.record}, ensure_ascii=False)
        for name, one in sorted(entries.items())
    )
    return f'{{"pins": {{\n{lines}\n}}}}\n'.encode()


def entries(state: State, environment: str) -> dict[str, Entry]:
    """The index of an environment as it stands."""
    return read(state.ledger_file(current_path(environment)))


def is_noted(state: State, pin: Pin, environment: str, index: Mapping[str, Entry]) -> bool:
    """Whether the ledger says of this pin that it came last: by the record that the index names, else by all."""
    event, entry = _pin_event(state, pin.component, pin.version, environment), index.get(pin.component)
    if event is not None and entry == Entry(version=pin.version, record=event.id):
        return isinstance(event, Pinned)
    version, event = last_pin_event(state, pin.component, environment)
    return version == pin.version and isinstance(event, Pinned)


def last_pin_event(state: State, component: str, environment: str) -> tuple[str, Pinned | Unpinned | None]:
    """Which version was pinned or unpinned last in an environment, and the record that says so, by all records."""
    last: tuple[str, Pinned | Unpinned | None] = ("", None)
    for version in state.recorded_versions(component):
        event = _pin_event(state, component, version, environment)
        if event and (last[1] is None or event.at > last[1].at):
            last = (version, event)
    return last


def _pin_event(state: State, component: str, version: str, environment: str) -> Pinned | Unpinned | None:
    events = state.story(component, version).of(PinEvent, env=environment)
    return newest(event for event in events if isinstance(event, Pinned | Unpinned))
