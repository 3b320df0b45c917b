"""What a version consists of: its files, the manifest that says so, and the release on its way to a host."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from sluicegate.model.frozen import frozen
from sluicegate.model.numbers import required
from sluicegate.model.values import Json


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
