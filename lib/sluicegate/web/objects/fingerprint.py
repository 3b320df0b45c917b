"""Fingerprints: which builds made and used a file."""

from __future__ import annotations

from sluicegate.model.numbers import INT, whole
from sluicegate.runner.fingerprints import Fingerprint
from sluicegate.web.kind import Kind, plain
from sluicegate.web.site import Site


def _usage(site: Site, fingerprint: Fingerprint) -> list[object]:
    usages: list[object] = []
    for job, ranges in (row for row in fingerprint.usages if site.sees(row[0])):
        numbers = [number for text in ranges.split(",") if (number := whole(text, most=INT)) is not None]
        spans = [{"end": number + 1, "start": number} for number in numbers]
        usages.append(plain("", name=job, ranges={"ranges": spans}))
    return usages


KIND: Kind[Fingerprint] = Kind(
    cls="hudson.model.Fingerprint",
    fields={
        "fileName": lambda site, fingerprint: fingerprint.file_name,
        "hash": lambda site, fingerprint: fingerprint.md5,
        "original": lambda site, fingerprint: (
            plain("", name=fingerprint.job, number=fingerprint.number) if site.sees(fingerprint.job) else None
        ),
        "usage": _usage,
    },
    inline=True,
)
