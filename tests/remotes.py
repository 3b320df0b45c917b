"""A remote host for tests: its shell is `sh -c` in a folder of this machine, behind a line that is slow or broken."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from sluicegate.errors import RemoteUnavailable, TimedOut
from sluicegate.hosts.remote import RemoteHost
from sluicegate.model.config import Config
from sluicegate.model.settings import Settings
from sluicegate.tools import process
from sluicegate.tools.process import Completed


@dataclass(kw_only=True)
class Line:
    """What lies between us and the host. `latency` in seconds, for each call; `calls` counts them."""

    latency: float = 0.0
    down: bool = False
    hangs: bool = False
    cut_after: int | None = None
    calls: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellHost(RemoteHost):
    """`cut_after` bytes of what is sent the line breaks; the host's shell then finds its input at an end."""

    root: Path
    line: Line = field(default_factory=Line)

    @classmethod
    def configure(cls, name: str, settings: Settings, config: Config) -> ShellHost:
        return cls(name=name, folder="apps here", root=Path(settings.text("folder")))

    def call(self, line: str, stdin: bytes | IO[bytes] | None, timeout: float) -> Completed:
        with self.line.lock:
            self.line.calls += 1
        time.sleep(self.line.latency)
        if self.line.down or not self.root.is_dir():
            raise RemoteUnavailable(f"the host '{self.name}' is down: no route to it")
        if self.line.hangs:
            raise TimedOut(f"the host '{self.name}' did not answer within {timeout:g} seconds")
        if self.line.cut_after is not None and stdin is not None:
            content = stdin if isinstance(stdin, bytes) else stdin.read()
            process.run(["sh", "-c", line], cwd=self.root, stdin=content[: self.line.cut_after], check=False)
            raise RemoteUnavailable(f"the host '{self.name}' broke off")
        return process.run(["sh", "-c", line], cwd=self.root, stdin=stdin, timeout=timeout, check=False)
