"""Starts other programs: argument lists only, never a shell string."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sluicegate.errors import RemoteUnavailable, SluicegateError, UsageError
from sluicegate.tools import door

INSTALL_HINTS = {"git": "install it, for example: apt install git"}


@dataclass(frozen=True, slots=True, kw_only=True)
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
    def error_text(self) -> str:
        return self.stderr.decode("utf-8", "replace").strip()


def missing(program: str) -> UsageError:
    """The error for a program that is not on PATH."""
    hint = INSTALL_HINTS.get(program, f"install {program} and put it on PATH")
    return UsageError(f"the program '{program}' was not found on PATH", hint=hint)


def run(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    timeout: float = 300.0,
    check: bool = True,
) -> Completed:
    """Run a program to its end. `env` is added to ours; `timeout` is in seconds.

    Raises UsageError when the program is missing, RemoteUnavailable when the time is over, SluicegateError when
    `check` is set and it ended with a status other than 0.
    """
    words = tuple(str(word) for word in argv)
    door.passing(" ".join(words[:2]))
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **env} if env is not None else None,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as problem:
        if cwd is not None and not cwd.is_dir():
            raise UsageError(f"the folder {cwd} does not exist") from problem
        raise missing(words[0]) from problem
    except subprocess.TimeoutExpired as problem:
        raise RemoteUnavailable(f"'{' '.join(words[:3])}' did not end within {timeout:g} seconds") from problem
    completed = Completed(argv=words, status=done.returncode, stdout=done.stdout, stderr=done.stderr)
    if check and completed.status != 0:
        said = completed.error_text or completed.text.strip() or "it printed nothing"
        raise SluicegateError(f"'{' '.join(words[:3])}' ended with status {completed.status}: {said}")
    return completed
