"""fingerprints/aa/bb/REST.xml: which build made and used a file, by MD5 as in hudson.model.Fingerprint."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.runner.records import Record
from sluicegate.tools import beneath, files, xml

NOTING = threading.Lock()
"""Held while one file's usages are read and written: builds that end together may have made the same file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A known file: where it was first seen, and the build numbers of each job that had it."""

    md5: str
    file_name: str
    job: str
    number: int
    usages: tuple[tuple[str, str], ...]

    @property
    def jobs(self) -> frozenset[str]:
        return frozenset((self.job, *(job for job, _ in self.usages)))


def home_of(record: Record) -> Path:
    """The home that a build's folder lies in, two levels up for each part of the job's name."""
    folder = record.folder.parent.parent
    parts = record.job.split("/")
    if "=" in parts[-1] and "configurations" in folder.parts:  # a cell lies deeper, below its matrix
        folder = next(parent for parent in folder.parents if parent.name == "configurations").parent
        parts.pop()
    for _ in parts:
        folder = folder.parent.parent
    return folder


def of_blocks(blocks: Iterable[bytes]) -> str:
    """The MD5 of a file, by which Jenkins knows it again."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def path(home: Path, md5: str) -> Path:
    return home / "fingerprints" / md5[:2] / md5[2:4] / f"{md5[4:]}.xml"


def read(home: Path, md5: str) -> Fingerprint | None:
    """The fingerprint, None where there is none. Raises IntegrityError for one that cannot be read."""
    if not re.fullmatch(r"[0-9a-f]{32}", md5):
        return None
    place = path(home, md5)
    try:
        with beneath.reading(place):
            root = xml.parse(place.read_bytes(), source="the fingerprint")
    except FileNotFoundError:
        return None
    usages = [(xml.text(entry, "string"), xml.text(entry, "ranges")) for entry in root.iterfind("usages/entry")]
    return Fingerprint(
        md5=md5,
        file_name=xml.text(root, "fileName"),
        job=xml.text(root, "original/name"),
        number=xml.number(root, "original/number", 0),
        usages=tuple(usages),
    )


def record(build: Record, marks: Mapping[str, str], now: float) -> None:
    """Note that the build had these files (relative path -> MD5)."""
    if not marks:
        return
    home = home_of(build)
    rows = "".join(
        f"<entry>{xml.tag('string', name).strip()}{xml.tag('string', md5).strip()}</entry>"
        for name, md5 in marks.items()
    )
    # In the build: which files it had.
    build.extra.append(
        "<hudson.tasks.Fingerprinter_-FingerprintAction>"
        f"<record>{rows}</record></hudson.tasks.Fingerprinter_-FingerprintAction>"
    )
    # In the fingerprint of each file: which builds had it.
    for name, md5 in marks.items():
        with NOTING:
            old = read(home, md5)
            usages = dict(old.usages) if old else {}
            numbers = [number for number in usages.get(build.job, "").split(",") if number]
            usages[build.job] = ",".join([*numbers, str(build.number)][-200:])
            first = old or Fingerprint(
                md5=md5, file_name=name.rpartition("/")[2], job=build.job, number=build.number, usages=()
            )
            files.replace(path(home, md5), _to_xml(first, usages, now).encode())


def _to_xml(first: Fingerprint, usages: Mapping[str, str], now: float) -> str:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S.000 UTC", time.gmtime(now))
    rows = "".join(
        f"    <entry>\n{xml.tag('string', job, '      ')}{xml.tag('ranges', ranges, '      ')}    </entry>\n"
        for job, ranges in usages.items()
    )
    return (
        f"{xml.HEADER}<fingerprint>\n  <timestamp>{stamp}</timestamp>\n  <original>\n"
        f"{xml.tag('name', first.job, '    ')}{xml.tag('number', str(first.number), '    ')}  </original>\n"
        f"{xml.tag('md5sum', first.md5, '  ')}{xml.tag('fileName', first.file_name, '  ')}"
        f"  <usages>\n{rows}  </usages>\n  <facets/>\n</fingerprint>"
    )
