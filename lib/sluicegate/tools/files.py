"""Writes files so that a reader sees the old or the new content, never a half."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def scratch(*, beside: Path | None = None) -> Iterator[Path]:
    """A temporary folder, gone at the end; inside the folder `beside` where a rename must stay on its file system."""
    with tempfile.TemporaryDirectory(prefix=".sluicegate-", dir=beside) as folder:
        yield Path(folder)
