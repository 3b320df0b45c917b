"""Bring a ledger of the first form to the form of today: histories cut into files, an index beside each.

No record changes by a byte; only the files in which they stand do. Older commands would not see those files, so
`requires:` in sluicegate.yaml is raised in the same commit, and they refuse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from sluicegate.delivery.book import chronicle, current, standing
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import CONFIG_FILE, FORM, FORM_FILE, LEDGER, State
from sluicegate.errors import ConfigError
from sluicegate.model import ledgerfiles
from sluicegate.model.printable import counted
from sluicegate.model.settings import Plain
from sluicegate.tools import yamltext
from sluicegate.tools.git.objects import object_id

REQUIRED = (0, 2)
"""The first release that knows the form of today."""
RELEASE = ".".join(map(str, REQUIRED))


def upgrade(repo: DeliveryRepo, *, dry_run: bool = False, why: str = "") -> tuple[str, ...]:
    """Write the ledger in the form of today; what is done, a line each, nothing where it has that form.

    Raises IntegrityError for a line that is no record: nobody could say where it belongs.
    """

    def decide(state: State, draft: Draft) -> tuple[str, ...]:
        if state.form == FORM:
            return ()
        draft.texts[CONFIG_FILE] = raised(state.file(CONFIG_FILE) or b"")
        draft.tables[FORM_FILE] = b"%d\n" % FORM
        lines = [f"sluicegate.yaml requires sluicegate >={RELEASE}: older commands refuse from now on"]
        for name in state.store.names(state.tips[LEDGER], "environments"):
            if name.endswith(".jsonl"):
                lines.append(_cut(state, draft, name.removesuffix(".jsonl")))
        return tuple(lines)

    return repo.change(decide, f"the ledger in form {FORM}", why=why, dry_run=dry_run)


def _cut(state: State, draft: Draft, environment: str) -> str:
    path = ledgerfiles.environment_path(environment)
    content = state.ledger_file(path) or b""
    lines = sorted(_timed(path, content), key=lambda line: line[0])
    files = chronicle.cut(environment, lines)
    draft.tables |= {path: None, **files}
    ids = {name: object_id(cut_file, like=state.tips[LEDGER]) for name, cut_file in files.items()}
    index = current.Index(pins=standing.entries(state, environment), history=chronicle.digest(ids))
    story = ledgerfiles.read(content, path=path)
    where = {record.id: name for name, cut_file in files.items() for record in ledgerfiles.read(cut_file, path=name)}
    for record in story:
        index = current.advanced(index, where[record.id], (record,), lambda deployed: {})
    draft.tables[current.current_path(environment)] = current.written(index)
    moved, where_to = counted(len(story), "record", "records"), counted(len(files), "file", "files")
    return f"{path}: {moved} in {where_to} below {chronicle.folder(environment)}/"


def _timed(path: str, content: bytes) -> Iterator[tuple[datetime, bytes]]:
    """Each line with the time of its record."""
    for number, line in ledgerfiles.lines(content):
        yield ledgerfiles.record_of(line, f"{path}:{number}").at, line + b"\n"


def raised(content: bytes) -> bytes:
    """sluicegate.yaml with a `requires:` that is high enough; all else stays as it is. Raises ConfigError."""
    document = yamltext.read(content, CONFIG_FILE)
    now = document.content.get("requires")
    numbers = re.fullmatch(r">=\s*([0-9.]+)", now) if isinstance(now, str) else None
    if numbers and tuple(int(part) for part in numbers[1].split(".") if part) >= REQUIRED:
        return content
    text = content.decode("utf-8-sig")
    if "requires" in document.content:
        start, end = document.spans["requires"]
        written = f'{text[:start]}">={RELEASE}"{text[end:]}'
    else:
        written = f'{text}{"" if text.endswith(chr(10)) or not text else chr(10)}requires: ">={RELEASE}"\n'
    _refuse_else(document.content, written)
    return written.encode()


def _refuse_else(before: Mapping[str, Plain], written: str) -> None:
    """Raise ConfigError where the edit would say more than it should, as in a file that is one pair of braces."""
    try:
        after = dict(yamltext.read(written.encode(), CONFIG_FILE).content)
    except ConfigError:
        after = {}
    if after != {**before, "requires": f">={RELEASE}"}:
        raise ConfigError([f"{CONFIG_FILE}: 'requires' cannot be set"], hint=f'write into it: requires: ">={RELEASE}"')
