"""Reads and empties folders in which strangers may have put links: each hop of the way is opened without following.

A path is checked by opening it: what is opened part by part, each from the one above, cannot be swapped for a link
between a check and its use. Paths are absolute; the home of a server is resolved once, at its start.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sluicegate.errors import IntegrityError, Malformed, UsageError
from sluicegate.tools import files

ROOT = Path("/")
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
LEVELS = 50
"""How deep a tree is removed at once."""


def open_file(path: Path) -> int:
    """A descriptor of a regular file. Raises OSError."""
    return files.open_beneath(ROOT, str(path.relative_to(ROOT)))


def is_anothers(status: os.stat_result, owner: int) -> bool:
    """Whether a file has another name, and is not `owner`'s, whose folder it lies in: who gave it that, nobody knows.

    One of our own may be a build's too, but not root's: where links are not protected (fs.protected_hardlinks), any
    user may give another name to root's files.
    """
    ours = (owner, os.geteuid() or owner)
    return status.st_nlink > 1 and status.st_uid not in ours


def read(path: Path) -> bytes:
    """The content of a regular file. Raises OSError."""
    with os.fdopen(open_file(path), "rb") as stream:
        return stream.read()


def open_folder(path: Path) -> int:
    """A descriptor of a folder that can be listed. Raises OSError."""
    parts = path.relative_to(ROOT).parts
    here = os.open(ROOT, FOLDER if not parts else files.HOP)
    for place, part in enumerate(parts, start=1):
        try:
            if part == "..":
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            below = os.open(part, FOLDER if place == len(parts) else files.HOP, dir_fd=here)
        finally:
            os.close(here)
        here = below
    return here


def folders_with(folder: Path, name: str, sibling: str) -> Iterator[tuple[str, bytes, bool]]:
    """Every folder within one that has the file `name`, by name: its own name, the content, whether it has `sibling`.

    Each is opened from the one above, once: a home may have ten thousand. Nothing where there is no such folder; a file
    that is there and cannot be read has no content. Raises OSError for a folder that cannot be read.
    """
    try:
        top = open_folder(folder)
    except OSError as problem:
        if _is_absent(problem):
            return
        raise
    try:
        with os.scandir(top) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for below in names:
            try:
                here = os.open(below, FOLDER, dir_fd=top)
            except OSError as problem:
                if not _is_absent(problem):
                    yield below, b"", False
                continue
            # Whoever takes the folder away between two calls has taken it away.
            content = b""
            try:
                with os.fdopen(files.open_in(here, name), "rb") as stream:
                    content = stream.read()
                with_sibling = _is_folder(here, sibling)
            except OSError as problem:
                if _is_absent(problem):
                    continue
                with_sibling = _is_folder(here, sibling)
            finally:
                os.close(here)
            yield below, content, with_sibling
    finally:
        os.close(top)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What is done within reads a file: of one that is not there it raises FileNotFoundError.

    Of one that is there and cannot be read it raises IntegrityError: whoever took it for none would write it away.
    """
    try:
        yield
    except (OSError, Malformed) as problem:
        if isinstance(problem, OSError) and _is_absent(problem):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from problem
        cause = problem.message if isinstance(problem, Malformed) else problem.strerror or str(problem)
        raise IntegrityError(f"{path} cannot be read: {cause}", hint="restore the file, or take it away") from problem


def _is_absent(problem: OSError) -> bool:
    """Whether there is no such file or folder, or a link in its place; else it is there and cannot be read."""
    return problem.errno in (None, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def _is_folder(here: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode)
    except OSError:
        return False


def open_real(place: str) -> int:
    """A descriptor of the folder whose real path this is. Raises OSError, also where a part of it is a link by now."""
    here = os.open(place, FOLDER)
    if os.readlink(f"/proc/self/fd/{here}") != place:
        os.close(here)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place)
    return here


