"""The home of logs of commands that outlive us: a private folder of the user, with a limit."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from sluicegate.errors import UsageError
from sluicegate.tools import files
from sluicegate.tools.git.place import cache_folder

KEPT = 100
LARGEST = 100_000_000  # bytes, all together


def new_log(name: str) -> Path:
    """A new empty file for the output of a command. The oldest go, so that at most 100 files and 100 MB are kept.

    Raises UsageError where it cannot be made.
    """
    folder = log_folder()
    _make_room(folder)
    try:
        handle, log = tempfile.mkstemp(prefix=f"{quote(name, safe='')[:60]}-", suffix=".log", dir=folder)
    except OSError as problem:
        raise UsageError(f"the folder {folder} cannot be written: {os.strerror(problem.errno or 0)}") from problem
    os.close(handle)
    return Path(log)


def log_folder() -> Path:
    """`sluicegate/logs` in XDG_STATE_HOME, else in ~/.local/state; without a home in the folder of the cache."""
    home = os.environ.get("HOME")
    base = os.environ.get("XDG_STATE_HOME") or (f"{home}/.local/state" if home else "")
    return files.ensure_folder(Path(base) / "sluicegate" / "logs" if base else cache_folder() / "logs", mode=0o700)


def _make_room(folder: Path) -> None:
    logs = {path: path.stat() for path in folder.glob("*.log")}
    size, count = sum(status.st_size for status in logs.values()), len(logs)
    for path, status in sorted(logs.items(), key=lambda log: log[1].st_mtime):
        if count < KEPT and size <= LARGEST:
            break
        path.unlink(missing_ok=True)
        size, count = size - status.st_size, count - 1
