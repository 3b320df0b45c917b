"""Fingerprints: which builds made and used a file."""

from __future__ import annotations

from sluicegate.model.numbers import INT, whole
from sluicegate.runner.fingerprints import Fingerprint
from sluicegate.web.kind import Kind, plain
from sluicegate.web.site import Site


def _usage(site: Site, one: Fingerprint) -> list[object]:
    found: list[object] = []
    for job, ranges in (row for row in one.usages if site.sees(row[0])):
        numbers = [number for text in ranges.split(",") if (number := whole(text, most=INT)) is not None]
        spans = [{"end": number + 1, "start": number} for number in numbers]
        found.append(plain("", name=job, ranges={"ranges": spans}))
    return found


KIND: Kind[Fingerprint] = Kind(
    cls="hudson.model.Fingerprint",
    fields={
        "fileName": lambda site, one: one.file_name,
        "hash": lambda site, one: one.md5,
        "original": lambda site, one: plain("", name=one.job, number=one.number) if site.sees(one.job) else None,
        "usage": _usage,
    },
    inline=True,
)
