"""A runner in a temporary home, stopped after each test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sluicegate.runner.causes import Cause
from sluicegate.runner.item import Item
from sluicegate.runner.records import Record
from sluicegate.runner.service import Runner

ADMIN = (Cause(kind="user", user="admin"),)
Wait = Callable[[Item, int], Record]


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    started = Runner(tmp_path / "home", url="http://127.0.0.1:1/")
    started.start()
    yield started
    started.stop()


def wait_for(item: Item, number: int = 1, seconds: float = 20) -> Record:
    """The record of a build once it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        record = item.history.get(number)
        if record is not None and not record.building:
            return record
        time.sleep(0.005)
    raise AssertionError(f"{item.full_name} #{number} did not end within {seconds} s")


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def shell(command: str, *, more: str = "", quiet: int = 0, publishers: str = "") -> bytes:
    """A freestyle job with one shell step."""
    from xml.sax.saxutils import escape

    return (
        f"<project><quietPeriod>{quiet}</quietPeriod>{more}<builders><hudson.tasks.Shell><command>{escape(command)}"
        f"</command></hudson.tasks.Shell></builders><publishers>{publishers}</publishers></project>"
    ).encode()


def build(runner: Runner, name: str, content: bytes, values: dict[str, str | bool] | None = None) -> Record:
    """Create a job, build it once, and return the record."""
    item = runner.items.create("", name, content)
    runner.trigger(item, ADMIN, values, 0)
    return wait_for(item)
