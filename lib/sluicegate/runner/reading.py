"""Texts that a job names: in its workspace, or wherever its own commands may read."""

from __future__ import annotations

import os
from pathlib import Path

from sluicegate.errors import SluicegateError
from sluicegate.runner.build import Build, StepFailed
from sluicegate.tools import files

LARGEST = 1 << 20
SECONDS = 60.0


def text_of(build: Build, name: str, encoding: str = "utf-8", workspace: Path | None = None) -> str:
    """The first megabyte of a file, relative to the build's workspace or to another one.

    What lies outside is read by a command of the build, with no more rights than its scripts have. Raises OSError
    when it is not there, also behind a link in the workspace.
    """
    place = workspace or build.workspace
    path = os.path.normpath(place / name)
    if path.startswith(f"{place}/"):
        with os.fdopen(files.open_beneath(place, path.removeprefix(f"{place}/")), "rb") as stream:
            content = stream.read(LARGEST)
    else:
        content = _read_outside(build, path)
    try:
        return content.decode(encoding, "replace")
    except LookupError as problem:
        raise StepFailed(f"'{encoding}' is not a character encoding") from problem


def _read_outside(build: Build, path: str) -> bytes:
    command = ("head", "-c", str(LARGEST), "--", path)
    try:
        read = build.ask(command, cwd=build.workspace, env=build.variables, timeout=SECONDS)
    except SluicegateError as problem:
        raise OSError(problem.message) from problem
    if read.status != 0:
        raise FileNotFoundError(path)
    return read.stdout
