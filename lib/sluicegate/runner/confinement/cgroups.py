"""Control groups (version 2): they know which processes belong to a build, whatever these do to hide it.

A group is made below the server's own, where that may be written: as root, or in a service with `Delegate=yes`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from sluicegate.model.numbers import whole

OURS = "sluicegate-"
SERVERS = itertools.count(1)


class Cgroups:
    """The group of a server, in which those of its builds are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)

    def make(self, job: str) -> Cgroup | None:
        """A group for one build; None when the system takes no more."""
        folder = self.folder / f"build-{next(self._numbers)}"
        try:
            folder.mkdir()
        except OSError:
            return None
        return Cgroup(folder)

    def close(self) -> None:
        """Take it away; what the system still counts as used, the next server does."""
        _take_away(self.folder)


class Cgroup:
    """The group of one build."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def entrance(self) -> Iterator[Callable[[], None]]:
        """What a new process calls to be in the group before its program begins."""
        door = os.open(self.folder / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        try:
            yield lambda: _enter(door)
        finally:
            os.close(door)

    def members(self) -> set[int]:
        try:
            words = (self.folder / "cgroup.procs").read_text().split()
        except OSError:
            return set()
        return {pid for word in words if (pid := whole(word)) is not None}

    def close(self) -> None:
        """Take the group away; who stays on purpose goes on in the one above the server's."""
        for pid in self.members():
            with contextlib.suppress(OSError):
                (self.folder.parent.parent / "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def _enter(door: int) -> None:
    os.write(door, b"0")


def own() -> Cgroups | None:
    """A group of this process's own to make others in; None where the system has none, or gives none away."""
    base = _base()
    if base is None or not os.access(base / "cgroup.procs", os.W_OK):
        return None
    for left in base.glob(f"{OURS}*"):
        pid = whole(left.name.removeprefix(OURS).partition("-")[0])
        if pid is not None and not Path(f"/proc/{pid}").exists():
            _take_away(left)
    folder = base / f"{OURS}{os.getpid()}-{next(SERVERS)}"
    try:
        folder.mkdir()
    except OSError:
        return None
    # A child may write to a descriptor before its program begins, also where other threads run here.
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    return Cgroups(folder)


def _take_away(folder: Path) -> None:
    """Remove the groups that a server which was killed has left."""
    for below in folder.glob("build-*"):
        with contextlib.suppress(OSError):
            below.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()


def _base() -> Path | None:
    """The folder of the group that this process is in."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        groups = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    places = [line.split()[4] for line in mounts if line.rpartition(" - ")[2].startswith("cgroup2 ")]
    names = [line.removeprefix("0::") for line in groups if line.startswith("0::")]
    return Path(places[0] + names[0].rstrip("/")) if places and names else None
