"""What `sluicegate -C REPO status --json` says, and of each pool `rollout ENV --status --json`, for the page at
/delivery/.

The server knows nothing of delivery: it runs the command and keeps its JSON for a moment.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner.worker import Worker
from sluicegate.tools import process
from sluicegate.web.call import Refusal

FRESH = 5.0
PATIENCE = 30.0
WAITERS = 4


def command(repo: str, *words: str) -> list[str]:
    """A command line that prints JSON, the matrix's: the `sluicegate` beside our own interpreter, else that on PATH."""
    beside = Path(sys.executable).with_name("sluicegate")
    return [str(beside) if beside.exists() else "sluicegate", "-C", repo, *(words or ("status",)), "--json"]


class Delivery:
    """Runs the command at most once in a few seconds, whoever looks. Few wait for it, so that a Git server that hangs
    holds few of the server's threads; the others get what was read before, or are told to come again."""

    def __init__(self, repo: str) -> None:
        self.repo = repo
        self.workers: list[Worker] = []
        self.argv = command(repo)
        self._changed = threading.Condition()
        self._waiters = threading.BoundedSemaphore(WAITERS)
        self._kept: tuple[float, object, SluicegateError | None] | None = None
        self._is_read = False
        self._closed = False

    def status(self) -> object:
        """The parsed JSON. Raises SluicegateError when the command fails or prints something else, and Refusal (503)
        while it is being read for others."""
        if not self._is_fresh() and self._waiters.acquire(blocking=False):
            try:
                self._await_reading()
            finally:
                self._waiters.release()
        if self._kept is None:
            raise Refusal(503, "the status is being read; come again in a moment", headers={"Retry-After": "5"})
        _, status, problem = self._kept
        if problem is not None:
            raise problem
        return status

    def close(self) -> None:
        """Let nobody wait any longer: the server stops."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_fresh(self) -> bool:
        return self._kept is not None and time.monotonic() - self._kept[0] < FRESH

    def _await_reading(self) -> None:
        with self._changed:
            if not self._is_read:
                self._is_read = True
                threading.Thread(target=self._read, name="delivery status", daemon=True).start()
            self._changed.wait_for(lambda: self._closed or not self._is_read, PATIENCE + FRESH)

    def _rollout(self, environment: str) -> object:
        """How far a pool's last rollout is, and how its hosts stand; what keeps that from being told."""
        try:
            argv = command(self.repo, "rollout", environment, "--status")
            return json.loads(process.run(argv, timeout=PATIENCE).stdout)
        except SluicegateError as failed:
            return {"environment": environment, "problem": failed.message}

    def _read(self) -> None:
        """Keep what the command says now, or how it failed: that, too, is told for a while."""
        status: object = None
        problem: SluicegateError | None = None
        try:
            status = json.loads(process.run(self.argv, timeout=PATIENCE).stdout)
            for environment in status.get("environments", ()) if isinstance(status, dict) else ():
                if environment.get("pooled"):
                    environment["rollout"] = self._rollout(environment["name"])
        except SluicegateError as failed:
            problem = failed
        except (ValueError, OSError) as failed:
            problem = SluicegateError(f"{Path(self.argv[0]).name} status --json printed no JSON: {failed}")
        with self._changed:
            self._kept, self._is_read = (time.monotonic(), status, problem), False
            self._changed.notify_all()
