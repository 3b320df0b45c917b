"""The index of an environment, `current/ENV.json`: where the records stand that say what is so now.

An index is never evidence. It names the files that it was made from and the records that it leads to; those are read,
and what they say counts. Where it disagrees, as after a merge or a forgery, it is made anew from all records.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace

from sluicegate.model.evidence import Deployed, Ending, HostRecord, Intent, Record, Swapped
from sluicegate.model.frozen import frozen
from sluicegate.model.values import Json


@frozen
class Entry:
    """The version that was pinned or unpinned last, and the id of the record that says so."""

    version: str
    record: str


@frozen
class Place:
    """Where a record stands: a file of the history, and the record's id."""

    file: str
    record: str


@frozen
class GroupIndex:
    """A group's last deploy, the last that ended well, and the versions which that one brought; {} for not known."""

    intent: Place | None = None
    deployed: Place | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@frozen
class Index:
    """What stands now. `history` names the content of the history's files that all but `pins` was made from.

    `hosts`: the last word on each host that was ever taken out. `swapped`: the versions that the last swap put into
    production; {} where its record says them.
    """

    history: str = ""
    open: tuple[Place, ...] = ()
    swap: Place | None = None
    swapped: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, GroupIndex] = field(default_factory=dict)
    hosts: Mapping[str, Place] = field(default_factory=dict)
    pins: Mapping[str, Entry] = field(default_factory=dict)


NOTHING = GroupIndex()


def current_path(environment: str) -> str:
    return f"current/{environment}.json"


def read(content: bytes | None) -> Index | None:
    """The index; None for what is none, such as one with the marks of a merge."""
    try:
        value = json.loads(content or b"{}")
        return Index(
            history=str(value.get("history", "")),
            open=tuple(_place(place) for place in value.get("open", ())),
            swap=_maybe(value.get("swap")),
            swapped={str(name): str(at) for name, at in value.get("swapped", {}).items()},
            groups={str(name): _group(group) for name, group in value.get("groups", {}).items()},
            hosts={str(name): _place(host) for name, host in value.get("hosts", {}).items()},
            pins={
                str(name): Entry(version=str(pin["version"]), record=str(pin["record"]))
                for name, pin in value.get("pins", {}).items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def written(index: Index) -> bytes:
    """The index as a file: one component a line, so that a change is a small one."""
    pins = {name: {"version": pin.version, "record": pin.record} for name, pin in index.pins.items()}
    parts = [f'"pins": {_lines(pins)}']
    if index.history:
        groups = ", ".join(
            f"{_text(name)}: "
            f'{{"intent": {_text(_json(group.intent))}, "deployed": {_text(_json(group.deployed))},'
            f' "versions": {_lines(group.versions)}}}'
            for name, group in sorted(index.groups.items())
        )
        head = {"history": index.history, "open": [_json(place) for place in index.open], "swap": _json(index.swap)}
        head["hosts"] = {name: _json(host) for name, host in sorted(index.hosts.items())}
        swapped = [f'"swapped": {_lines(index.swapped)}'] if index.swapped else []
        parts = [
            *(f'"{name}": {_text(value)}' for name, value in head.items()),
            *swapped,
            f'"groups": {{{groups}}}',
            *parts,
        ]
    return ("{" + ",\n".join(parts) + "}\n").encode()


def advanced(
    index: Index, file: str, records: Iterable[Record], versions_of: Callable[[Deployed | Swapped], Mapping[str, str]]
) -> Index:
    """The index with further records of a file."""
    opened = {intent_place.record: intent_place for intent_place in index.open}
    groups, hosts = dict(index.groups), dict(index.hosts)
    swap, swapped = index.swap, index.swapped
    for record in records:
        place = Place(file=file, record=record.id)
        if isinstance(record, Intent):
            opened[record.id] = place
            if record.verb in ("deploy", "rollout"):
                groups[record.group] = replace(groups.get(record.group, NOTHING), intent=place)
        elif isinstance(record, Ending):
            opened.pop(record.of, None)
        elif isinstance(record, Deployed):
            before = groups.get(record.group, NOTHING)
            groups[record.group] = replace(before, deployed=place, versions=versions_of(record))
        elif isinstance(record, Swapped):
            swap, swapped = place, versions_of(record)
        elif isinstance(record, HostRecord):
            hosts[record.host] = place
    return replace(index, open=tuple(opened.values()), groups=groups, swap=swap, swapped=swapped, hosts=hosts)


def _place(value: Json) -> Place:
    return Place(file=str(value["file"]), record=str(value["record"]))


def _maybe(value: Json) -> Place | None:
    return _place(value) if value else None


def _group(value: Json) -> GroupIndex:
    versions = {str(name): str(version) for name, version in value["versions"].items()}
    return GroupIndex(intent=_maybe(value["intent"]), deployed=_maybe(value["deployed"]), versions=versions)


def _json(place: Place | None) -> Json:
    return {"file": place.file, "record": place.record} if place else None


def _text(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _lines(entries: Mapping[str, Json]) -> str:
    lines = ",\n".join(f"{_text(name)}: {_text(entry)}" for name, entry in sorted(entries.items()))
    return f"{{\n{lines}\n}}"