def folders(folder: Path) -> Iterator[tuple[str, list[os.DirEntry[str]]]]:
    """A folder and all below it, each before those in it: `""`, `a/`, `a/b/`, and the entries by name.

    No link is followed; a folder that has gone, or is a link by now, is left out. They may lie deeper than Python calls
    functions. Raises IntegrityError for one that is there and cannot be read.
    """
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        place = os.path.join(folder, prefix).rstrip("/")
        try:
            here = open_real(place)
        except OSError as problem:
            if _is_absent(problem) and problem.errno != errno.ENAMETOOLONG:  # so deep is only what its folder has named
                continue
            raise IntegrityError(f"the folder {place} cannot be read: {problem.strerror}") from problem
        try:
            with os.scandir(here) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
            yield prefix, entries
            below = [f"{prefix}{entry.name}/" for entry in entries if entry.is_dir(follow_symlinks=False)]
        finally:
            os.close(here)
        waiting += reversed(below)


def names(folder: Path) -> Iterator[str]:
    """The relative paths of all regular files below a folder, sorted within each; nothing where there is none.

    Raises IntegrityError for a folder that is there and cannot be read.
    """
    for prefix, entries in folders(folder):
        yield from (f"{prefix}{entry.name}" for entry in entries if entry.is_file(follow_symlinks=False))


def empty(folder: Path) -> None:
    """Remove all below a folder; of links themselves, not what they point to.

    Raises UsageError where it is a link, and, when all else is gone, for what cannot be removed.
    """
    try:
        above = open_folder(folder.parent)
        try:
            here = _entered(above, folder.name)
        finally:
            os.close(above)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise UsageError(f"{folder} is not emptied: a part of its way is a link, or no folder") from problem
    try:
        _empty(here)
    except OSError as problem:
        raise UsageError(
            f"{folder} is not empty: {problem.filename} cannot be removed: {problem.strerror}",
            hint="remove it by hand, as its owner or as root",
        ) from problem
    finally:
        os.close(here)


def remove(place: Path) -> None:
    """Remove a file, a link itself, or a folder with all in it; gone already is well. Raises OSError for what stays."""
    with suppress(FileNotFoundError):
        above = open_folder(place.parent)
        try:
            remove_in(above, place.name)
        finally:
            os.close(above)


def remove_in(folder: int, name: str) -> None:
    """Remove what has this name in an open folder, with all in it. Raises OSError for the first that stays."""
    if not _is_folder(folder, name):
        os.unlink(name, dir_fd=folder)
        return
    below = _entered(folder, name)
    try:
        _empty(below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=folder)


def _entered(above: int, name: str) -> int:
    """A descriptor of a folder to be emptied, with all rights in it for its owner: caches take them away, as Go's."""
    here = os.open(name, files.HOP, dir_fd=above)
    try:
        if os.fstat(here).st_mode & stat.S_IRWXU != stat.S_IRWXU:
            with suppress(OSError):  # it is somebody else's: what stays in it is told
                os.chmod(f"/proc/self/fd/{here}", stat.S_IRWXU)
        return os.open(".", FOLDER, dir_fd=here)
    finally:
        os.close(here)


def _empty(top: int) -> None:
    """Remove all in an open folder. Raises OSError for the first that stays, once all others are gone.

    Builds make trees deeper than Python calls functions, and than a process may have folders open: what lies deeper
    than LEVELS is moved to the top, and removed in the next round.
    """
    stays: list[OSError] = []
    while _emptied(top, top, LEVELS, stays):
        stays.clear()
    if stays:
        raise stays[0]


def _emptied(top: int, here: int, levels: int, stays: list[OSError]) -> bool:
    """Empty a folder as deep as `levels`; whether deeper ones were moved to the top."""
    moved = False
    with os.scandir(here) as listing:
        entries = list(listing)
    for entry in entries:
        before = len(stays)
        try:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.name, dir_fd=here)
                continue
            below = _entered(here, entry.name)
            try:
                if levels:
                    moved = _emptied(top, below, levels - 1, stays) or moved
                else:
                    os.rename(entry.name, f".deep.{secrets.token_hex(8)}", src_dir_fd=here, dst_dir_fd=top)
                    moved = True
            finally:
                os.close(below)
            if levels and len(stays) == before:
                os.rmdir(entry.name, dir_fd=here)
        except FileNotFoundError:
            continue
        except OSError as problem:
            stays.append(OSError(problem.errno, problem.strerror, f"{_path_of(here)}/{entry.name}"))
    return moved


def _path_of(folder: int) -> str:
    """Where an open folder is; as far as a path goes."""
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{folder}")
    return "..."
