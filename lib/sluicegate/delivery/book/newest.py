"""The newest versions of a component as a short list in the ledger: `latest` shall not cost more with each version.

A list of all versions has to be read whole and put in order: half a second for 100,000. The list here is written in
the same commit as a version's first record, so that it never lags. Lines that a union merge doubled or mixed do no
harm: the last LENGTH of the lines are the newest of all whichever ledger they came from.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from sluicegate.delivery.book import versions

LENGTH = 50


def newest_path(component: str) -> str:
    return f"newest/{component}.jsonl"


def read(content: bytes | None, scheme: str) -> list[str] | None:
    """The newest versions, oldest first; None where there is no list, or one in the order of another scheme."""
    found = []
    for text in (content or b"").splitlines():
        try:
            value = json.loads(text)
            if value["scheme"] != scheme:
                return None
            found.append(str(value["version"]))
        except (ValueError, KeyError, TypeError):
            return None
    return versions.sort(scheme, set(found))[-LENGTH:] if found else None


def extended(content: bytes | None, scheme: str, added: Iterable[str], everything: Callable[[], list[str]]) -> bytes:
    """The list with these versions too, made from `everything` where there is none."""
    known = read(content, scheme)
    listed = versions.sort(scheme, {*(everything() if known is None else known), *added})[-LENGTH:]
    return b"".join(json.dumps({"scheme": scheme, "version": version}).encode() + b"\n" for version in listed)
