"""A build makes a file of any size at no cost, by a hole in it: it fills no memory, no disk and no executor."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from sluicegate.errors import SluicegateError
from sluicegate.runner import launch
from sluicegate.runner.confinement.unconfined import OpenPen
from sluicegate.runner.results import Result
from sluicegate.runner.service import Runner
from tests.runner.conftest import ADMIN, build, shell, until, wait_for
from tests.runner.test_unreadable import COVERAGE, CPPCHECK, ROBOT, TAP, WARNINGS

HUGE = "mkdir r; echo small > r/a; truncate -s 4T r/big"
ARCHIVER = "<hudson.tasks.ArtifactArchiver><artifacts>r/**</artifacts></hudson.tasks.ArtifactArchiver>"
MARKS = "<hudson.tasks.Fingerprinter><targets>r/**</targets></hudson.tasks.Fingerprinter>"
FINDER = (
    "<hudson.plugins.textfinder.TextFinderPublisher><fileSet>r.xml</fileSet><regexp>x</regexp>"
    "</hudson.plugins.textfinder.TextFinderPublisher>"
)


def test_what_the_disk_has_no_room_for_is_not_begun(runner: Runner) -> None:
    """A disk that is filled refuses everybody's triggers."""
    record = build(runner, "archiving", shell(HUGE, publishers=ARCHIVER))
    printed = record.log.read_text()
    assert record.result is Result.FAILURE
    assert "'r/big' is not to be archived (it has 4398046511104 bytes, and there is room for " in printed
    assert [path.name for path in (record.archive / "r").iterdir()] == ["a"]


def test_a_build_that_reads_a_huge_file_can_be_aborted(runner: Runner) -> None:
    item = runner.items.create("", "marking", shell(HUGE, publishers=MARKS))
    runner.trigger(item, ADMIN, None, 0)
    log = item.history.builds / "1" / "log"
    until(lambda: log.exists() and "Recording" in log.read_text(), 20)
    begun = time.monotonic()
    assert runner.abort(item.history.running[1], "Aborted by anna")
    assert wait_for(item).result is Result.ABORTED
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("publisher", "place"),
    [
        (COVERAGE, "r/x.xml"), (TAP, "r/x.xml"), (CPPCHECK, "r.xml"), (WARNINGS, "r.xml"), (ROBOT, "r/output.xml"),
        (FINDER, "r.xml"),
    ],
    ids=["coverage", "tap", "cppcheck", "warnings", "robot", "finder"],
)  # fmt: skip
def test_a_huge_report_is_refused_in_words(runner: Runner, publisher: str, place: str) -> None:
    record = build(runner, "judged", shell(f"mkdir r; truncate -s 4T {place}", publishers=publisher))
    printed = record.log.read_text()
    assert record.result is Result.FAILURE, printed
    assert "has more than 128 MiB and is not read" in printed, printed


def test_a_line_as_long_as_its_log_is_read_in_parts(runner: Runner) -> None:
    record = build(runner, "printing", shell("head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end"))
    lines = list(record.lines())
    assert max(map(len, lines)) <= 1 << 20 and "".join(lines).count("x") > 3_000_000
    assert lines[-2:] == ["end", "Finished: SUCCESS"]


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "has ended"])
def test_an_answer_without_end_is_no_answer(tmp_path: Path, ends: bool) -> None:
    """As of a rule's file that a job names, or what a hook of Git's prints."""
    words = ["head", "-c", "300M", "/dev/zero"] if ends else ["cat", "/dev/zero"]
    with pytest.raises(SluicegateError, match="answers with more than 256 MiB"):
        launch.ask(OpenPen(None), words, cwd=tmp_path, env={"PATH": os.defpath}, stdin=None, timeout=60)
