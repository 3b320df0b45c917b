"""Pins, sets, what is installed, who acts, verdicts; times and JSON as the ledger writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Literal

from sluicegate.model.frozen import frozen

Json = Any
"""A value that came from, or goes to, a JSON document."""


def canonical(value: Json) -> bytes:
    """One spelling for one JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _single(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a name stands there twice")
    return value


STRICT = json.JSONDecoder(object_pairs_hook=_single)


def parsed(text: str) -> Json:
    """A JSON document that every reader reads alike. Raises ValueError where a name has two values."""
    return STRICT.decode(text)


@frozen
class Installed:
    """What a host has of a component. `manifest` is '' where the host knows a version only."""

    version: str
    manifest: str = ""

    def is_version(self, version: str, manifest: str) -> bool:
        return self.manifest == manifest if self.manifest else self.version == version


@frozen
class Service:
    """A process that a host keeps running. `folder` is relative to the host's root."""

    name: str
    command: str
    folder: str


@frozen
class Hold:
    """A pin that must not move: who says so, why, and until when (for good when None)."""

    by: str
    why: str = ""
    until: date | None = None


@frozen
class Pin:
    """The version of a component that an environment shall have."""

    component: str
    version: str
    hold: Hold | None = None

    def held(self, now: datetime) -> bool:
        return self.hold is not None and (self.hold.until is None or now.date() <= self.hold.until)


def set_name(pins: Mapping[str, tuple[str, str]]) -> str:
    """SHA-256 of the sorted lines `component=version@manifest-sha256`; shown by its first 12 digits."""
    import hashlib

    lines = "".join(f"{name}={version}@{manifest}\n" for name, (version, manifest) in sorted(pins.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


@frozen
class Actor:
    """Who did it: a user, the source (a build's URL, else a client), and whether that is more than a claim."""

    user: str
    source: str
    verified: bool = False


def stamp(at: datetime) -> str:
    """A time as the ledger writes it: UTC, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def read_time(text: str) -> datetime:
    """A time as it was written, in UTC; a writer that left the zone out means UTC. Raises ValueError, OverflowError."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


State = Literal["passed", "waiting", "refused", "error"]


@frozen
class Verdict:
    """One gate's answer about one candidate. `uncounted`: who said something that does not count, and why not."""

    gate: str
    state: State
    reason: str
    who_can_help: str = ""
    command: str = ""
    since: datetime | None = None
    uncounted: tuple[tuple[str, str], ...] = ()

    @property
    def passed(self) -> bool:
        return self.state == "passed"
