"""What `sluicegate -C REPO status --json` says, for the page at /delivery/.

The server knows nothing of delivery: it runs the command and keeps its JSON for a moment.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.tools import process

FRESH = 5.0
PATIENCE = 30.0


def command(repo: str) -> list[str]:
    """The command line that prints the matrix: the `sluicegate` beside our own interpreter, else that on PATH."""
    beside = Path(sys.executable).with_name("sluicegate")
    return [str(beside) if beside.exists() else "sluicegate", "-C", repo, "status", "--json"]


class Delivery:
    """Runs the command at most once in a few seconds, whoever looks."""

    def __init__(self, repo: str) -> None:
        self.argv = command(repo)
        self._lock = threading.Lock()
        self._kept: tuple[float, object] = (-FRESH, None)

    def status(self) -> object:
        """The parsed JSON. Raises SluicegateError when the command fails or prints something else."""
        with self._lock:
            if time.monotonic() - self._kept[0] >= FRESH:
                done = process.run(self.argv, timeout=PATIENCE)
                try:
                    self._kept = (time.monotonic(), json.loads(done.stdout))
                except ValueError as problem:
                    raise SluicegateError(f"{Path(self.argv[0]).name} status --json printed no JSON") from problem
            return self._kept[1]
