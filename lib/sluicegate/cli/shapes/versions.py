"""Versions, their files, and where they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from sluicegate.cli.shapes.looking import Event, event

if TYPE_CHECKING:
    from sluicegate.delivery.artifacts.copying import Copied
    from sluicegate.delivery.artifacts.prune import Retention
    from sluicegate.delivery.artifacts.publish import Published
    from sluicegate.delivery.artifacts.search import Hit, Shown
    from sluicegate.delivery.artifacts.verify import Checked
    from sluicegate.model.manifest import Artifact, Release


class FileShape(TypedDict):
    """A file of a version; `size` in bytes."""

    name: str
    size: int
    sha256: str


class AddressedFile(FileShape):
    """The same, and where it is."""

    address: str


class CheckedFile(FileShape):
    """The same, read again; `fault` is empty where all is well."""

    fault: str


class Publication(TypedDict):
    """`manifest` is its SHA-256; `existed`: it was published before with equal content."""

    component: str
    version: str
    manifest: str
    existed: bool
    stored_again: list[str]
    signed: bool
    artifacts: list[FileShape]
    addresses: list[str]
    notes: list[str]


class Fetched(TypedDict):
    """`files` are paths."""

    component: str
    version: str
    manifest: str
    files: list[str]


class Resolved(TypedDict):
    """`vetoed`: anywhere."""

    component: str
    version: str
    manifest: str
    vetoed: bool


class Found(TypedDict):
    """A version that holds the text; `built` is a time."""

    component: str
    version: str
    commit: str
    built: str
    found_in: list[str]


class Version(TypedDict):
    """A version with its files and its evidence, newest first. `commits` are subjects."""

    component: str
    version: str
    manifest: str
    commit: str
    author: str
    build: str
    figures: dict[str, str]
    issues: list[str]
    commits: list[str]
    files: list[AddressedFile]
    evidence: list[Event]


class Verification(TypedDict):
    """Every file of a version, read again."""

    component: str
    version: str
    files: list[CheckedFile]


class Copy(TypedDict):
    """`to` is the other repository."""

    component: str
    version: str
    to: str
    dry_run: bool
    manifest: str
    addresses: list[str]


class Pruning(TypedDict):
    """`prunes`: what goes; `stays`: version -> why; `finishes`: what an earlier one had left."""

    component: str
    dry_run: bool
    prunes: list[str]
    stays: dict[str, list[str]]
    finishes: list[str]


def file(artifact: Artifact) -> FileShape:
    return {"name": artifact.name, "size": artifact.size, "sha256": artifact.sha256}


def publication(published: Published, notes: Sequence[str]) -> Publication:
    """`publish`."""
    manifest = published.manifest
    return {
        "component": manifest.component,
        "version": manifest.version,
        "manifest": manifest.sha256,
        "existed": published.existed,
        "stored_again": list(published.again),
        "signed": published.signed,
        "artifacts": [file(artifact) for artifact in manifest.artifacts],
        "addresses": list(published.addresses),
        "notes": list(notes),
    }


def fetched(component: str, release: Release, folder: Path) -> Fetched:
    """`fetch`."""
    files = [str(folder / name) for name in release.files]
    return {"component": component, "version": release.version, "manifest": release.manifest, "files": files}


def resolved(component: str, version: str, manifest: str, *, vetoed: bool) -> Resolved:
    """`resolve`."""
    return {"component": component, "version": version, "manifest": manifest, "vetoed": vetoed}


def hit(version: Hit) -> Found:
    """One of `search`."""
    return {
        "component": version.component,
        "version": version.version,
        "commit": version.commit,
        "built": version.built,
        "found_in": list(version.why),
    }


def version(shown: Shown) -> Version:
    """`show`."""
    manifest = shown.manifest
    return {
        "component": manifest.component,
        "version": manifest.version,
        "manifest": manifest.sha256,
        "commit": manifest.commit,
        "author": manifest.author,
        "build": manifest.build,
        "figures": dict(shown.figures),
        "issues": list(shown.issues),
        "commits": list(shown.subjects),
        "files": [{**file(artifact), "address": shown.addresses[artifact.name]} for artifact in shown.files],
        "evidence": [event(entry) for entry in shown.evidence],
    }


def verification(component: str, version: str, files: Sequence[Checked]) -> Verification:
    """`verify`."""
    checked: list[CheckedFile] = [
        {"name": file.name, "size": file.size, "sha256": file.sha256, "fault": file.fault} for file in files
    ]
    return {"component": component, "version": version, "files": checked}


def copy(copied: Copied, to: str, *, dry_run: bool) -> Copy:
    """`copy`."""
    return {
        "component": copied.manifest.component,
        "version": copied.manifest.version,
        "to": to,
        "dry_run": dry_run,
        "manifest": copied.manifest.sha256,
        "addresses": list(copied.addresses),
    }


def pruning(retention: Retention, *, dry_run: bool) -> Pruning:
    """`prune`."""
    return {
        "component": retention.component,
        "dry_run": dry_run,
        "prunes": list(retention.goes),
        "stays": {version: list(reasons) for version, reasons in retention.stays.items()},
        "finishes": list(retention.left),
    }


ANSWERS: dict[str, Any] = {
    "publish": Publication,
    "fetch": Fetched,
    "resolve": Resolved,
    "search": list[Found],
    "show": Version,
    "verify": Verification,
    "copy": Copy,
    "prune": Pruning,
}
"""Command -> what it answers."""
