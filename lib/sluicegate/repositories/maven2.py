"""Maven's repository layout: which names may stand in it, where they stand, and the component's list of versions."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from sluicegate.errors import UsageError
from sluicegate.model import snapshots
from sluicegate.model.config import Component

CHECKSUMS = ("sha1", "sha256", "md5")
METADATA = "maven-metadata.xml"
LONGEST = 200
"""Bytes in a name: file systems end at 255, and temporary names and checksum endings come on top."""


def check_name(name: str, what: str = "file name") -> None:
    """Raise UsageError for a name that cannot stand alone in a folder, or that would not come back unchanged."""
    found = _fault(name)
    if found:
        raise UsageError(f"the {what} {name!r} {found}", hint="rename it and try again")


def _fault(name: str) -> str:
    if not name:
        return "is empty"
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name):
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
    """Raise UsageError also for the names that belong to the repository itself."""
    check_name(name)
    if is_sidecar(name) or name == METADATA:
        raise UsageError(
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
    """Where a version's files stand; all time-stamped versions of one SNAPSHOT share a folder."""
    check_name(version, "version")
    return component_folder(component) / (snapshots.base(version) or version)


def place(component: Component, version: str, name: str) -> PurePosixPath:
    """Where a file stands. Raises UsageError for a name that belongs to the repository or to another version."""
    check_file_name(name)
    folder = version_folder(component, version)
    if not belongs(component, version, name):
        raise UsageError(
            f"the file name {name!r} does not begin with {component.name}-{version}, as the files of a SNAPSHOT do",
            hint="rename it and try again",
        )
    return folder / name


def belongs(component: Component, version: str, name: str) -> bool:
    """Whether a file in the version's folder is one of this version's, or its checksum."""
    prefix = f"{component.name}-{version}"
    return not snapshots.base(version) or name.startswith((f"{prefix}.", f"{prefix}-"))


def own(component: Component, version: str, found: Iterable[str]) -> tuple[str, ...]:
    """The version's files among the names in its folder, sorted; no checksums, lists or hidden files."""
    return tuple(
        sorted(
            name
            for name in found
            if not name.startswith(".")
            and not is_sidecar(name)
            and name != METADATA
            and belongs(component, version, name)
        )
    )


def only_lists(found: Iterable[str]) -> bool:
    """Whether nothing but the list of a SNAPSHOT and its checksums is left in a folder."""
    return all(name == METADATA or name.startswith(f"{METADATA}.") for name in found)


def checksums(content: bytes) -> dict[str, str]:
    return {kind: hashlib.new(kind, content, usedforsecurity=False).hexdigest() for kind in CHECKSUMS}


def metadata(component: Component, versions: Sequence[str], now: datetime) -> bytes:
    """maven-metadata.xml: `latest` and `release` are the last version that is no prerelease."""
    from xml.sax.saxutils import escape  # brings urllib.request: not in every job step

    versions = tuple(dict.fromkeys(snapshots.base(version) or version for version in versions))
    finished = [version for version in versions if "-" not in version.partition("+")[0]]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<metadata>"]
    lines += [f"  <groupId>{escape(component.group)}</groupId>"] if component.group else []
    lines += [f"  <artifactId>{escape(component.name)}</artifactId>", "  <versioning>"]
    lines += [f"    <latest>{escape((finished or list(versions))[-1])}</latest>"] if versions else []
    lines += [f"    <release>{escape(finished[-1])}</release>"] if finished else []
    lines += ["    <versions>", *(f"      <version>{escape(version)}</version>" for version in versions)]
    lines += ["    </versions>", f"    <lastUpdated>{now:%Y%m%d%H%M%S}</lastUpdated>", "  </versioning>", "</metadata>"]
    return ("\n".join(lines) + "\n").encode()


def newest_snapshots(versions: Iterable[str]) -> tuple[str, ...]:
    """The newest time-stamped version of each SNAPSHOT among versions that come oldest first."""
    return tuple({snapshots.base(version): version for version in versions if snapshots.base(version)}.values())


def tells(content: bytes, version: str) -> bool:
    """Whether a SNAPSHOT's list names this version as the newest already."""
    return f"<value>{version}</value>".encode() in content


def snapshot_metadata(component: Component, version: str, names: Iterable[str]) -> bytes:
    """maven-metadata.xml in the folder of a SNAPSHOT: which file stands for each classifier and extension."""
    from xml.sax.saxutils import escape

    time, number = snapshots.stamp(version)
    updated = time.replace(".", "")
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<metadata modelVersion="1.1.0">']
    lines += [f"  <groupId>{escape(component.group)}</groupId>"] if component.group else []
    lines += [f"  <artifactId>{escape(component.name)}</artifactId>"]
    lines += [f"  <version>{escape(snapshots.base(version))}</version>", "  <versioning>", "    <snapshot>"]
    lines += [f"      <timestamp>{time}</timestamp>", f"      <buildNumber>{number}</buildNumber>", "    </snapshot>"]
    lines += [f"    <lastUpdated>{updated}</lastUpdated>", "    <snapshotVersions>"]
    for name in names:
        classifier, _, extension = name.removeprefix(f"{component.name}-{version}").partition(".")
        lines += ["      <snapshotVersion>"]
        lines += [f"        <classifier>{escape(classifier[1:])}</classifier>"] if classifier else []
        lines += [f"        <extension>{escape(extension)}</extension>", f"        <value>{escape(version)}</value>"]
        lines += [f"        <updated>{updated}</updated>", "      </snapshotVersion>"]
    lines += ["    </snapshotVersions>", "  </versioning>", "</metadata>"]
    return ("\n".join(lines) + "\n").encode()
