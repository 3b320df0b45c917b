"""A Jenkins home on disk: its folders, its lock, its leftovers after a crash."""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import ExitStack, suppress
from pathlib import Path

from sluicegate.errors import Conflict, IntegrityError, UsageError
from sluicegate.tools import files
from sluicegate.tools.lock import locked


class Home:
    """The folder, held by one runner at a time."""

    def __init__(self, path: Path) -> None:
        self.path = files.ensure_folder(path, mode=0o750).resolve()
        self._held = ExitStack()

    def hold(self, address: str = "") -> None:
        """Take the home. Raises Conflict that names another runner which has it, UsageError where it is read-only.

        Where there is only no room, a second runner is not told who holds it.
        """
        try:
            self._held.enter_context(locked(self.path / "runner.lock", seconds=0))
        except OSError as problem:
            raise UsageError(
                f"the home {self.path} cannot be written: {problem.strerror}",
                hint="make it writable, or give another folder with --home",
            ) from problem
        except Conflict as problem:
            raise Conflict(
                f"the home {self.path} is held by another runner{self._holder()}",
                hint="stop that one first, or give another folder with --home",
            ) from problem
        note = {"pid": os.getpid(), "host": socket.gethostname(), "address": address}
        try:
            files.replace(self.path / "runner.json", json.dumps(note).encode())
        except OSError as problem:
            if problem.errno not in files.NO_ROOM:
                raise
            (self.path / "runner.json").unlink(missing_ok=True)

    def _holder(self) -> str:
        try:
            note = json.loads((self.path / "runner.json").read_text())
        except (OSError, ValueError):
            return ""
        if not isinstance(note, dict):
            return ""
        where = f" at {note.get('address')}" if note.get("address") else ""
        return f": process {note.get('pid')} on {note.get('host')}{where}"

    def release(self) -> None:
        """Give the home back, also where the disk takes nothing: a note that stays says nothing then."""
        with suppress(OSError):
            (self.path / "runner.json").unlink()
        self._held.close()


class Workspaces:
    """Which workspace folders are in use: concurrent builds of a job get `NAME@2` (hudson.slaves.WorkspaceList)."""

    def __init__(self, home: Path) -> None:
        self.root = home / "workspace"
        self.places: dict[str, Path] = {}
        """Folders for some jobs, whatever they say themselves."""
        self._used: set[Path] = set()
        self._lock = threading.Lock()

    def of_cells(self, full_name: str) -> Path:
        """Where the cells of a matrix work whose builds are confined: no build can change the folder above them."""
        return self.root / f"{full_name}@cells"

    def take(self, full_name: str, custom: str = "", *, strict: bool = False) -> Path:
        """A folder that no other build uses: the job's own, or `custom`, absolute or relative to the home.

        `strict`: raise IntegrityError where a build has put a link on its way. The first hop is no build's to change.
        """
        wanted = self.root.parent / custom if custom else self.root / full_name
        wanted = self.places.get(full_name, wanted)
        with self._lock:
            number = 1
            while (path := wanted.with_name(wanted.name + (f"@{number}" if number > 1 else ""))) in self._used:
                number += 1
            if strict:
                self._refuse_links(path)
            self._used.add(path)
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def _refuse_links(self, path: Path) -> None:
        parts = path.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
        for depth in range(2, len(parts) + 1):
            if (place := self.root.joinpath(*parts[:depth])).is_symlink():
                raise IntegrityError(f"the workspace {path} is not used: {place} is a link", hint="take the link away")

    def give_back(self, path: Path) -> None:
        with self._lock:
            self._used.discard(path)
