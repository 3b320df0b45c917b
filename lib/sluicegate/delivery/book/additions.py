"""What may become of the ledger: records are only ever added, by a push and by the half of one that is completed."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from sluicegate.errors import GateRefused, IntegrityError, SluicegateError
from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Record
from sluicegate.model.recordjson import own_facts
from sluicegate.tools.git import Store

Changed = dict[str, list[str]]  # a folder of the ledger -> the files below it that are others
RECORDS = ("components", "environments", "pruned")
AHEAD = timedelta(days=1)
"""How far the clock of a machine may be ahead."""
BEHIND = timedelta(minutes=1)
"""How far a change may come behind a record whose time was ahead: each of its own is a moment later."""


def changed(store: Store, before: str, after: str) -> Changed:
    """The files of the ledger's folders that are others in two commits, or trees."""
    listed = store.git("diff", "--name-only", "-z", "--no-renames", before, after)
    folders: Changed = {}
    for path in listed.text.split("\0"):
        folder, _, name = path.partition("/")
        if name:
            folders.setdefault(folder, []).append(path)
    return folders


def only_adds(store: Store, before: str, after: str, now: datetime) -> bool:
    """Whether this is what a command makes of the ledger: all that it said, and more."""
    try:
        refuse_rewritten(store, before, after, changed(store, before, after), now)
    except SluicegateError:
        return False
    return True


def refuse_rewritten(store: Store, before: str, after: str, changes: Changed, now: datetime) -> None:
    """Raise GateRefused for a story that loses a line, or gets one that takes another's place or that others could
    come after only in time.

    Who rejected or vetoed stays on record, and so does what was deployed. Raises IntegrityError for a line that
    nobody could read: every later command would stop at it. One that was there before may be taken away.
    """
    lost = [f"{path}: a table of hosts is written once" for path in changes.get("deploys", ())
            if store.read(before, path) is not None]  # fmt: skip
    early: list[str] = []
    stories: dict[str, list[str]] = {}  # what its files say together: an upgrade cuts an environment's
    for folder in RECORDS:
        for path in changes.get(folder, ()):
            name = path.split("/")[1]
            story = f"environments/{name.removesuffix('.jsonl')}" if folder == "environments" else path
            stories.setdefault(story, []).append(path)
    for story, paths in stories.items():
        old, new = _said(store, before, paths, torn_too=True), _said(store, after, paths)
        if gone := len(old.keys() - new.keys()):
            lost.append(f"{story}: {gone} of {len(old)} lines would be gone")
        added = [record for line, record in new.items() if line not in old]
        known = {record.id: record for record in old.values()}
        lost += [
            f"{story}: the record {record.id} would say something else"
            for record in added
            if record.id in known and _about(record) != _about(known[record.id])
        ]
        latest = max([now + AHEAD, *(record.at + BEHIND for record in old.values())])
        early += [f"{story}: {record.at:%Y-%m-%d %H:%M} UTC" for record in added if record.at > latest]
    if lost:
        raise GateRefused("records are to be taken away or changed; they are only ever added", reasons=lost)
    if early:
        hint = "set the clock of the machine that wrote them"
        raise GateRefused("records say a time that has not come", reasons=early, hint=hint)


def _said(store: Store, at: str, paths: Iterable[str], *, torn_too: bool = False) -> dict[bytes, Record]:
    """The lines of files at a commit that are records; some may be torn where that is said."""
    said = {}
    for path in paths:
        for number, line in ledgerfiles.lines(store.read(at, path)):
            try:
                said[line] = ledgerfiles.record_of(line, f"{path}:{number}")
            except IntegrityError:
                if not torn_too:
                    raise
    return said


def _about(record: Record) -> tuple[object, ...]:
    """What the id of a record is made from."""
    return record.what, record.by.source, record.after, own_facts(record)
