"""Ant's file patterns (`target/**/*.jar, *.log`), without ever following a link out of the workspace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_EXCLUDES = (
    "**/*~, **/#*#, **/.#*, **/%*%, **/._*, **/CVS, **/CVS/**, **/.cvsignore, **/SCCS, **/SCCS/**, **/vssver.scc, "
    "**/.svn, **/.svn/**, **/.DS_Store, **/.git, **/.git/**, **/.gitattributes, **/.gitignore, **/.gitmodules, "
    "**/.hg, **/.hg/**, **/.hgignore, **/.hgsub, **/.hgsubstate, **/.hgtags, **/.bzr, **/.bzr/**, **/.bzrignore"
)


@dataclass(slots=True, kw_only=True)
class Found:
    """Regular files by relative path, sorted, and what was left out because it is a link."""

    files: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def find(root: Path, includes: str, excludes: str = "", *, defaults: bool = True, case: bool = True) -> Found:
    """The files below `root` that match. Symbolic links and files with several hard links are refused."""
    wanted = _patterns(includes, case)
    unwanted = _patterns(excludes, case) + (_patterns(DEFAULT_EXCLUDES, case) if defaults else [])
    found = Found()
    for relative, entry in _walk(root, ""):
        if any(one.fullmatch(relative) for one in unwanted) or not any(one.fullmatch(relative) for one in wanted):
            continue
        if entry.is_symlink() or (
            entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_nlink > 1
        ):
            found.refused.append(relative)
        elif entry.is_file(follow_symlinks=False):
            found.files.append(relative)
    found.files.sort()
    return found


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        relative = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{relative}/")
        else:
            yield relative, entry


def _patterns(text: str, case: bool) -> list[re.Pattern[str]]:
    flags = re.DOTALL if case else re.DOTALL | re.IGNORECASE
    return [re.compile(_regex(one.strip().replace("\\", "/")), flags) for one in text.split(",") if one.strip()]


def _regex(pattern: str) -> str:
    if pattern.endswith("/"):
        pattern += "**"
    parts = pattern.removeprefix("./").split("/")
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
            continue
        text += "".join({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)) for character in part)
        if parts[index + 1 :] == ["**"]:
            # Ant: `a/**` means a itself as well as all below it.
            return text + "(?:/.*)?"
        text += "" if last else "/"
    return text
