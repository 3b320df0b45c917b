"""Ant's file patterns (`target/**/*.jar, *.log`), without ever following a link out of the workspace."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from sluicegate.tools import beneath

DEFAULT_EXCLUDES = (
    "**/*~, **/#*#, **/.#*, **/%*%, **/._*, **/CVS, **/CVS/**, **/.cvsignore, **/SCCS, **/SCCS/**, **/vssver.scc, "
    "**/.svn, **/.svn/**, **/.DS_Store, **/.git, **/.git/**, **/.gitattributes, **/.gitignore, **/.gitmodules, "
    "**/.hg, **/.hg/**, **/.hgignore, **/.hgsub, **/.hgsubstate, **/.hgtags, **/.bzr, **/.bzr/**, **/.bzrignore"
)
# How many entries a walk looks at through symbolic links: links to folders full of links have no end.
THROUGH_LINKS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Regular files by relative path, and what matches but is left out, with the reason; both sorted.

    `unread` of these are there, may match, and cannot be read; the others are links that lead elsewhere.
    """

    files: tuple[str, ...]
    refused: Mapping[str, str]

    @property
    def unread(self) -> dict[str, str]:
        return {name: reason for name, reason in self.refused.items() if isinstance(reason, Unread)}


class Unread(str):
    """Why something that is there was not read."""


def find(
    root: Path,
    includes: str,
    excludes: str = "",
    *,
    defaults: bool = True,
    case: bool = True,
    check: Callable[[], None] = lambda: None,
) -> Found:
    """The files below `root` that match. Symbolic links are followed while they stay below `root`.

    `check` is called for each file, and may end the search by an exception: many patterns take long.
    """
    wanted = _patterns(includes, case)
    unwanted = _patterns(excludes, case) + (_patterns(DEFAULT_EXCLUDES, case) if defaults else [])
    walk = _Walk(root, wanted)
    files: list[str] = []
    refused: dict[str, str] = {}
    for relative, reason in walk.files():
        check()
        if not any(pattern.matches(relative) for pattern in wanted) or any(
            pattern.matches(relative) for pattern in unwanted
        ):
            continue
        if reason:
            refused[relative] = reason
        else:
            files.append(relative)
    for place, reason in walk.unseen.items():
        below = f"{place}?/?" if place.endswith("/") else place
        if not any(pattern.matches(below) for pattern in unwanted):  # unless all that may be below is unwanted
            refused[place] = reason
    return Found(files=tuple(sorted(files)), refused=dict(sorted(refused.items())))


