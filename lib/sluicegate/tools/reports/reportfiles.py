"""Which files the names of reports mean: files, patterns, folders; what cannot be listed is named too: it is red."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from sluicegate.errors import UnknownName


def named(names: Sequence[Path]) -> list[Path]:
    """The files that these names mean: a file, a pattern (`**` for any folder), a folder with all its `*.xml`.

    Each file comes once, whatever links lead to it. A folder that cannot be listed comes too: a report may be in it,
    and whoever opens it is told. Raises UnknownName when a name means no file.
    """
    files: dict[str, Path] = {}
    for name in names:
        paths = _files_of(name)
        if not paths:
            raise UnknownName(f"there is no report {name}", hint="name report files, a folder of them or a pattern")
        for path in paths:
            files.setdefault(os.path.realpath(path), path)
    return sorted(files.values())


def _files_of(name: Path) -> list[Path]:
    if name.is_dir():
        unlisted: list[OSError] = []
        walk = os.walk(name, followlinks=False, onerror=unlisted.append)
        files = [Path(folder) / file for folder, _, below in walk for file in below if file.lower().endswith(".xml")]
        return [*files, *(Path(problem.filename) for problem in unlisted)]
    if os.path.lexists(name):
        return [name]
    files = [Path(path) for path in glob.glob(str(name), recursive=True) if not os.path.isdir(path)]
    return [*files, *_unlisted(name)]


def _unlisted(pattern: Path) -> Iterator[Path]:
    """The folders in which files may match, and which cannot be listed: `glob` passes them over without a word."""
    absolute = bool(pattern.anchor)
    parts = pattern.parts[absolute:]
    waiting = [(pattern.anchor or ".", parts)]
    while waiting:
        folder, left = waiting.pop()
        if not glob.has_magic(left[0]):
            if left[1:]:
                waiting.append((os.path.join(folder, left[0]), left[1:]))
            continue
        try:
            with os.scandir(folder) as listing:
                below = [entry.name for entry in listing if entry.is_dir(follow_symlinks=left[0] != "**")]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            yield Path(folder)
            continue
        if left[0] == "**":
            waiting += [(folder, left[1:])] if left[1:] else []
            waiting += [(os.path.join(folder, name), left) for name in below if not name.startswith(".")]
        elif left[1:]:
            hidden = left[0].startswith(".")
            names = [name for name in fnmatch.filter(below, left[0]) if hidden or not name.startswith(".")]
            waiting += [(os.path.join(folder, name), left[1:]) for name in names]
