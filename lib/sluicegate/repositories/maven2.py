"""Maven's repository layout: which names may stand in it, where they stand, and the component's list of versions."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import PurePosixPath

from sluicegate.errors import Malformed
from sluicegate.model import snapshots
from sluicegate.model.config import Component
from sluicegate.model.prereleases import prerelease

CHECKSUMS = ("sha1", "sha256", "md5")
METADATA = "maven-metadata.xml"
LONGEST = 200
"""Bytes in a name: file systems end at 255, and temporary names and checksum endings come on top."""


def check_name(name: str, what: str = "file name") -> None:
    """Raise Malformed for a name that cannot stand alone in a folder, or that would not come back unchanged."""
    fault = _fault(name)
    if fault:
        raise Malformed(f"the {what} {name!r} {fault}", hint="rename it and try again")


@lru_cache(maxsize=1000)  # group, component and version are asked for each file
def _fault(name: str) -> str:
    if not name:
        return "is empty"
    if not (name.isascii() and name.isprintable()) and any(
        unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name
    ):
        return "holds a control character or one that is no text"
    if "/" in name or "\\" in name:
        return "holds a slash; a name without a folder is expected"
    if name[0] in "-.":
        return f"begins with '{name[0]}'"
    if ".." in name:
        return "holds '..'"
    if name != unicodedata.normalize("NFC", name):
        return "is not in Unicode's composed form (NFC), so that another name would look the same"
    if len(name.encode()) > LONGEST:
        return f"is longer than {LONGEST} bytes"
    return ""


def check_file_name(name: str) -> None:
    """Raise Malformed also for the names that belong to the repository itself."""
    check_name(name)
    if is_sidecar(name) or name == METADATA:
        raise Malformed(
            f"the file name {name!r} belongs to the repository: it writes checksums and {METADATA} itself",
            hint="leave this file out",
        )


def is_sidecar(name: str) -> bool:
    """True for the small file with a checksum that stands beside each file."""
    return name.rpartition(".")[2] in (*CHECKSUMS, "sha512")


def component_folder(component: Component) -> PurePosixPath:
    """`com/example/auth` for the component auth of the group com.example."""
    parts = [*(component.group.split(".") if component.group else []), component.name]
    for part in parts:
        check_name(part, "group or component")
    return PurePosixPath(*parts)


def version_folder(component: Component, version: str) -> PurePosixPath:
    """The version's own folder; all publications of a SNAPSHOT share one."""
    check_name(version, "version")
    return component_folder(component) / (snapshots.base(version) or version)


def place(component: Component, version: str, name: str) -> PurePosixPath:
    """Where a version's file stands. Raises Malformed for a name that would not come back as one of this version."""
    check_file_name(name)
    if not belongs(component, version, name):
        raise Malformed(
            f"the file name {name!r} does not begin with {component.name}-{version}",
            hint=f"the files of {snapshots.base(version)} share a folder, so each says which publication it is of",
        )
    return version_folder(component, version) / name


def belongs(component: Component, version: str, name: str) -> bool:
    """Whether a file in the version's folder is one of this version."""
    prefix = f"{component.name}-{version}"
    return not snapshots.base(version) or name.startswith((f"{prefix}.", f"{prefix}-"))


def files_of(component: Component, version: str, names: Iterable[str]) -> set[str]:
    """The version's files among the names in its folder: no metadata, no sidecars, nothing of another publication."""
    return {n for n in names if n != METADATA and not is_sidecar(n) and belongs(component, version, n)}


def leaving(component: Component, version: str, names: set[str]) -> set[str]:
    """What goes with a version out of its folder; the last publication of a SNAPSHOT takes the metadata along."""
    own = {name for name in names if belongs(component, version, name)}
    return own if any(not name.startswith(METADATA) for name in names - own) else names


def checksums(content: bytes) -> dict[str, str]:
    return {kind: hashlib.new(kind, content, usedforsecurity=False).hexdigest() for kind in CHECKSUMS}


