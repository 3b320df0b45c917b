"""The files of the ledger: their names, their lines, and the chain of records that a file holds."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import quote, unquote

from sluicegate.errors import IntegrityError
from sluicegate.model.evidence import (
    DECIDING,
    HostRecord,
    HostsReported,
    Judgement,
    Record,
    Vetoing,
)
from sluicegate.model.recordjson import as_json, from_json, own_facts
from sluicegate.model.story import Kind, Story, newest
from sluicegate.model.values import Actor, canonical, parsed

SUBJECT = ("env", "role", "suite", "group", "host", "component", "step")


PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
WHAT = b'"what"'
KIND = re.compile(rb'"what"\s*:\s*"([^"\\]*)"')


def component_path(component: str, version: str) -> str:
    if PLAIN.fullmatch(version):
        return f"components/{component}/{version}.jsonl"
    return f"components/{component}/{quote(version, safe='')}.jsonl"


def version_of(file_name: str) -> str:
    return unquote(file_name.removesuffix(".jsonl"))


def pruned_path(component: str) -> str:
    """The list of versions whose files were removed: read whenever versions are listed, so it is one file."""
    return f"pruned/{component}.jsonl"


def environment_path(environment: str) -> str:
    """The one file of an environment's history in the first form; what its chain of records is called in every form."""
    return f"environments/{environment}.jsonl"


def deploy_path(environment: str, intent: str) -> str:
    """The table of hosts of one deploy, by its intent; written once, a line of JSON for each host."""
    return f"deploys/{environment}/{intent[:2]}/{intent}.jsonl"


def line(record: Record) -> bytes:
    """One record as one line of JSON."""
    return json.dumps(as_json(record), ensure_ascii=False).encode() + b"\n"


def extended(content: bytes | None, records: Iterable[Record]) -> bytes:
    """A file with further records, each on a line of its own, whoever wrote the last line by hand."""
    old = content or b""
    return old + (b"\n" if old and not old.endswith(b"\n") else b"") + b"".join(map(line, records))


def read(content: bytes | None, *kinds: type[Record], path: str) -> Story:
    """The records of a file in the order of their times, of these kinds where given.

    A union merge may have changed the order of lines or doubled one, so neither is relied upon. What people decided
    is doubled only by an equal line: another one under the same id takes no place. Raises IntegrityError for a line
    that is no record: it may be half of a veto.
    """
    records: dict[str | bytes, Record] = {}
    wanted = {kind.what.encode() for kind in kinds}
    for number, text in lines(content):
        if wanted and _is_of_another(text, wanted):
            continue
        record = record_of(text, f"{path}:{number}")
        records[text if isinstance(record, DECIDING) else record.id] = record
    in_order = sorted(records.values(), key=lambda record: record.at)
    return Story(record for record in in_order if isinstance(record, kinds)) if kinds else Story(in_order)


def lines(content: bytes | None) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that say something, with their numbers."""
    numbered = enumerate((content or b"").removeprefix(BOM_UTF8).splitlines(), start=1)
    return ((number, text) for number, text in numbered if text.strip())


def record_of(text: bytes, where: str) -> Record:
    """The record of one line. Raises IntegrityError for a torn line, or one that is none; `where` is FILE:LINE."""
    try:
        return from_json(parsed(text.decode()))
    except (ValueError, KeyError, AttributeError, TypeError, OverflowError, RecursionError) as problem:
        raise IntegrityError(
            f"{where} of the ledger: this line is no record, so nobody can tell what it said",
            hint=f"bring it back from 'git log -p ledger -- {where.rpartition(':')[0]}' or from a clone that has it "
            f"whole (docs/how-to/trust.md); sluicegate check --deep names all such lines",
        ) from problem


def _is_of_another(text: bytes, wanted: set[bytes]) -> bool:
    """Whether a line is plainly of no kind that is wanted; what is not plain has to be read as a whole."""
    at = text.find(WHAT)
    if at < 0 or text.find(WHAT, at + 1) > 0 or b"\\" in text or text[:1] != b"{" or text[-1:] != b"}":
        return False
    kind = KIND.match(text, at)
    return kind is not None and kind[1] not in wanted


def next_record(
    story: Story, path: str, record: Kind, *, by: Actor, at: datetime, again: bool = False
) -> Kind | None:  # fmt: skip
    """The record as it is to be appended, or None when the same source has already written just this: a retried step.

    `again` says that it is no retry.

    Its id is the hash of what it is about, its kind, its source and its predecessor.
    """
    import hashlib

    facts = own_facts(record)
    latest = newest(earlier for earlier in story if _same_subject(earlier, record, by))
    if latest and not again and (latest.what, latest.by.source, own_facts(latest)) == (record.what, by.source, facts):
        return None
    after = story[-1].id if story else ""
    if story:  # clocks of several machines differ; the order of the chain counts
        at = max(at, story[-1].at + timedelta(microseconds=1))
    about = canonical([path, record.what, by.source, after, facts])
    return replace(record, id=hashlib.sha256(about).hexdigest()[:16], after=after, at=at, by=by)


def _same_subject(earlier: Record, later: Record, by: Actor) -> bool:
    """Whether the later record would say again, or take back, what the earlier one says."""
    if _family(earlier) is not _family(later):
        return False
    if isinstance(later, Judgement) and earlier.by.user != by.user:
        return False
    return all(getattr(earlier, name, "") == getattr(later, name, "") for name in SUBJECT)


def _family(record: Record) -> type[Record]:
    return next(
        (family for family in (Judgement, Vetoing, HostRecord, HostsReported) if isinstance(record, family)),
        type(record),
    )
