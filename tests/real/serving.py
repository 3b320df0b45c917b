"""A real server that is a process of ours: it is ended, and can be made silent."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass


@dataclass(kw_only=True)
class Serving:
    """Its process, None before the start."""

    process: subprocess.Popen[bytes] | None = None

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(20)

    def freeze(self) -> None:
        """It takes connections (the kernel does) and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
