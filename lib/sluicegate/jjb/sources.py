"""Where jobs stand: YAML files as `jenkins-jobs test` finds them, and config.xml files, in folders, files or stdin."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sluicegate.errors import UnknownName, UsageError

SUFFIXES = (".yaml", ".yml")
STDIN = "-"
JOB = re.compile(
    rb"<(?!hudson\.model\.\w+View\b)([\w-]*project|maven2-moduleset|flow-definition|[\w-]+(?:\.[\w-]+)+)(?:\s+plugin=|\s*/?>)"
)
"""The first element of a job or folder, which tells it from a pom.xml, an Ant build and a view."""
OTHER = re.compile(rb"<(hudson|jenkins|user|slave|hudson\.model\.\w+View)\b")
"""What else a Jenkins keeps in files of this name: its own configuration, users, nodes, views."""
HEAD = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `jenkins-jobs test` is told by its flags. `conf` is an ini file; else jenkins_jobs.ini here, or its own."""

    recursive: bool = False
    exclude: tuple[str, ...] = ()
    conf: Path | None = None
    allow_empty_variables: bool = False


@dataclass(slots=True, kw_only=True)
class Sources:
    """YAML files in their order, and config.xml contents by job name; `deeper` counts YAML files that need -r."""

    yaml: list[Path] = field(default_factory=list)
    xml: dict[str, Path] = field(default_factory=dict)
    deeper: int = 0


def split(text: str) -> list[Path]:
    """`a:b` as two paths."""
    return [Path(part) for part in text.split(os.pathsep) if part]


def find(paths: Sequence[Path], options: Options) -> Sources:
    """The files of files and folders, each once. Subfolders are read for config.xml, and for YAML with `recursive`."""
    sources = Sources()
    files: dict[Path, None] = {}
    for path in paths:
        if not path.exists():
            raise UnknownName(f"{path} does not exist")
        if path.is_dir():
            for folder, depth in _folders(path, options.exclude):
                listed = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES and file.is_file())
                if depth and not options.recursive:
                    sources.deeper += len(listed)
                else:
                    files |= dict.fromkeys(file.resolve() for file in listed)
            sources.xml |= dict(_xml_of(path, options.exclude))
        elif path.suffix not in SUFFIXES and is_job(_head(path), path.name):
            sources.xml[_name(path, path.parent)] = path
        else:
            files[path.resolve()] = None
    sources.yaml = list(files)
    return sources


def is_job(head: bytes, name: str = "") -> bool:
    """Whether a file that begins so is a job's. A config.xml is one whatever it holds, unless a Jenkins keeps it so."""
    text = re.sub(rb"<\?.*?\?>|<!--.*?-->", b"", head, flags=re.DOTALL).lstrip(b"\xef\xbb\xbf \t\r\n")
    return JOB.match(text) is not None or (name == "config.xml" and OTHER.match(text) is None)


def _head(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(HEAD)


def _folders(top: Path, exclude: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """A folder and those below it, as jenkins-jobs walks them (jenkins_jobs.utils.recurse_path).

    Raises UsageError for one that cannot be read: without its jobs `jenkins-jobs update --delete-old` deletes them.
    """
    top = top.resolve()
    for name, below, _ in os.walk(top, onerror=_refuse):
        folder = Path(name)
        below[:] = sorted(subfolder for subfolder in below if not _left_out(folder / subfolder, exclude))
        yield folder, len(folder.relative_to(top).parts)


def _refuse(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError):
        raise UsageError(f"{problem.filename} cannot be read: {problem.strerror}") from problem


def _left_out(folder: Path, exclude: Sequence[str]) -> bool:
    for pattern in exclude:
        if os.path.isabs(pattern):
            text = str(folder)
        elif os.path.sep in pattern:
            text = os.path.relpath(folder)
        else:
            text = folder.name
        if fnmatch.fnmatch(text, pattern):
            return True
    return False


def _xml_of(top: Path, exclude: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The config.xml files below a folder, a Jenkins home's as well as those of `jenkins-jobs test -o`."""
    for folder, _ in _folders(top, [*exclude, ".*", "builds", "workspace"]):
        for path in sorted(folder.iterdir()):
            if path.suffix not in SUFFIXES and path.is_file() and is_job(_head(path), path.name):
                yield _name(path, top.resolve()), path


def _name(path: Path, top: Path) -> str:
    """`a/b` of a/b/config.xml, a/b.xml, a/b and jobs/a/jobs/b/config.xml."""
    if path.name != "config.xml":
        relative = path.relative_to(top)
        return (relative.with_suffix("") if path.suffix == ".xml" else relative).as_posix()
    parts = path.parent.resolve().relative_to(top.resolve()).parts
    if parts[::2] == ("jobs",) * (len(parts) // 2) and len(parts) % 2 == 0:
        parts = parts[1::2]
    return "/".join(parts) or path.parent.resolve().name
