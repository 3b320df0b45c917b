"""How a record is written as a line of the ledger, and read back leniently."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from sluicegate.model.values import Actor, Json, Record, canonical, newest

FAMILIES = {"approval": "judgement", "rejection": "judgement", "veto": "veto", "unveto": "veto"}
SUBJECT = ("env", "role", "suite", "group")
OWN = ("id", "after", "at", "what", "by")


def component_path(component: str, version: str) -> str:
    return f"components/{component}/{quote(version, safe='')}.jsonl"


def version_of(file_name: str) -> str:
    return unquote(file_name.removesuffix(".jsonl"))


def pruned_path(component: str) -> str:
    """The list of versions whose files were removed: read whenever versions are listed, so it is one file."""
    return f"pruned/{component}.jsonl"


def environment_path(environment: str) -> str:
    return f"environments/{environment}.jsonl"


def stamp(at: datetime) -> str:
    """A time as the ledger writes it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)  # a writer that left the zone out means UTC


def line(record: Record) -> bytes:
    """One record as one line of JSON."""
    by = {"user": record.by.user, "source": record.by.source, "verified": record.by.verified}
    head = {"id": record.id, "after": record.after, "at": stamp(record.at), "what": record.what}
    return json.dumps({**head, **record.facts, "by": by}, ensure_ascii=False).encode() + b"\n"


def read(content: bytes | None) -> tuple[Record, ...]:
    """The records of a file in the order of their times; lines that are no records are passed over.

    A union merge may have changed the order of lines or doubled one, so neither is relied upon.
    """
    found: dict[str, Record] = {}
    for text in (content or b"").splitlines():
        record = _record(text)
        if record is not None:
            found[record.id] = record
    return tuple(sorted(found.values(), key=lambda record: record.at))


def _record(text: bytes) -> Record | None:
    try:
        value = json.loads(text)
        by = value.get("by", {})
        return Record(
            id=str(value["id"]),
            after=str(value.get("after", "")),
            at=read_time(str(value["at"])),
            what=str(value["what"]),
            by=Actor(
                user=str(by.get("user", "")), source=str(by.get("source", "")), verified=by.get("verified") is True
            ),
            facts={key: fact for key, fact in value.items() if key not in OWN},
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


def next_record(
    story: Iterable[Record], path: str, what: str, facts: Mapping[str, Json], *, by: Actor, at: datetime,
    again: bool = False,
) -> Record | None:  # fmt: skip
    """The record to append, or None when the same source has already written just this: a retried job step.

    `again` says that it is no retry.

    Its id is the hash of what it is about, its kind, its source and its predecessor.
    """
    import hashlib

    if taken := set(facts) & set(OWN):
        raise ValueError(f"a fact may not be called {', '.join(sorted(taken))}: it would hide the record's own")
    story = tuple(story)
    latest = newest(r for r in story if _same_subject(r, what, facts, by))
    if latest and not again and (latest.what, latest.by.source, dict(latest.facts)) == (what, by.source, dict(facts)):
        return None
    after = story[-1].id if story else ""
    if story:  # clocks of several machines differ; the order of the chain counts
        at = max(at, story[-1].at + timedelta(microseconds=1))
    about = canonical([path, what, by.source, after, facts])
    return Record(id=hashlib.sha256(about).hexdigest()[:16], after=after, at=at, what=what, by=by, facts=dict(facts))


def _same_subject(record: Record, what: str, facts: Mapping[str, Json], by: Actor) -> bool:
    if FAMILIES.get(record.what, record.what) != FAMILIES.get(what, what):
        return False
    if FAMILIES.get(what) == "judgement" and record.by.user != by.user:
        return False
    return all(record.facts.get(key) == facts.get(key) for key in SUBJECT)
