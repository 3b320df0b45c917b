"""Versions and what moves with them: artifacts, manifests, pins, sets, evidence, verdicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from sluicegate.model.frozen import frozen
from sluicegate.model.numbers import required

Json = Any
"""A value that came from, or goes to, a JSON document."""


def canonical(value: Json) -> bytes:
    """One spelling for one JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@frozen
class Artifact:
    """One file of a version. `size` in bytes, `sha256` in hex."""

    name: str
    size: int
    sha256: str

    def json(self) -> Json:
        return {"name": self.name, "size": self.size, "sha256": self.sha256}

    @classmethod
    def read(cls, row: Json) -> Artifact:
        """Raises ValueError, KeyError or TypeError for what is no artifact, such as a name that leads elsewhere."""
        if PurePosixPath(row["name"]).name != row["name"]:
            raise ValueError(f"'{row['name']}' is no name of a file")
        return cls(name=row["name"], size=required(row["size"]), sha256=row["sha256"])


def manifest_name(component: str, version: str) -> str:
    """The file in the repository that says what a version consists of."""
    return f"{component}-{version}-manifest.json"


@frozen
class Manifest:
    """What a version consists of and where it came from; published last, so that its presence means: complete.

    `attachments` stand beside the files: provenance, SBOM. They are checked like files, and not installed.
    """

    component: str
    version: str
    artifacts: tuple[Artifact, ...]
    commit: str = ""
    author: str = ""
    build: str = ""
    attachments: tuple[Artifact, ...] = ()

    def content(self) -> bytes:
        """The manifest's file, always the same bytes for the same manifest."""
        attached = [artifact.json() for artifact in self.attachments]
        return (
            json.dumps(
                {
                    "component": self.component,
                    "version": self.version,
                    "commit": self.commit,
                    "author": self.author,
                    "build": self.build,
                    "artifacts": [artifact.json() for artifact in self.artifacts],
                    **({"attachments": attached} if attached else {}),
                },
                indent=1,
                sort_keys=True,
            ).encode()
            + b"\n"
        )

    @classmethod
    def read(cls, content: bytes) -> Manifest:
        """The manifest in a file. Raises ValueError for what is none, whatever is wrong with it."""
        try:
            value = json.loads(content)
            return cls(
                component=value["component"],
                version=value["version"],
                commit=value["commit"],
                author=value["author"],
                build=value["build"],
                artifacts=tuple(map(Artifact.read, value["artifacts"])),
                attachments=tuple(map(Artifact.read, value.get("attachments", ()))),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as problem:
            raise ValueError(f"it is no manifest: {problem}") from problem

    @property
    def sha256(self) -> str:
        import hashlib

        return hashlib.sha256(self.content()).hexdigest()


@frozen
class Source:
    """Where a host gets one of a version's files by itself: a URL, or a path."""

    url: str
    artifact: Artifact


@frozen
class Release:
    """A version's files, fetched and verified into a local folder; `sources` where the host gets them by itself."""

    component: str
    version: str
    manifest: str
    folder: Path = Path()
    files: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()


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
