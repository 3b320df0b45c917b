"""Texts that a job names: in its workspace, or wherever its own commands may read."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from sluicegate.errors import IntegrityError, SluicegateError
from sluicegate.runner import antglob
from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.records import Record
from sluicegate.tools import beneath, files

LARGEST = 1 << 20
SECONDS = 60.0
MOST_TOLD = 100
"""A link to the whole system refuses a hundred thousand names."""


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


def is_there(build: Build, path: Path) -> bool:
    """Whether a build finds something at a path, as its own commands would."""
    if not build.services.confines():
        return path.exists()
    done = build.ask(["test", "-e", str(path)], cwd=build.workspace, env=build.variables, timeout=SECONDS)
    return done.status == 0


def judged(build: Build, pattern: str, folder: Path | None = None, *, defaults: bool = True) -> tuple[str, ...]:
    """The files below the workspace, or a folder of it, by which a step judges the build.

    Raises StepFailed where one is there and cannot be taken, as behind a link out: it may be the one that is red.
    """
    matches = antglob.find(folder or build.workspace, build.expand(pattern), defaults=defaults, check=build.check)
    if matches.refused:
        unread = "; ".join(f"'{name}' is {reason}" for name, reason in matches.refused.items())
        raise StepFailed(f"the pattern '{pattern}' names what is not read: {unread}")
    return matches.files


def taken(build: Build, folder: Path, includes: str, excludes: str = "") -> tuple[str, ...]:
    """The files below a folder that a step takes along; what else matches is said.

    Raises StepFailed where something is there and cannot be read: it would be missed silently.
    """
    matches = antglob.find(folder, includes, excludes, check=build.check)
    tell(build, matches)
    refuse_unread(matches.unread)
    return matches.files


def tell(build: Build, matches: antglob.Found) -> None:
    """Say what matches and is left out."""
    for name, reason in islice(matches.refused.items(), MOST_TOLD):
        build.say(f"WARNING: '{name}' is {reason} and is left out")
    if (more := len(matches.refused) - MOST_TOLD) > 0:
        build.say(f"WARNING: {more} more are left out for such reasons")


def refuse_unread(unread: Mapping[str, str]) -> None:
    """Raise StepFailed that names what is there and cannot be read."""
    if unread:
        named = "; ".join(f"'{name}' is {reason}" for name, reason in islice(unread.items(), MOST_TOLD))
        raise StepFailed(f"what matches cannot be read: {named}")


def kept(record: Record, name: str) -> dict[str, Any] | None:
    """What a step kept of an earlier build, to compare with; None where it kept nothing.

    Raises StepFailed for what is there and cannot be read: without it nothing would be new.
    """
    place = record.folder / name
    try:
        with beneath.reading(place):
            values = json.loads(place.read_bytes())
    except FileNotFoundError:
        return None
    except IntegrityError as problem:
        raise StepFailed(problem.message) from problem
    except ValueError as problem:
        raise StepFailed(f"{place} cannot be read: {problem}") from problem
    if not isinstance(values, dict):
        raise StepFailed(f"{place} cannot be read: it is no mapping")
    return values


def _read_outside(build: Build, path: str) -> bytes:
    command = ("head", "-c", str(LARGEST), "--", path)
    try:
        read = build.ask(command, cwd=build.workspace, env=build.variables, timeout=SECONDS)
    except SluicegateError as problem:
        raise OSError(problem.message) from problem
    if read.status != 0:
        raise FileNotFoundError(path)
    return read.stdout
