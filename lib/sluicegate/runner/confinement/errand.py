"""Commands that the server runs for a job outside its builds, as polling does: kept from it as those of builds are."""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from sluicegate.runner import launch
from sluicegate.runner.confinement.pen import Confinement, Pen, rooms, yards
from sluicegate.tools import files, process
from sluicegate.tools.lock import locked

PATIENCE = 5.0


class Errand:
    """One such occasion. `yard` is the job's folder for what the next one may want again; one at a time is in it."""

    def __init__(self, pen: Pen, yard: Path, rooms: Path) -> None:
        self.pen = pen
        self.yard = yard
        self._rooms = rooms

    def ask(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes | None = None, timeout: float
    ) -> process.Completed:
        """Run a command that ends at once, in the pen (`launch.ask`)."""
        return launch.ask(self.pen, argv, cwd=cwd, env=env, stdin=stdin, timeout=timeout)

    def scratch(self) -> AbstractContextManager[Path]:
        """A folder that nobody else may read, gone afterwards; it must be shown before a command uses it."""
        return _temporary(self._rooms)

    def show(self, folder: Path) -> None:
        """Let the commands use a folder that `scratch` has made, with all that is in it now."""
        self.pen.show(folder)


@contextmanager
def errand(confinement: Confinement, home: Path, job: str) -> Iterator[Errand]:
    """An errand for a job. What its commands leave running ends with it. Raises SluicegateError."""
    name = hashlib.sha256(job.encode()).hexdigest()[:24]
    yard = files.ensure_folder(yards(home) / name, mode=0o700)
    with locked(yard.with_suffix(".lock"), seconds=600):
        pen = confinement.pen(job, yard)
        try:
            yield Errand(pen, yard, rooms(home))
        finally:
            _end_all(pen)
            pen.close()


@contextmanager
def _temporary(rooms: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=rooms, ignore_cleanup_errors=True) as name:
        yield Path(name)


def _end_all(pen: Pen) -> None:
    deadline = time.monotonic() + PATIENCE
    while (left := pen.members()) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
