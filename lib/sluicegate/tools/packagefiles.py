"""What a package file says of itself: a `.deb`, or an `.rpm`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import Malformed
from sluicegate.tools import process

FORMS = {
    ".deb": ("deb", ("dpkg-deb", "--show", "--showformat=${Package} ${Version}", "--")),
    ".rpm": ("rpm", ("rpm", "-qp", "--nosignature", "--nodigest", "--queryformat",
                     "%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}", "--")),
}  # fmt: skip
"""Suffix -> the scheme of its versions, and the command that reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageFile:
    """The name and the version by which a package manager knows the file; `scheme` orders its versions."""

    name: str
    version: str
    scheme: str


def read(path: Path) -> PackageFile | None:
    """What the file says; None for a file whose suffix is of no package.

    Raises Malformed for one that the package's own program does not read, MissingProgram where that is not installed.
    """
    if path.suffix not in FORMS:
        return None
    scheme, command = FORMS[path.suffix]
    done = process.run([*command, path], check=False, env={"LC_ALL": "C"})
    if done.status:
        words = " ".join(done.stderr.decode("utf-8", "replace").split())
        raise Malformed(f"{path.name} is no package that {command[0]} reads: {words}")
    name, _, version = done.text.strip().partition(" ")
    return PackageFile(name=name, version=version, scheme=scheme)
