"""Ant's file patterns (`target/**/*.jar, *.log`), without ever following a link out of the workspace."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_EXCLUDES = (
    "**/*~, **/#*#, **/.#*, **/%*%, **/._*, **/CVS, **/CVS/**, **/.cvsignore, **/SCCS, **/SCCS/**, **/vssver.scc, "
    "**/.svn, **/.svn/**, **/.DS_Store, **/.git, **/.git/**, **/.gitattributes, **/.gitignore, **/.gitmodules, "
    "**/.hg, **/.hg/**, **/.hgignore, **/.hgsub, **/.hgsubstate, **/.hgtags, **/.bzr, **/.bzr/**, **/.bzrignore"
)
# How many entries a walk looks at through symbolic links: links to folders full of links have no end.
THROUGH_LINKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Regular files by relative path, and what matches but is left out, with the reason; both sorted."""

    files: tuple[str, ...]
    refused: Mapping[str, str]


def find(root: Path, includes: str, excludes: str = "", *, defaults: bool = True, case: bool = True) -> Found:
    """The files below `root` that match. Symbolic links are followed while they stay below `root`."""
    wanted = _patterns(includes, case)
    unwanted = _patterns(excludes, case) + (_patterns(DEFAULT_EXCLUDES, case) if defaults else [])
    walk = _Walk(root, wanted)
    files: list[str] = []
    refused: dict[str, str] = {}
    for relative, reason in walk.files():
        if not any(one.matches(relative) for one in wanted) or any(one.matches(relative) for one in unwanted):
            continue
        if reason:
            refused[relative] = reason
        else:
            files.append(relative)
    return Found(files=tuple(sorted(files)), refused=dict(sorted({**refused, **walk.unseen}.items())))


def matching(root: Path, includes: str, excludes: str = "", *, folders: bool = False) -> list[Path]:
    """All that matches below `root`, links themselves and never what they lead to, and folders when asked for."""
    wanted, unwanted = _patterns(includes, True), _patterns(excludes, True)
    names: list[str] = []
    for place, below, files in os.walk(root):
        inside = os.path.relpath(place, root)
        links = [name for name in below if os.path.islink(os.path.join(place, name))]
        names += [os.path.normpath(os.path.join(inside, name)) for name in (*files, *(below if folders else links))]
    return [
        root / name
        for name in sorted(names)
        if any(one.matches(name) for one in wanted) and not any(one.matches(name) for one in unwanted)
    ]


def without_twins(root: Path, names: Iterable[str]) -> list[str]:
    """The names without those by which symbolic links lead to a file that another name stands for, too."""
    real_root = os.path.realpath(root)
    places = {name: os.path.realpath(root / name) for name in names}
    own_first = sorted(places, key=lambda name: places[name] != os.path.join(real_root, name))
    name_of: dict[str, str] = {}
    for name in own_first:
        name_of.setdefault(places[name], name)
    return sorted(name_of.values())


class _Walk:
    """One walk over a workspace. Behind a link that leads out of it only names are read, to say what is missing."""

    def __init__(self, root: Path, wanted: Sequence[_Pattern]) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.wanted = wanted
        self.left = THROUGH_LINKS
        self.unseen: dict[str, str] = {}

    def files(self) -> Iterator[tuple[str, str]]:
        """Each file's relative path, and why it is refused; '' for those that are not."""
        yield from self._folder(self.root, "", (self.real_root,), linked=False)

    def _folder(self, folder: Path, prefix: str, chain: tuple[str, ...], *, linked: bool) -> Iterator[tuple[str, str]]:
        """`chain` has the real places of the folders on the way down: a link back to one of them is not followed."""
        try:
            entries = list(os.scandir(folder))
        except OSError:
            return
        for entry in entries:
            relative = f"{prefix}{entry.name}"
            self.left -= linked
            if self.left < 0:
                self.unseen[prefix] = f"not looked through: links lead to more than {THROUGH_LINKS} entries"
                return
            is_link = entry.is_symlink()
            place = os.path.realpath(entry.path) if is_link else os.path.join(chain[-1], entry.name)
            if not (os.path.isdir(place) if is_link else entry.is_dir()):
                yield from self._file(entry, relative, place)
            elif place not in chain and any(one.reaches_below(relative) for one in self.wanted):
                yield from self._folder(Path(entry.path), f"{relative}/", (*chain, place), linked=linked or is_link)

    def _file(self, entry: os.DirEntry[str], relative: str, place: str) -> Iterator[tuple[str, str]]:
        try:
            status = entry.stat()
        except OSError:
            yield relative, "a link that leads nowhere"
            return
        if not place.startswith(f"{self.real_root}/"):
            yield relative, "a link out of the workspace"
        elif status.st_nlink > 1 and status.st_uid != os.geteuid():
            yield relative, "a hard link to a file of another user"  # which no build of ours has made
        elif entry.is_file():
            yield relative, ""


class _Pattern:
    """One pattern: its parts between slashes, a trailing slash meaning all below."""

    def __init__(self, text: str, case: bool) -> None:
        flags = re.DOTALL if case else re.DOTALL | re.IGNORECASE
        parts = (f"{text}**" if text.endswith("/") else text).removeprefix("./").split("/")
        self.whole = re.compile(_regex(parts), flags)
        self.parts = [None if part == "**" else re.compile(_segment(part), flags) for part in parts]

    def matches(self, relative: str) -> bool:
        return self.whole.fullmatch(relative) is not None

    def reaches_below(self, folder: str) -> bool:
        """Whether something in this folder, or below it, can match."""
        names = folder.split("/")
        for name, part in zip(names, self.parts, strict=False):
            if part is None:
                return True
            if not part.fullmatch(name):
                return False
        return len(names) < len(self.parts)


def _patterns(text: str, case: bool) -> list[_Pattern]:
    return [_Pattern(one.strip().replace("\\", "/"), case) for one in text.split(",") if one.strip()]


def _segment(part: str) -> str:
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(character, re.escape(character)) for character in part)


def _regex(parts: Sequence[str]) -> str:
    text = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            text += ".*" if last else "(?:[^/]+/)*"
            continue
        text += _segment(part)
        if list(parts[index + 1 :]) == ["**"]:
            # Ant: `a/**` means a itself as well as all below it.
            return text + "(?:/.*)?"
        text += "" if last else "/"
    return text
