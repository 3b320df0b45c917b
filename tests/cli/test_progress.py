"""Transfers show how far they are: a bar where somebody watches, lines in the log of a job."""

from __future__ import annotations

import io
import subprocess
import sys
import time

import pytest

from sluicegate.cli import progress
from sluicegate.tools import meter


class Terminal(io.StringIO):
    """A stderr that somebody watches."""

    def isatty(self) -> bool:
        return True


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def move(clock: Clock, seconds: float, count: int) -> None:
    clock.now += seconds
    meter.moved(count)


def test_a_job_gets_a_line_every_ten_seconds(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("auth=1.4.2", 200_000_000):
        move(clock, 5, 40_000_000)
        move(clock, 6, 60_000_000)
        move(clock, 1, 10_000_000)
    assert capsys.readouterr().err == "auth=1.4.2  50% of 200.0 MB  9 MB/s\n"


def test_what_is_sent_twice_is_never_more_than_all(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("auth=1.4.2", 1_000_000):
        move(clock, 11, 5_000_000)
    assert "100% of 1.0 MB" in capsys.readouterr().err


def test_a_job_hears_why_nothing_moves_and_not_too_often(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("auth=1.4.2"):
        for _ in range(3):
            meter.waits("the server is busy")
            clock.now += 4
        meter.waits("the server is busy")
    assert capsys.readouterr().err == "the server is busy\n" * 2


def test_a_terminal_gets_a_bar_after_the_first_second_and_keeps_nothing_of_it(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress.progress("auth=[1.4.2]", 2_000_000):
        move(clock, 0.5, 500_000)
        assert terminal.getvalue() == ""
        move(clock, 1, 500_000)
        meter.waits("the server is busy")
        assert meter.watcher is not None
    shown = terminal.getvalue()
    assert "auth=[1.4.2]" in shown and "1.0/2.0 MB" in shown and "the server is busy" in shown
    assert shown.endswith("\x1b[2K"), "the bar's line is taken away"
    assert meter.watcher is None and meter.listener is None


def test_a_short_transfer_imports_no_rich() -> None:
    code = (
        "import sys; sys.stderr.isatty = lambda: True\n"
        "from sluicegate.cli.progress import progress; from sluicegate.tools import meter\n"
        "with progress('auth', 10): meter.moved(10)\n"
        "print([name for name in sys.modules if name == 'rich'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
