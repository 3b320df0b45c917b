"""The one place where a record becomes JSON and JSON a record.

It is read leniently: newer writers may add fields and kinds. A field that is missing, or that holds something else than
its kind says, has its default; a count that is no count is None, which no gate takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime
from typing import get_args

from sluicegate.model.evidence import KINDS, Other, Record
from sluicegate.model.manifest import Artifact
from sluicegate.model.numbers import whole
from sluicegate.model.printable import printable
from sluicegate.model.values import Actor, Installed, Json, State, Verdict, read_time, stamp


def as_json(record: Record) -> dict[str, Json]:
    """The record as it is written: what every record has, then the fields of its kind that are not empty."""
    by = {"user": record.by.user, "source": record.by.source, "verified": record.by.verified}
    what = record.kind if isinstance(record, Other) else record.what
    signature = {"signature": record.signature} if record.signature else {}
    content = {
        "id": record.id,
        "after": record.after,
        "at": stamp(record.at),
        "what": what,
        **own_facts(record),
        "by": by,
    }
    return content | signature


def own_facts(record: Record) -> dict[str, Json]:
    """The fields of the record's kind as JSON; texts, mappings and flags that are empty are left out."""
    written = {name: _written(getattr(record, name)) for name, _ in OWN_FIELDS[type(record)] if name != "kind"}
    return {name: value for name, value in written.items() if value or type(value) is int}


def from_json(value: Json) -> Record:
    """A record from its JSON. Raises ValueError and the like for what lacks an id, a time or a kind."""
    by = value.get("by", {})
    what, at = _text(value["what"]), read_time(str(value["at"]))
    if at.year == datetime.max.year:
        raise ValueError(f"no record could come after {at}")
    kind = KINDS.get(what, Other)
    facts = {name: read(value[name]) for name, read in OWN_FIELDS[kind] if name in value}
    if kind is Other:
        facts = {"kind": what}
    return kind(
        id=_text(value["id"]),
        after=_text(value.get("after")),
        at=at,
        by=Actor(user=_text(by.get("user")), source=_text(by.get("source")), verified=by.get("verified") is True),
        signature=_text(value.get("signature")),
        **facts,
    )


def _written(value: Json) -> Json:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, Mapping):
        return {name: _written(item) for name, item in value.items()}
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, Artifact):
        return value.json()
    if isinstance(value, Installed):
        return {"version": value.version, "manifest": value.manifest}
    if isinstance(value, Verdict):
        return {"gate": value.gate, "state": value.state, "reason": value.reason}
    return value


def _text(value: Json) -> str:
    """A text as it may be printed: whoever may push to the ledger does not write to the reader's terminal."""
    if type(value) is str and value.isascii() and value.isprintable():
        return value
    return "" if value is None else printable(str(value))


def _flag(value: Json) -> bool:
    return value is True


def _count(value: Json) -> int | None:
    return whole(value) if isinstance(value, int) else None


def _time(value: Json) -> datetime | None:
    try:
        return read_time(str(value)) if value else None
    except (ValueError, OverflowError):
        return None


def _texts(value: Json) -> dict[str, str]:
    return {_text(name): _text(text) for name, text in value.items()} if isinstance(value, dict) else {}


def _entries(value: Json) -> list[dict[str, Json]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _artifacts(value: Json) -> tuple[Artifact, ...]:
    return tuple(
        Artifact(name=_text(entry.get("name")), size=_count(entry.get("size")) or 0, sha256=_text(entry.get("sha256")))
        for entry in _entries(value)
    )


def _installed(value: Json) -> dict[str, Installed]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {
        _text(name): Installed(version=_text(fields_of.get("version")), manifest=_text(fields_of.get("manifest")))
        for name, fields_of in pairs
        if isinstance(fields_of, dict)
    }


def _verdicts(value: Json) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(
            gate=_text(entry.get("gate")),
            state=entry["state"] if entry.get("state") in get_args(State) else "error",
            reason=_text(entry.get("reason")),
        )
        for entry in _entries(value)
    )


def _lines(value: Json) -> tuple[str, ...]:
    return tuple(_text(line) for line in value) if isinstance(value, list) else ()


READERS: Mapping[str, Callable[[Json], object]] = {
    "str": _text,
    "bool": _flag,
    "int | None": _count,
    "datetime | None": _time,
    "Mapping[str, str]": _texts,
    "Mapping[str, Installed]": _installed,
    "tuple[str, ...]": _lines,
    "tuple[Artifact, ...]": _artifacts,
    "tuple[Verdict, ...]": _verdicts,
}
"""How a field is read, by its type as it stands in the class."""


def _own_fields(kind: type[Record]) -> tuple[tuple[str, Callable[[Json], Json]], ...]:
    """The fields of a kind besides those of every record, each with its reader."""
    common = {field.name for field in fields(Record)}
    return tuple((field.name, READERS[str(field.type)]) for field in fields(kind) if field.name not in common)


OWN_FIELDS = {kind: _own_fields(kind) for kind in (*KINDS.values(), Other)}
