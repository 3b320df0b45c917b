"""An environment's history: files of records, cut by month and by size, read newest first and only as far as asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from sluicegate.model import ledgerfiles
from sluicegate.model.evidence import Record
from sluicegate.model.story import Story

LIMIT = 50_000
"""Bytes from which on a file is full: the next record begins another one."""
FILE = re.compile(r"([0-9]{4,}-[0-9]{2})-([0-9]{1,9})\.jsonl")


def folder(environment: str) -> str:
    return f"environments/{environment}"


class Chronicle:
    """The history of one environment at one moment. `files`: path -> Git's id of the content."""

    def __init__(self, environment: str, files: Mapping[str, str], read: Callable[[str], bytes | None]) -> None:
        self.environment = environment
        self.files = dict(sorted(files.items(), key=lambda item: _age(item[0]), reverse=True))
        self._read = read
        self._stories: dict[str, Story] = {}

    @property
    def digest(self) -> str:
        """What names exactly these files with this content; '' for none."""
        return digest(self.files)

    def records(self, path: str) -> Story:
        """The records of one file, oldest first."""
        if path not in self._stories:
            self._stories[path] = ledgerfiles.read(self._read(path), path=path)
        return self._stories[path]

    def whole(self) -> Story:
        """Every record, oldest first; a record that a merge brought into two files once."""
        records = {record.id: record for path in self.files for record in self.records(path)}
        return Story(sorted(records.values(), key=lambda record: record.at))

    def recent(self) -> Story:
        """The records of the two newest files: a file that was just begun has hardly any."""
        return Story(record for path in reversed([*self.files][:2]) for record in self.records(path))

    def newest_first(self) -> Iterator[Record]:
        """Record by record; an older file is opened only where a newer one did not do."""
        return (record for path in self.files for record in reversed(self.records(path)))

    def record(self, path: str, record_id: str) -> Record | None:
        """The record that an index names, None where the file has no such record."""
        matching = (known for known in self.records(path) if known.id == record_id) if path in self.files else iter(())
        return next(matching, None)

    def next_file(self, at: datetime) -> str:
        """Where a record of that time belongs: the newest file, or a new one when that is full or of another month."""
        month = f"{at:%Y-%m}"
        newest = next(iter(self.files), "")
        cut = FILE.fullmatch(newest.rpartition("/")[2])
        if cut and cut[1] >= month:  # the clock of this machine may be behind
            if len(self._read(newest) or b"") < LIMIT:
                return newest
            return f"{folder(self.environment)}/{cut[1]}-{int(cut[2]) + 1}.jsonl"
        return f"{folder(self.environment)}/{month}-1.jsonl"


def digest(files: Mapping[str, str]) -> str:
    """One name for the content of files, by their paths and ids."""
    import hashlib

    lines = "".join(f"{path} {content}\n" for path, content in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest() if lines else ""


def cut(environment: str, lines: Iterable[tuple[datetime, bytes]]) -> dict[str, bytes]:
    """Lines of a history, oldest first, in the files that they belong into; no byte of a line changes."""
    files: dict[str, bytearray] = {}
    path = ""
    for at, line in lines:
        chronicle = Chronicle(environment, dict.fromkeys([path] if path else (), ""), lambda name: bytes(files[name]))
        path = chronicle.next_file(at)
        files.setdefault(path, bytearray()).extend(line)
    return {path: bytes(content) for path, content in files.items()}


def _age(path: str) -> tuple[str, int]:
    """Newer files are greater; the one file of the first form is older than all."""
    file_name = FILE.fullmatch(path.rpartition("/")[2])
    return (file_name[1], int(file_name[2])) if file_name else ("", 0)
