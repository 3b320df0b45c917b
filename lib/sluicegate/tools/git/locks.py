"""Locks that a killed Git left in a repository: whether one is stale, and who else could still hold it."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from sluicegate.model.numbers import whole
from sluicegate.tools import door

REFUSED = re.compile(r"Unable to create '(?P<path>[^']+\.lock)': File exists")
OLD = 10.0  # seconds; Git itself holds such a lock for milliseconds
NETWORK = ("nfs", "cifs", "smb", "9p", "ceph", "gluster", "afs", "lustre", "ocfs2", "gfs2", "fuse", "virtiofs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A lock of Git that stands in the way. `held` says who may hold it, '' when nobody does; seconds."""

    path: str
    age: float | None
    held: str

    def __str__(self) -> str:
        age = "" if self.age is None else f", {self.age:.0f} s old"
        return f"{self.path}{age} ({self.held or 'nobody holds it'})"


def lock_in(error_text: str) -> str:
    """The path of the lock that Git names in its words, '' when it names none."""
    refused = REFUSED.search(error_text)
    return os.path.normpath(refused["path"]) if refused else ""


def look_at(path: str, folder: Path | None) -> Lock:
    """Find out who holds a lock of a repository; `folder` is its Git folder, None for one on another machine."""
    place = Path(path)
    if folder is None or not place.resolve().is_relative_to(folder.resolve()):
        return Lock(path=path, age=None, held="it lies on the machine of the repository")
    try:
        age = time.time() - place.stat().st_mtime
    except OSError:
        return Lock(path=path, age=None, held="it has just gone")
    return Lock(path=path, age=age, held=_holder(place, folder.resolve(), age))


def remove_stale(lock: Lock) -> bool:
    """Remove the lock when nobody can hold it any more; False when it was left."""
    if lock.held:
        return False
    door.passing("remove a stale lock")
    Path(lock.path).unlink(missing_ok=True)
    return True


def _holder(lock: Path, repository: Path, age: float) -> str:
    if age < OLD:
        return "it is new"
    if kind := _network(repository):
        return f"the repository lies on {kind}, where another machine may hold it"
    us = _ourselves()
    for process in Path("/proc").iterdir():
        pid = whole(process.name)
        if pid is not None and pid not in us and (who := _uses(process, lock, repository)):
            return who
    return ""


def _uses(process: Path, lock: Path, repository: Path) -> str:
    """How a process may hold the lock, '' when it does not."""
    try:
        name = (process / "comm").read_text().strip()
    except OSError:
        return ""
    try:
        folder = Path(os.readlink(process / "cwd"))
        opened = [os.readlink(descriptor) for descriptor in (process / "fd").iterdir()]
    except PermissionError:
        return f"process {process.name} ({name}) of another user" if name.startswith("git") else ""
    except OSError:  # it has ended, or is a thread of the kernel
        return ""
    if folder.is_relative_to(repository) or str(lock) in opened:
        return f"process {process.name} ({name}) works in the repository"
    return ""


def _ourselves() -> set[int]:
    """This process and those that started it: a shell that stands in the repository holds no lock."""
    numbers, number = {os.getpid()}, os.getppid()
    while number > 1 and number not in numbers:
        numbers.add(number)
        try:
            number = int(Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            break
    return numbers


def _network(folder: Path) -> str:
    """The kind of file system when other machines may use it too, '' for a local disk."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        words = line.split()
        if words[2] == wanted:
            kind = words[words.index("-") + 1]
            return kind if kind.startswith(NETWORK) else ""
    return ""
