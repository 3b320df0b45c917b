"""Runs one command of a build: its output into the log, its end, its time-outs, and the kill of all it left."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sluicegate.errors import SluicegateError, TimedOut, UnknownName
from sluicegate.runner.confinement.pen import Pen
from sluicegate.tools import door, process
from sluicegate.tools.descriptors import readable

LEAK_WAIT = 3.0
"""Seconds to wait for output after the command's end, while a background child still holds the pipe."""

LARGEST_ANSWER = 256 << 20
"""Bytes of what a question's answer may have: it is in memory."""
LOOK = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When to stop a command: at a moment of time.monotonic(), or after so many silent seconds. None: never."""

    deadline: float | None = None
    silence: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended. `why` is empty for its own end, else `stopped`, `deadline` or `silence`."""

    status: int
    pid: int
    why: str = ""
    leaked: bool = False


def run(
    argv: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    pen: Pen,
    write: Callable[[bytes], None],
    stop: int,
    limits: Limits,
    kill: Callable[[int], object],
) -> Ended:
    """Run `argv` in a pen, in a session of its own.

    `stop` is a descriptor that becomes readable when the build is aborted. `kill` ends the tree of the
    process number given. Raises OSError when the program cannot be started.
    """
    door.passing(f"start {argv[0]}")
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        child = started(
            pen, argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, new_session=True
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    # Follow its output until it ends, or until it must.
    handle = os.pidfd_open(child.pid)
    try:
        os.set_blocking(reading, False)
        why = _follow(reading, handle, stop, write, limits)
        if why:
            kill(child.pid)
        # A process that it left may hold the output: the build does not wait for that one.
        leaked = not _drain(reading, write, 0.0 if why else LEAK_WAIT, lambda: _held(reading, pen))
        return Ended(status=child.wait(), pid=child.pid, why=why, leaked=leaked)
    finally:
        os.close(handle)
        os.close(reading)


def started(
    pen: Pen,
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str],
    new_session: bool = False,
    **streams: Any,
) -> subprocess.Popen[bytes]:
    """Start `argv` in a pen: the only place where a process of a build begins. Raises OSError, ValueError."""
    with pen.starting(argv, cwd or Path("/"), env) as start:
        user = start.account
        return subprocess.Popen(
            start.argv,
            cwd=cwd,
            env=start.env,
            pass_fds=start.descriptors,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else user.groups,
            preexec_fn=start.enter,
            # What shares our terminal could type into it, as the user who started the server.
            start_new_session=new_session or pen.wrapped or not pen.same_user,
            **streams,
        )


def ask(
    pen: Pen, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes | None, timeout: float
) -> process.Completed:
    """Run a command that ends at once in a pen; what it printed. `env` is all of its environment; seconds.

    Its streams are files, not pipes: what it leaves behind, a hook's child say, may hold them for as long as it likes.
    Raises MissingProgram and TimedOut, UnknownName without the folder, SluicegateError for an environment that no
    process can have and for more than LARGEST_ANSWER bytes; a status other than 0 is no error.
    """
    door.passing(" ".join(argv[:2]))
    with contextlib.ExitStack() as stack:
        reading, out, error = (stack.enter_context(_memory(name)) for name in ("in", "out", "error"))
        reading.write(stdin or b"")
        reading.seek(0)
        whole = {**env, **pen.variables()}
        try:
            child = started(pen, argv, cwd=cwd, env=whole, stdin=reading, stdout=out, stderr=error)
        except FileNotFoundError as problem:
            if not cwd.is_dir():
                raise UnknownName(f"the folder {cwd} does not exist") from problem
            raise process.missing(argv[0]) from problem
        except (OSError, ValueError) as problem:
            raise SluicegateError(f"cannot start '{argv[0]}': {problem}") from problem
        called = f"'{' '.join(argv[:3])}'"
        try:
            if not _ends_within(timeout, child.pid, lambda: _must_be_short(called, out, error)):
                raise TimedOut(f"{called} did not end within {timeout:g} seconds")
        except SluicegateError:
            process.kill_tree(child.pid)
            child.wait()
            raise
        status = child.wait()
        _must_be_short(called, out, error)
        stdout, stderr = _content(out), _content(error)
    return process.Completed(argv=tuple(argv), status=status, stdout=stdout, stderr=stderr)


