"""Temporary folders: all below one private folder of ours, gone at the end, also when their process was killed.

Below the system's folder for temporary files stands `sluicegate-UID`, mode 0700. Each scratch folder in it is locked by
the process that made it; the system frees the lock when the process dies, and whoever comes next takes the folder away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sluicegate.errors import UsageError


@contextmanager
def scratch(*, beside: Path | None = None) -> Iterator[Path]:
    """A temporary folder, gone at the end; inside the folder `beside` where a rename must stay on its file system."""
    if beside is not None:
        with _refused(beside):
            temporary = tempfile.TemporaryDirectory(prefix=".sluicegate-", dir=beside)
        with temporary as inside:
            yield Path(inside)
        return
    folder, lock = _claimed()
    try:
        yield folder
    finally:
        try:
            take_away(folder)
        finally:
            os.close(lock)
        sweep()


def sweep() -> None:
    """Take away the scratch folders of processes that are dead, and the folder of all when it is empty."""
    house = _house()
    with suppress(OSError), _locked(house, fcntl.LOCK_EX | fcntl.LOCK_NB) as held:
        if not _is_still(house, held):
            return
        for folder in house.iterdir():
            with suppress(BlockingIOError), _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
                take_away(folder)
        house.rmdir()


def _house() -> Path:
    return Path(tempfile.gettempdir()) / f"sluicegate-{os.getuid()}"


def _claimed() -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    house = _house()
    while True:
        with _refused(house.parent), suppress(FileExistsError):
            house.mkdir(mode=0o700)
        _check_private(house)
        with suppress(FileNotFoundError), _locked(house, fcntl.LOCK_SH) as held:
            if _is_still(house, held):
                with _refused(house):
                    folder = Path(tempfile.mkdtemp(dir=house))
                return folder, _lock(folder, fcntl.LOCK_SH)


def _is_still(house: Path, held: int) -> bool:
    """Whether the folder that we hold is the one of this name: another process may have swept it meanwhile."""
    return os.path.samestat(os.fstat(held), house.stat())


def _check_private(house: Path) -> None:
    """Anybody could have made this folder before us, or a link in its place."""
    with suppress(FileNotFoundError):
        status = house.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise UsageError(
                f"{house} is not a folder of yours that others cannot enter (mode 0700)",
                hint="remove it, or name another folder for temporary files: TMPDIR",
            )


def _lock(folder: Path, how: int) -> int:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, how)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[int]:
    descriptor = _lock(folder, how)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _refused(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise UsageError(f"the folder {folder} cannot be written: {os.strerror(problem.errno or 0)}") from problem


def take_away(folder: Path) -> None:
    """Remove a folder, also with folders in it that nobody may enter or write: archives have such. Raises OSError."""
    for inside, names, _ in os.walk(folder):
        for path in (Path(inside, name) for name in names):
            if not path.is_symlink():
                path.chmod(0o700)
    shutil.rmtree(folder)
