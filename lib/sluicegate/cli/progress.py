"""How far a transfer is, on stderr: a bar on a terminal after the first second, in a job a line every ten seconds."""

from __future__ import annotations

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sluicegate.cli.output import echo
from sluicegate.model.printable import printable
from sluicegate.tools import meter

PLAIN_SECONDS = 1.0
"""What is over before needs no bar, and none of what a bar costs to import."""
LINE_SECONDS = 10.0


@contextmanager
def progress(label: str, total: int = 0) -> Iterator[None]:
    """Show the bytes moved while the block runs, of `total` where that is known, and what is waited for."""
    transfer = (Bar if sys.stderr.isatty() else Lines)(label, total)
    meter.watcher, meter.listener = transfer.add, transfer.tell
    try:
        yield
    finally:
        meter.watcher = meter.listener = None
        transfer.close()


class Lines:
    """For the log of a job: a line every ten seconds. Called from several threads, as `Bar` is."""

    def __init__(self, label: str, total: int) -> None:
        self.label = label
        self.total = total
        self.moved = 0
        self._lock = threading.Lock()
        self._began = self._shown = time.monotonic()
        self._told = -math.inf

    def add(self, count: int) -> None:
        """So many bytes more. What is sent again after a broken connection counts twice, but never beyond the total."""
        with self._lock:
            self.moved += count
            if self.total:
                self.moved = min(self.moved, self.total)
            with suppress(OSError):  # nobody reads it any more
                self._show(time.monotonic())

    def tell(self, why: str) -> None:
        """Why nothing moves, at most every ten seconds."""
        with self._lock:
            if (now := time.monotonic()) - self._told >= LINE_SECONDS:
                self._told = now
                with suppress(OSError):
                    self._say(why)

    def close(self) -> None:
        """The block has ended."""

    def _show(self, now: float) -> None:
        if now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        speed = f"{self.moved / 1e6 / (now - self._began):.0f} MB/s"
        part = (
            f"{self.moved / self.total:.0%} of {self.total / 1e6:.1f} MB"
            if self.total
            else f"{self.moved / 1e6:.1f} MB"
        )
        echo(f"{self.label}  {part}  {speed}", err=True)

    def _say(self, why: str) -> None:
        echo(why, err=True)


class Bar(Lines):
    """For people: bytes, speed and the time that is left, gone when it is over."""

    _bar: Any = None

    def close(self) -> None:
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
                self._bar = None

    def _show(self, now: float) -> None:
        if self._bar is None and now - self._began >= PLAIN_SECONDS:
            self._bar = self._started()
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self.moved)

    def _say(self, why: str) -> None:
        if self._bar is None:
            super()._say(why)
        else:
            self._bar.console.print(printable(why), markup=False, highlight=False)

    def _started(self) -> Any:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        bar = Progress(*columns, console=Console(stderr=True), transient=True)
        bar.add_task(self.label, total=self.total or None)
        bar.start()
        return bar
