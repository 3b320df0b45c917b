"""Finds and kills the processes of a build, wherever they went. Imitates hudson.util.ProcessTree.

A process belongs to a build when it is in the session or below a process that the build started, or when its
environment carries the build's characteristic variables: those survive a double fork and setsid.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from sluicegate.model.numbers import whole

SOFT_KILL = 5.0
"""Seconds between SIGTERM and SIGKILL (SoftKillWaitSeconds of Jenkins)."""

NEAR = 128
"""Numbers that are tried one by one, which is cheaper than a list of all processes of the machine."""


def pids(lowest: int = 0) -> list[int]:
    """The processes of this machine with a number of at least `lowest`."""
    return [pid for name in os.listdir("/proc") if (pid := whole(name, least=lowest)) is not None]


def newest_pid() -> int:
    """The last process number that the kernel gave away."""
    try:
        with open("/proc/loadavg") as stream:
            return int(stream.read().split()[-1])
    except (OSError, ValueError, IndexError):
        return 0


def carriers(marks: Mapping[str, str], lowest: int = 0, newest: int = 0) -> set[int]:
    """The processes whose environment has all of `marks`; where `newest` is near `lowest`, of those numbers only."""
    wanted = [f"{name}={value}".encode() for name, value in marks.items()]
    if not 0 < newest - lowest < NEAR:
        return {pid for pid in pids(lowest) if _carries(pid, wanted)}
    pids_there = {pid for pid in range(lowest, newest + 1) if _carries(pid, wanted)}
    # What was forked while we looked.
    later = range(newest + 1, min(newest_pid(), newest + NEAR) + 1)
    return pids_there | {pid for pid in later if _carries(pid, wanted)}


def _carries(pid: int, wanted: list[bytes]) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            content = stream.read()
    except OSError:
        return False
    return wanted[0] in content and set(wanted) <= set(content.split(b"\0"))


def _stat(pid: int) -> tuple[int, int, str] | None:
    """Parent, session and state of a process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            # The name in parentheses may hold anything, also spaces and parentheses.
            fields = stream.read().rpartition(b")")[2].split()
    except OSError:
        return None
    return int(fields[1]), int(fields[3]), fields[0].decode()


def family(roots: Iterable[int]) -> set[int]:
    """The descendants and session mates of processes that were started as session leaders."""
    leaders = set(roots)
    members = set(leaders)
    table = {pid: stat for pid in pids() if (stat := _stat(pid)) is not None}
    members |= {pid for pid, (_, session, _) in table.items() if session in leaders}
    grew = True
    while grew:
        below = {pid for pid, (parent, _, _) in table.items() if parent in members} - members
        grew = bool(below)
        members |= below
    return members


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    stat = _stat(pid)
    return stat is not None and stat[2] not in "ZX"


def strays(members: Iterable[int], marks: Mapping[str, str]) -> set[int]:
    """Those of a build's members that did not leave it on purpose: by a BUILD_ID of their own, as on Jenkins.

    With a service that left, as a supervisor does, goes what it has started.
    """
    own = f"BUILD_ID={marks.get('BUILD_ID', '')}".encode()
    members = set(members)
    left = {pid for pid in members if any(name != own for name in _build_ids(pid))}
    parents = {pid: stat[0] for pid in members - left if left and (stat := _stat(pid)) is not None}
    grew = bool(left)
    while grew:
        below = {pid for pid, parent in parents.items() if parent in left} - left
        grew = bool(below)
        left |= below
    return members - left


def _build_ids(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            return [pair for pair in stream.read().split(b"\0") if pair.startswith(b"BUILD_ID=")]
    except OSError:
        return []


def kill(
    leaders: Iterable[int],
    marks: Mapping[str, str],
    *,
    members: Callable[[], set[int]] = set,
    spared: Collection[int] = (),
    soft: float = SOFT_KILL,
) -> int:
    """End the whole tree: SIGTERM, `soft` seconds of grace, then SIGKILL until all are gone. Returns how many.

    `members` tells of processes that belong to it otherwise; those `spared` get no SIGTERM, for they end with the rest.
    """
    leaders = set(leaders)
    known: set[int] = set()
    deadline = time.monotonic() + soft
    sent: set[int] = set()
    while True:
        victims = _victims(leaders, marks) | {pid for pid in strays(members(), marks) if alive(pid)}
        known |= victims
        if not victims:
            return len(known)
        hard = time.monotonic() >= deadline
        if time.monotonic() >= deadline + 5:
            return len(known)
        for pid in victims if hard else victims - sent - set(spared):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL if hard else signal.SIGTERM)
        sent |= victims
        time.sleep(0.01 if not hard else 0.02)


def _victims(leaders: set[int], marks: Mapping[str, str]) -> set[int]:
    victims = family(leaders) if leaders else set()
    if marks:
        victims |= carriers(marks)
    own = os.getpid()
    return {pid for pid in victims if pid not in (own, 1) and alive(pid)}
