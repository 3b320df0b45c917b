"""What stands now of the pins: which version of each component was pinned or unpinned last in an environment.

The index names the record that it was made from, and what the record says counts; where the two disagree, as after a
merge or a forgery, the records are looked through instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sluicegate.delivery.book.current import Entry, Index, current_path
from sluicegate.delivery.book.state import State
from sluicegate.model.evidence import PinEvent, Pinned, Unpinned
from sluicegate.model.story import newest
from sluicegate.model.values import Pin


def entries(state: State, environment: str) -> dict[str, Entry]:
    """The index of an environment as it stands."""
    return dict(state.annals.index(environment).pins)


def remade(state: State, environment: str) -> Index:
    """The index of an environment by all records."""
    index = state.annals.remade(environment)
    pins = {}
    for component in state.config.components:
        version, event = last_pin_event(state, component, environment)
        if event:
            pins[component] = Entry(version=version, record=event.id)
    groups = dict(index.groups)
    place = state.config.environment(environment)
    for name, standing in groups.items():
        last = state.group_state(place, name)
        if (
            last
            and standing.deployed
            and last.record.id == standing.deployed.record
            and (last.record.base or last.record.changed)
        ):
            groups[name] = replace(standing, versions=last.versions)
    swap = state.last_swap(place)
    here = swap is not None and index.swap is not None and swap.id == index.swap.record and swap.base
    return replace(index, pins=pins, groups=groups, swapped=swap.pins if swap and here else {})


def is_noted(state: State, pin: Pin, environment: str, index: Mapping[str, Entry]) -> bool:
    """Whether the ledger says of this pin that it came last: by the record that the index names, else by all."""
    event, entry = _pin_event(state, pin.component, pin.version, environment), index.get(pin.component)
    if event is not None and entry == Entry(version=pin.version, record=event.id):
        return isinstance(event, Pinned)
    version, event = last_pin_event(state, pin.component, environment)
    return version == pin.version and isinstance(event, Pinned)


def rightly(state: State, pin: Pin, environment: str, index: Mapping[str, Entry]) -> Entry | None:
    """The entry of a pin that is noted, where the index has another; None where it is right."""
    event, entry = _pin_event(state, pin.component, pin.version, environment), index.get(pin.component)
    if event is None or entry == Entry(version=pin.version, record=event.id):
        return None
    if entry is not None:
        path, named = current_path(environment), f"{pin.component}={entry.version}"
        state.notices.setdefault(f"{path} names {named} wrongly as pinned last; the records count, and it is mended")
    return Entry(version=pin.version, record=event.id)


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
