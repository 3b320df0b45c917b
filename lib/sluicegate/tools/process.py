"""Starts other programs: argument lists only, never a shell string."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from sluicegate.errors import MissingProgram, SluicegateError, TimedOut, UnknownName
from sluicegate.model.frozen import frozen
from sluicegate.tools import door

INSTALL_HINTS = {
    "git": "install it, for example: apt install git",
    "aptly": "install it, for example: apt install aptly",
    "createrepo_c": "install it, for example: apt install createrepo-c",
}

BOOT = Path("/proc/sys/kernel/random/boot_id")
FIRST_ROOM = "pid:[4026531836]"
"""The namespace of a machine's own processes (PROC_PID_INIT_INO of Linux); a container or sandbox has another one."""

STAYS = "outlives-its-build"
KEPT = ("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TZ", "USER")


@frozen
class Completed:
    """What a finished program left: its exit status, and what it wrote."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        return self.stdout.decode("utf-8", "replace")

    @property
    def lines(self) -> list[str]:
        """The lines of the text."""
        return lines_of(self.text)

    @property
    def error_text(self) -> str:
        return self.stderr.decode("utf-8", "replace").strip()


def lines_of(text: str) -> list[str]:
    """The lines of a text, as programs and Git end them: `splitlines` ends one at characters that names may have."""
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]


ENDS_WITH_US = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("its caller has ended")
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as problem:
    sys.exit(f"{sys.argv[2]}: {problem.strerror}")
"""
"""What a bound program is started by. Its argument is the number of the process that it ends with."""


def missing(program: str) -> MissingProgram:
    """The error for a program that is not on PATH."""
    hint = INSTALL_HINTS.get(program, f"install {program} and put it on PATH")
    return MissingProgram(f"the program '{program}' was not found on PATH", hint=hint)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | IO[bytes] | None = None,
    timeout: float = 300.0,
    check: bool = True,
    inherit: bool = True,
    bound: bool = False,
) -> Completed:
    """Run a program to its end. `env` is added to ours, or to `plain_environment` without `inherit`; seconds.

    `bound`: it is asked to end when we end, however that may be, and has no terminal to ask at. So is started what
    changes hosts by itself: after our end nobody would know of it, and the next command would begin another one.

    Raises MissingProgram, TimedOut when the time is over, SluicegateError when `check` is set and it ended with
    a status other than 0.
    """
    words = tuple(str(word) for word in argv)
    door.passing(" ".join(words[:2]))
    start_with: tuple[str, ...] = ()
    if bound:
        import shutil  # brings bz2 and lzma, which no answer needs

        if shutil.which(words[0]) is None:
            raise missing(words[0])
        start_with = (sys.executable, "-S", "-c", ENDS_WITH_US, str(os.getpid()))
    try:
        running = subprocess.Popen(
            (*start_with, *words),
            cwd=cwd,
            env={**(os.environ if inherit else plain_environment()), **(env or {})},
            stdin=subprocess.PIPE if isinstance(stdin, bytes) else stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=bound,
        )
    except FileNotFoundError as problem:
        if cwd is not None and not cwd.is_dir():
            raise UnknownName(f"the folder {cwd} does not exist") from problem
        raise missing(words[0]) from problem
    with running:
        try:
            stdout, stderr = running.communicate(stdin if isinstance(stdin, bytes) else None, timeout=timeout)
        except subprocess.TimeoutExpired as problem:
            kill_tree(running.pid)  # a hook, say, would hold our pipes open for as long as it likes
            raise TimedOut(f"'{' '.join(words[:3])}' did not end within {timeout:g} seconds") from problem
        except BaseException:
            kill_tree(running.pid)
            raise
    completed = Completed(argv=words, status=running.returncode, stdout=stdout, stderr=stderr)
    if check and completed.status != 0:
        output = completed.error_text or completed.text.strip() or "it printed nothing"
        raise SluicegateError(f"'{' '.join(words[:3])}' ended with status {completed.status}: {output}")
    return completed


def plain_environment() -> dict[str, str]:
    """Our environment without a build's part: what outlives a build must not carry its marks nor its secrets.

    Jenkins kills, at the end of a build, every process that carries BUILD_ID or JENKINS_NODE_COOKIE of the build. In a
    build it gets another BUILD_ID, as people set it on Jenkins: so a runner knows that it stays on purpose.
    """
    stays = {"BUILD_ID": STAYS} if "BUILD_ID" in os.environ else {}
    return {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("LC_")} | stays


def start(argv: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program that outlives us: a session and an environment of its own, its output appended to `log`."""
    words = tuple(str(word) for word in argv)
    door.passing(f"start {words[0].rpartition('/')[2]}")
    with log.open("ab") as stream:
        try:
            return subprocess.Popen(
                words,
                cwd=cwd,
                env={**plain_environment(), **env},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        except FileNotFoundError as problem:
            raise missing(words[0]) from problem


def follow(argv: Sequence[str | Path], *, env: Mapping[str, str]) -> int:
    """Run a program to its end with our own output, and return its exit status. `env` is all of its environment."""
    words = tuple(str(word) for word in argv)
    door.passing(f"follow {words[0].rpartition('/')[2]}")
    sys.stdout.flush()
    try:
        return subprocess.run(words, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError as problem:
        raise missing(words[0]) from problem


def command_line(pid: int) -> str:
    """How a running process was called, its words joined by blanks; empty when it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def machine() -> str:
    """Where the numbers of processes that we see are good: this machine, or a room of it (a container, a sandbox)."""
    try:
        room = os.readlink("/proc/self/ns/pid")
    except OSError:
        room = FIRST_ROOM
    return os.uname().nodename + ("" if room == FIRST_ROOM else f"/{room}")


def boot() -> str:
    """What names this start of the machine; '' where nobody says."""
    try:
        return BOOT.read_text().strip()
    except OSError:
        return ""


def born(pid: int) -> str:
    """What tells a process from a later one of the same number: this boot, and when it began; '' where nobody says."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    return f"{this_boot}/{stat.rpartition(')')[2].split()[19]}" if (this_boot := boot()) else ""


def end(pid: int, *, seconds: float = 30.0) -> None:
    """Ask a process to end, wait until it has, and kill it after `seconds`. An ended one is fine."""
    door.passing(f"end {pid}")
    for ask in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + seconds
        try:
            os.kill(pid, ask)
        except ProcessLookupError:
            return
        while time.monotonic() < deadline:
            if not _running(pid):
                return
            time.sleep(0.02)
    raise SluicegateError(f"process {pid} ({command_line(pid)}) does not end", hint=f"look at it: ps -fp {pid}")


def kill_tree(pid: int) -> None:
    """Kill a process and all that descend from it, from the root on, so that none starts another one unseen."""
    waiting = [pid]
    while waiting:
        number = waiting.pop()
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGSTOP)
        waiting += _children(number)
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for tasks in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            children += map(int, tasks.read_text().split())
    return children


def _running(pid: int) -> bool:
    """False for a zombie too: of that only the number is left, until its parent asks. Ours is asked here."""
    try:
        if os.waitpid(pid, os.WNOHANG)[0] == pid:
            return False
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return command_line(pid) != ""
