"""Writes files so that a reader sees the old or the new content, never a half."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from io import RawIOBase
from pathlib import Path

from sluicegate.errors import UsageError
from sluicegate.tools import door, meter
from sluicegate.tools.outgoing import check_unchanged, marks_of, opened

BLOCK = 1 << 20
HOP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
"""Opens a folder on the way to what is read: who may pass it need not be able to list it, as /home of mode 711."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk, a quota and a limit say: what is there can still be read."""
TOO_LITTLE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""What this process or machine lacks for a moment, whatever file is asked for."""


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def replace(
    path: Path,
    content: bytes,
    *,
    mode: int = 0o644,
    durable: bool = True,
    first: Callable[[], None] = lambda: None,
) -> None:
    """Put `content` at `path` by rename; `durable`: the content is on disk before its name, then both.

    Folders that are missing are made, and their names are on disk too. `first` is done once there was room for the
    content, and before it is seen; what it raises leaves all as it was.
    """
    folder = path.parent
    made_folders = make_folders(folder)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb", buffering=0) as stream:
            write(stream, content, path)
            os.fchmod(handle, mode)
            if durable:
                os.fsync(handle)
        first()
        door.passing(f"rename {path.name}")
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(folder)
        for made in made_folders:
            sync_folder(made.parent)


def make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it, however many; which of them were missing, the lowest first."""
    missing: list[Path] = []
    here = folder
    while not here.exists():
        missing.append(here)
        here = here.parent
    for missing_folder in reversed(missing):
        missing_folder.mkdir(exist_ok=True)
    return missing


def point_link(link: Path, target: str) -> None:
    """Make the symbolic link `link` point to `target` in one step, whatever it pointed to before."""
    door.passing(f"link {link.name}")
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)


def ensure_folder(folder: Path, *, mode: int = 0o777) -> Path:
    """The folder, made where it is not there. Raises UsageError where it cannot be."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(f"the folder {folder} cannot be made: {os.strerror(problem.errno or 0)}") from problem
    return folder


def copy(source: Path, to: Path, *, checksums: tuple[str, ...] = ("sha256",)) -> dict[str, str]:
    """Copy a file into the new file `to`, on disk when this returns; the checksums of what was copied, in hex.

    Raises IntegrityError when the source changes or goes meanwhile. Nothing is left at `to` after any failure.
    """
    door.passing(f"copy {source.name}")
    digests = {name: hashlib.new(name, usedforsecurity=False) for name in checksums}
    try:
        with opened(source) as reader, to.open("xb", buffering=0) as writer:
            marks = marks_of(os.fstat(reader.fileno()))
            while block := reader.read(BLOCK):
                for digest in digests.values():
                    digest.update(block)
                write(writer, block, to)
                meter.moved(len(block))
            os.fsync(writer.fileno())
            check_unchanged(source, reader, marks, writer.tell())
    except FileExistsError:
        raise
    except BaseException:
        to.unlink(missing_ok=True)
        raise
    return {name: digest.hexdigest() for name, digest in digests.items()}


def write(stream: RawIOBase, block: bytes, place: Path) -> None:
    """Write a whole block to the unbuffered file `place`. An OSError names the file, as that of a socket does not."""
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[stream.write(rest) or 0 :]
    except OSError as problem:
        problem.filename = str(place)
        raise


def add(temporary: Path, path: Path) -> bool:
    """Give the complete file `temporary` its final name `path`; False when the name is taken. Never overwrites."""
    door.passing(f"add {path.name}")
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    sync_folder(path.parent)
    return True


def sync(path: Path) -> None:
    """Have the content of a file on disk."""
    door.passing(f"sync {path.name}")
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def must_be_free(count: int) -> None:
    """Raises OSError where this process may not open so many more files now."""
    with ExitStack() as opened:
        first = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        opened.callback(os.close, first)
        for _ in range(count - 1):
            opened.callback(os.close, os.dup(first))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def put_folder(source: Path, to: Path) -> None:
    """Copy a folder so that it appears at `to` at once and whole, in place of what was there.

    An empty folder takes away what was there. Symbolic links are copied as links.
    """

    door.passing(f"put folder {to.name}")
    temporary = to.with_name(f".{to.name}.{os.getpid()}")
    remove(temporary)
    if not any(source.iterdir()):
        if os.path.lexists(to):
            os.replace(to, temporary)
            remove(temporary)
        return
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        shutil.copytree(source, temporary, symlinks=True)
        if os.path.lexists(to):
            _exchange(temporary, to)
        else:
            os.rename(temporary, to)
    finally:
        remove(temporary)


def _exchange(first: Path, second: Path) -> None:
    """Swap two names in one step, so that neither is missing for a moment (renameat2 of Linux)."""
    import ctypes  # slow to import, as are shutil and tempfile; most commands write no file

    libc = ctypes.CDLL(None, use_errno=True)
    here, exchange = -100, 2
    if hasattr(libc, "renameat2"):
        if libc.renameat2(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0:
            return
        if ctypes.get_errno() not in (errno.ENOSYS, errno.EINVAL):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(second))
    # File systems without the exchange: two renames, with nothing under the name for an instant.
    aside = first.with_name(f"{first.name}.aside")
    os.rename(second, aside)
    os.rename(first, second)
    os.rename(aside, first)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing happens when there is none."""
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def open_beneath(root: Path, relative: str, *, follow: bool = False) -> int:
    """A descriptor of the regular file `relative` below `root`; no part of the way may be a link.

    Every level is opened from the one above without following links, so that a file swapped for a link between
    check and use is not opened. With `follow`, links that stay below `root` are resolved first. Raises OSError.
    """
    if follow:
        real_root = os.path.realpath(root)
        place = os.path.relpath(os.path.realpath(root / relative), real_root)
        return open_beneath(Path(real_root), place)
    parts = relative.split("/")
    if not relative or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FileNotFoundError(relative)
    here = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, HOP, dir_fd=here)
            os.close(here)
            here = below
        return open_in(here, parts[-1])
    finally:
        os.close(here)


def open_in(folder: int, name: str) -> int:
    """A descriptor of a regular file in an open folder; a link is not followed. Raises OSError."""
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(name)
    return descriptor