def announcements(
    component: Component, versions: Sequence[str], names: Callable[[Component, str], Sequence[str]], now: datetime
) -> Iterator[tuple[PurePosixPath, Callable[[], bytes], str]]:
    """Every maven-metadata.xml: those of SNAPSHOTs, about their newest publication, then the component's.

    Each with its path, its content, and a text without which it is out of date: '' for one to be written always.
    """
    for version in versions:
        check_name(version, "version")
    newest = {snapshots.base(version): version for version in versions if snapshots.base(version)}
    for version in newest.values():

        def content(version: str = version) -> bytes:
            return snapshot_metadata(component, version, names(component, version))

        yield version_folder(component, version) / METADATA, content, f"<value>{version}</value>"
    listed = tuple(dict.fromkeys(snapshots.base(version) or version for version in versions))
    yield component_folder(component) / METADATA, lambda: metadata(component, listed, now), ""


def metadata(component: Component, versions: Sequence[str], now: datetime) -> bytes:
    """The component's maven-metadata.xml: `latest` and `release` are the last version that is no prerelease."""
    finished = [version for version in versions if not prerelease(component.versions, version)]
    lines = ["  <versioning>"]
    lines += [_element("latest", (finished or list(versions))[-1], 4)] if versions else []
    lines += [_element("release", finished[-1], 4)] if finished else []
    lines += ["    <versions>", *(_element("version", version, 6) for version in versions), "    </versions>"]
    lines += [_element("lastUpdated", f"{now:%Y%m%d%H%M%S}", 4), "  </versioning>"]
    return _document(component, lines)


def snapshot_metadata(component: Component, version: str, names: Sequence[str]) -> bytes:
    """The maven-metadata.xml of a SNAPSHOT: its newest publication, and the files of that by classifier and ending."""
    _, time, number = snapshots.parts(version)
    updated = time.replace(".", "")
    lines = [_element("version", snapshots.base(version), 2), "  <versioning>", "    <snapshot>"]
    lines += [_element("timestamp", time, 6), _element("buildNumber", str(number), 6), "    </snapshot>"]
    lines += [_element("lastUpdated", updated, 4), "    <snapshotVersions>"]
    for name in names:
        rest = name.removeprefix(f"{component.name}-{version}")
        classifier, ending = _classified(rest)
        lines += ["      <snapshotVersion>"]
        lines += [_element("classifier", classifier, 8)] if classifier else []
        lines += [_element("extension", ending, 8), _element("value", version, 8), _element("updated", updated, 8)]
        lines += ["      </snapshotVersion>"]
    return _document(component, [*lines, "    </snapshotVersions>", "  </versioning>"])


def _classified(rest: str) -> tuple[str, str]:
    """Classifier and ending of what stands behind the version: a classifier may hold dots, `-jdk1.8.jar`.

    The ending is what follows the last dot, with `tar` before it and a signature's behind it.
    """
    if not rest.startswith("-"):
        return "", rest.removeprefix(".")
    parts = re.fullmatch(r"-(.*?)\.((?:tar\.)?[^.]+(?:\.(?:asc|sig|sigstore|sigstore\.json))?)", rest)
    return (parts[1], parts[2]) if parts else (rest.removeprefix("-"), "")


def _document(component: Component, lines: Sequence[str]) -> bytes:
    head = ['<?xml version="1.0" encoding="UTF-8"?>', '<metadata modelVersion="1.1.0">']
    head += [_element("groupId", component.group, 2)] if component.group else []
    return ("\n".join([*head, _element("artifactId", component.name, 2), *lines, "</metadata>"]) + "\n").encode()


def _element(name: str, text: str, indent: int) -> str:
    from xml.sax.saxutils import escape  # brings urllib.request: not in every job step

    return f"{' ' * indent}<{name}>{escape(text)}</{name}>"