def matching(root: Path, includes: str, excludes: str = "", *, folders: bool = False) -> list[Path]:
    """All that matches below `root`, links themselves and never what they lead to, and folders when asked for.

    Raises IntegrityError for a folder that cannot be read.
    """
    wanted, unwanted = _patterns(includes, True), _patterns(excludes, True)
    names: list[str] = []
    for prefix, entries in beneath.folders(root.resolve()):
        names += [f"{prefix}{entry.name}" for entry in entries if folders or not entry.is_dir(follow_symlinks=False)]
    return [
        root / name
        for name in sorted(names)
        if any(pattern.matches(name) for pattern in wanted) and not any(pattern.matches(name) for pattern in unwanted)
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
    """One walk over a workspace, folder by folder: builds make trees deeper than Python calls functions.

    Behind a link that leads out of it nothing is read, no name either: the server may read more than a build.
    """

    def __init__(self, root: Path, wanted: Sequence[_Pattern]) -> None:
        self.real_root = os.path.realpath(root)
        self.wanted = wanted
        self.left = THROUGH_LINKS
        self.unseen: dict[str, str] = {}
        self._waiting: list[_Folder] = []

    def files(self) -> Iterator[tuple[str, str]]:
        """Each file's relative path, and why it is refused; '' for those that are not."""
        self._waiting = [_Folder(place=self.real_root, prefix="", above=None, linked=False)]
        while self._waiting:
            yield from self._look_through(self._waiting.pop())

    def _look_through(self, folder: _Folder) -> Iterator[tuple[str, str]]:
        try:
            here = beneath.open_real(folder.place)
        except FileNotFoundError:  # it has gone meanwhile
            return
        except OSError as problem:
            self.unseen[folder.prefix] = Unread(f"a folder that cannot be read ({problem.strerror})")
            return
        try:
            with os.scandir(here) as entries:
                for entry in entries:
                    self.left -= folder.linked
                    if self.left < 0:
                        message = f"not looked through: links lead to more than {THROUGH_LINKS} entries"
                        self.unseen[folder.prefix] = Unread(message)
                        return
                    yield from self._entry(folder, entry)
        finally:
            os.close(here)

    def _entry(self, folder: _Folder, entry: os.DirEntry[str]) -> Iterator[tuple[str, str]]:
        relative = f"{folder.prefix}{entry.name}"
        place = os.path.join(folder.place, entry.name)
        is_link = entry.is_symlink()
        if is_link:
            place = os.path.realpath(place)
            if not self._is_inside(place):
                # Whether something is there, and what, is not told either.
                if self._reaches(relative) or any(pattern.matches(relative) for pattern in self.wanted):
                    self.unseen[relative] = "a link out of the workspace"
                return
        try:
            status = os.lstat(place) if is_link else entry.stat(follow_symlinks=False)
        except OSError as problem:
            nowhere = problem.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
            yield relative, "a link that leads nowhere" if nowhere else Unread(f"not to be read ({problem.strerror})")
            return
        if not stat.S_ISDIR(status.st_mode):
            yield from self._file(relative, place, status)
        elif self._reaches(relative) and not ((is_link or folder.linked) and folder.is_below(place)):
            below = _Folder(place=place, prefix=f"{relative}/", above=folder, linked=folder.linked or is_link)
            self._waiting.append(below)

    def _file(self, relative: str, place: str, status: os.stat_result) -> Iterator[tuple[str, str]]:
        if stat.S_ISLNK(status.st_mode):
            yield relative, "a link that leads nowhere"
        elif beneath.is_anothers(status, self._owner):
            yield relative, "a hard link to a file of another user"  # which no build of ours has made
        elif stat.S_ISREG(status.st_mode):
            yield relative, ""

    @cached_property
    def _owner(self) -> int:
        return os.stat(self.real_root).st_uid

    def _is_inside(self, place: str) -> bool:
        return place == self.real_root or place.startswith(f"{self.real_root}/")

    def _reaches(self, relative: str) -> bool:
        return any(pattern.reaches_below(relative) for pattern in self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Folder:
    """A folder that a walk has yet to look through: where it really is, and by what way it was come to."""

    place: str
    prefix: str
    above: _Folder | None
    linked: bool

    def is_below(self, place: str) -> bool:
        """Whether the way here led through this place: a link back to it has no end."""
        here: _Folder | None = self
        while here is not None and here.place != place:
            here = here.above
        return here is not None


class _Pattern:
    """One pattern: its parts between slashes, None for `**`, a trailing slash meaning all below.

    Matching never goes back further than to the last star, so that no pattern takes long (a regular expression would).
    """

    def __init__(self, text: str, case: bool) -> None:
        self.case = case
        whole = (f"{text}**" if text.endswith("/") else text).removeprefix("./")
        self.parts = [None if part == "**" else self._folded(part) for part in whole.split("/")]

    def _folded(self, text: str) -> str:
        return text if self.case else text.lower()

    def matches(self, relative: str) -> bool:
        """Whether the path fits. In Ant `a/**` means a itself as well as all below it."""
        return _whole(self._folded(relative).split("/"), self.parts)

    def reaches_below(self, folder: str) -> bool:
        """Whether something in this folder, or below it, can match."""
        names = self._folded(folder).split("/")
        for name, part in zip(names, self.parts, strict=False):
            if part is None:
                return True
            if not _name(name, part):
                return False
        return len(names) < len(self.parts)


def _whole(names: Sequence[str], parts: Sequence[str | None]) -> bool:
    """Whether names fit parts one by one; `**` stands for any number of names."""
    at = part = 0
    back = -1  # where to go on after a part that does not fit: one name more for the last `**`
    resume = 0
    while at < len(names):
        wanted = parts[part] if part < len(parts) else ""
        if part < len(parts) and wanted is None:
            back, resume = part, at
            part += 1
        elif part < len(parts) and wanted is not None and _name(names[at], wanted):
            at, part = at + 1, part + 1
        elif back >= 0:
            resume += 1
            at, part = resume, back + 1
        else:
            return False
    return all(part_left is None for part_left in parts[part:])


def _name(name: str, part: str) -> bool:
    """Whether a name fits a part with `*` and `?`; goes back to the last star only."""
    at = position = 0
    back = -1
    resume = 0
    while at < len(name):
        if position < len(part) and part[position] == "*":
            back, resume = position, at
            position += 1
        elif position < len(part) and part[position] in ("?", name[at]):
            at, position = at + 1, position + 1
        elif back >= 0:
            resume += 1
            at, position = resume, back + 1
        else:
            return False
    return not part[position:].strip("*")


def _patterns(text: str, case: bool) -> list[_Pattern]:
    return [_Pattern(pattern.strip().replace("\\", "/"), case) for pattern in text.split(",") if pattern.strip()]
