"""Writes files so that a reader sees the old or the new content, never a half."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from pathlib import Path

from sluicegate.tools import door

BLOCK = 1 << 20


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file, read in blocks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def replace(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put `content` at `path` by rename; the file is on disk before it has its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, mode)
        door.passing(f"rename {path.name}")
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def point_link(link: Path, target: str) -> None:
    """Make the symbolic link `link` point to `target` in one step, whatever it pointed to before."""
    door.passing(f"link {link.name}")
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)


def open_beneath(root: Path, relative: str) -> int:
    """A descriptor of the regular file `relative` below `root`; no part of the way may be a link.

    Every level is opened from the one above without following links, so that a file swapped for a link between
    check and use is not opened. Raises OSError.
    """
    parts = relative.split("/")
    if not relative or any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FileNotFoundError(relative)
    here = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        found = os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
    if not stat.S_ISREG(os.fstat(found).st_mode):
        os.close(found)
        raise FileNotFoundError(relative)
    return found
