"""A line of processes: each has its turn when it came, and nobody who is dead or stopped keeps the others waiting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate.tools.line import in_line

WANTS = """
import sys, time
from pathlib import Path
from sluicegate.tools.line import in_line
folder, log, turns = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for _ in range(turns):
    with in_line(folder, 0o600, since=time.time_ns()) as came:
        with open(log, "a") as stream:
            stream.write(f"{sys.argv[4]} {came}\\n")
        time.sleep(0.01)
"""
HOLDS = """
import sys, time
from pathlib import Path
from sluicegate.tools.line import in_line
with in_line(Path(sys.argv[1]), 0o600, since=int(sys.argv[2])):
    print("its turn", flush=True)
    sys.stdin.read()
"""


def started(script: str, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


@contextmanager
def somebody(folder: Path, *, since: int = 1, waits: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A process that has its turn, or waits for it."""
    before = {*tickets(folder)}
    with started(HOLDS, folder, since) as process:
        assert process.stdout is not None
        if waits:
            while {*tickets(folder)} == before:
                time.sleep(0.01)
        else:
            assert process.stdout.readline() == "its turn\n"
        try:
            yield process
        finally:
            process.kill()


def tickets(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name != "turn"] if folder.is_dir() else []


def test_who_goes_round_and_round_leaves_each_other_its_turn(tmp_path: Path) -> None:
    folder, log, turns = tmp_path / "line", tmp_path / "log", 25
    with in_line(folder, 0o600, since=1):
        everybody = [started(WANTS, folder, log, turns, number) for number in range(4)]
        while len(tickets(folder)) < len(everybody):
            time.sleep(0.01)
    assert [one.wait(timeout=100) for one in everybody] == [0] * 4
    lines = [line.split() for line in log.read_text().splitlines()]
    assert Counter(name for name, _ in lines) == {str(number): turns for number in range(4)}
    assert {came for _, came in lines} == {"True"}
    names = [name for name, _ in lines]
    first = min(range(len(names)), key=lambda place: names[: place + 1].count(names[place]) < turns)
    had = Counter(names[: first + 1])
    assert min(had[str(number)] for number in range(4)) >= turns / 4, f"when the first was done: {had}"
    assert tickets(folder) == []


def test_who_came_earlier_is_first_though_it_stands_in_line_later(tmp_path: Path) -> None:
    order: list[int] = []

    def want(since: int) -> None:
        with in_line(tmp_path, 0o600, since=since):
            order.append(since)

    with in_line(tmp_path, 0o600, since=1):
        threads = [threading.Thread(target=want, args=[since]) for since in (10, 30, 20, 40)]
        for count, thread in enumerate(threads, start=2):
            thread.start()
            while len(tickets(tmp_path)) < count - 1:
                time.sleep(0.005)
    for thread in threads:
        thread.join()
    assert order == [10, 20, 30, 40]


def test_a_killed_holder_and_a_killed_one_that_waited_stand_in_nobodys_way(tmp_path: Path) -> None:
    with somebody(tmp_path) as holder, somebody(tmp_path, since=2, waits=True) as waiting:
        assert len(tickets(tmp_path)) == 1
        for process in (waiting, holder):
            process.kill()
            process.wait()
        with in_line(tmp_path, 0o600, since=3) as came:
            assert came
            assert tickets(tmp_path) == []


def test_nobody_waits_for_ever_for_one_that_was_stopped(tmp_path: Path) -> None:
    with somebody(tmp_path) as holder:
        holder.send_signal(signal.SIGSTOP)
        with in_line(tmp_path, 0o600, since=3, seconds=0.2) as came:
            assert not came
        with somebody(tmp_path, since=2, waits=True), in_line(tmp_path, 0o600, since=3, seconds=0.2) as came:
            assert not came


def test_a_long_line_that_moves_is_waited_for_beyond_ones_patience(tmp_path: Path) -> None:
    """Six have their turns of 0.3 s each before the last, which is patient for 1 s."""
    ends: list[bool] = []

    def want(since: int, seconds: float) -> None:
        with in_line(tmp_path, 0o600, since=since, seconds=seconds) as came:
            ends.append(came)
            time.sleep(0.3)

    threads = [threading.Thread(target=want, args=[since, 60.0]) for since in range(1, 7)]
    for thread in threads:
        thread.start()
    while len(tickets(tmp_path)) < 5:
        time.sleep(0.005)
    want(10, 1.0)
    for thread in threads:
        thread.join()
    assert ends == [True] * 7
