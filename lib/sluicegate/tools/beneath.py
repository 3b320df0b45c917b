"""Reads and empties folders in which strangers may have put links: each hop of the way is opened without following.

A path is checked by opening it: what is opened part by part, each from the one above, cannot be swapped for a link
between a check and its use. Paths are absolute; the home of a server is resolved once, at its start.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.errors import IntegrityError, Malformed, UsageError
from sluicegate.tools import files

ROOT = Path("/")


def open_file(path: Path) -> int:
    """A descriptor of a regular file. Raises OSError."""
    return files.open_beneath(ROOT, str(path.relative_to(ROOT)))


def read(path: Path) -> bytes:
    """The content of a regular file. Raises OSError."""
    with os.fdopen(open_file(path), "rb") as stream:
        return stream.read()


def open_folder(path: Path) -> int:
    """A descriptor of a folder. Raises OSError."""
    here = os.open(ROOT, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in path.relative_to(ROOT).parts:
        try:
            if part == "..":
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
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
            found = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        for below in found:
            try:
                here = os.open(below, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=top)
            except OSError as problem:
                if not _is_absent(problem):
                    yield below, b"", False
                continue
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
        said = problem.message if isinstance(problem, Malformed) else problem.strerror or str(problem)
        raise IntegrityError(f"{path} cannot be read: {said}", hint="restore the file, or take it away") from problem


def _is_absent(problem: OSError) -> bool:
    """Whether there is no such file or folder, or a link in its place; else it is there and cannot be read."""
    return problem.errno in (None, errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def _is_folder(here: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode)
    except OSError:
        return False


def names(folder: Path) -> Iterator[str]:
    """The relative paths of all regular files below a folder, sorted within each; nothing where there is none."""
    try:
        top = open_folder(folder)
    except OSError:
        return
    try:
        for place, below, _, here in os.fwalk(".", dir_fd=top):
            below.sort()
            prefix = "" if place == "." else f"{place[2:]}/"
            with os.scandir(here) as entries:
                yield from (
                    f"{prefix}{name}" for name in sorted(e.name for e in entries if e.is_file(follow_symlinks=False))
                )
    finally:
        os.close(top)


def empty(folder: Path) -> None:
    """Remove all below a folder; of links themselves, not what they point to. Raises UsageError where it is a link."""
    try:
        here = open_folder(folder)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise UsageError(f"{folder} is not emptied: a part of its way is a link, or no folder") from problem
    try:
        for entry in list(os.scandir(here)):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.name, ignore_errors=True, dir_fd=here)
            else:
                os.unlink(entry.name, dir_fd=here)
    finally:
        os.close(here)
