"""Threads that must not die: executors, timers, pollers. A round that fails is logged, and the next one comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

PAUSE = 1.0
"""Seconds after a round that failed: a fault that stays must not take a whole processor."""


class Worker:
    """A thread that repeats `work` until it is stopped. A round has to end within some seconds when nothing happens."""

    def __init__(self, name: str, work: Callable[[], None]) -> None:
        self.name = name
        self.trouble = ""
        self.troubled_at = 0.0
        self._work = work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the round at hand be the last one."""
        self._stop.set()

    def join(self, seconds: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def wait(self, seconds: float) -> None:
        """Sleep within a round; the end of the worker ends it."""
        self._stop.wait(seconds)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._work()
            except Exception as problem:  # whatever it is, the server goes on accepting what this thread has to do
                logging.getLogger(__name__).exception("%s: a round failed", self.name)
                self.trouble, self.troubled_at = f"{type(problem).__name__}: {problem}", time.time()
                self._stop.wait(PAUSE)