def _memory(name: str) -> IO[bytes]:
    return os.fdopen(os.memfd_create(name, os.MFD_CLOEXEC), "w+b", buffering=0)


def _content(stream: IO[bytes]) -> bytes:
    stream.seek(0)
    return stream.read(LARGEST_ANSWER)


def _must_be_short(called: str, *streams: IO[bytes]) -> None:
    if any(os.fstat(stream.fileno()).st_size > LARGEST_ANSWER for stream in streams):
        raise SluicegateError(f"{called} answers with more than {LARGEST_ANSWER >> 20} MiB")


def _ends_within(seconds: float, pid: int, look: Callable[[], None]) -> bool:
    """Whether a process ends in time; meanwhile `look` is called every LOOK seconds."""
    handle = os.pidfd_open(pid)
    end = time.monotonic() + seconds
    try:
        while not readable(handle, min(LOOK, end - time.monotonic())):
            if time.monotonic() >= end:
                return False
            look()
        return True
    finally:
        os.close(handle)


def _follow(reading: int, handle: int, stop: int, write: Callable[[bytes], None], limits: Limits) -> str:
    """Copy output until the process ends; the reason when it has to be killed."""
    poller = select.poll()
    for descriptor in (reading, handle, stop):
        poller.register(descriptor, select.POLLIN)
    heard = time.monotonic()
    while True:
        ready = {descriptor for descriptor, _ in poller.poll(_wait(limits, heard))}
        if stop in ready:
            return "stopped"
        if reading in ready:
            heard = time.monotonic()
            if not _copy(reading, write):
                poller.unregister(reading)
        elif handle in ready:
            return ""
        if why := _exceeded(limits, heard):
            return why


def _copy(reading: int, write: Callable[[bytes], None]) -> bool:
    """Move one block; False at the end of the stream."""
    try:
        block = os.read(reading, 65536)
    except BlockingIOError:
        return True
    if block:
        write(block)
    return bool(block)


def _wait(limits: Limits, heard: float) -> int | None:
    """Milliseconds until the next limit."""
    moments = []
    if limits.deadline is not None:
        moments.append(limits.deadline)
    if limits.silence is not None:
        moments.append(heard + limits.silence)
    if not moments:
        return None
    return max(0, int((min(moments) - time.monotonic()) * 1000) + 1)


def _exceeded(limits: Limits, heard: float) -> str:
    now = time.monotonic()
    if limits.deadline is not None and now >= limits.deadline:
        return "deadline"
    if limits.silence is not None and now >= heard + limits.silence:
        return "silence"
    return ""


def _held(reading: int, pen: Pen) -> bool:
    """Whether a process of the build can still write to this pipe: what makes a sandbox holds it too, and is silent."""
    if not pen.wrapped:
        return True
    pipe = os.readlink(f"/proc/self/fd/{reading}")
    for pid in pen.members():
        with contextlib.suppress(OSError):
            if any(os.readlink(entry.path) == pipe for entry in os.scandir(f"/proc/{pid}/fd")):
                return True
    return False


def _drain(reading: int, write: Callable[[bytes], None], patience: float, held: Callable[[], bool]) -> bool:
    """Copy what is still in the pipe; False when somebody holds it open beyond `patience` seconds."""
    end = time.monotonic() + patience
    while True:
        left = max(0.0, end - time.monotonic())
        with contextlib.suppress(InterruptedError):
            if not readable(reading, 0) and left and not held():
                return True
            if not readable(reading, left):
                return False
            if not _copy(reading, write):
                return True
