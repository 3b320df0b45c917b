"""What all kinds of confinement have in common: a pen is made for each build, and its commands start in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sluicegate.tools import files
from sluicegate.tools.scratch import take_away

PENS = "pens"
"""The folder of a home for what belongs to pens and is no workspace; no job's name leads there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of this machine, under whose number commands run."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...]
    home: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a command is really started: its words, its whole environment, descriptors that it takes along.

    `enter` is called in the new process before its program begins; it may not do more than write to a descriptor.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    account: Account | None = None
    enter: Callable[[], None] | None = None


class Pen(Protocol):
    """Where the commands of one build run."""

    wrapped: bool
    """Whether another program stands between us and a command: it ends with the command, and need not be told to."""

    same_user: bool
    """Whether its processes have our own user's number."""

    def variables(self) -> Mapping[str, str]:
        """What of the environment is different inside."""

    def show(self, folder: Path) -> None:
        """Let the build use a private folder of ours, with what is in it by now."""

    def outside(self, home: Path) -> Path | None:
        """Where the home directory of the build's user really is; None for another user's, where we write nothing."""

    def give(self, descriptor: int) -> None:
        """Make a file or folder, which we have made in the workspace, the build's own."""

    def starting(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> AbstractContextManager[Start]:
        """How to start a command; what that takes is given back afterwards. Raises FileNotFoundError, ValueError."""

    def members(self) -> set[int]:
        """The processes in it, whatever they did to their environment and session; none where nobody can tell."""

    def close(self) -> None:
        """The build is over."""


class Confinement(Protocol):
    """Makes the pens of a server's builds."""

    @property
    def holds(self) -> bool:
        """Whether a build is kept from what is the server's."""

    def words(self) -> str:
        """What is said of it at the start and on a page."""

    def objection(self, job: str, place: Path) -> str:
        """What speaks against a workspace outside the home, at this real path; "" when nothing does."""

    def pen(self, job: str, workspace: Path) -> Pen:
        """The pen of a build that works in this folder. Raises SluicegateError where it cannot be made."""

    def close(self) -> None:
        """The server stops."""


def rooms(home: Path) -> Path:
    """The folder for private folders of builds: others may pass, to what they are shown, and list nothing."""
    return _passable(home, "rooms")


def yards(home: Path) -> Path:
    """The folder for what the server keeps for a job outside its builds, a folder a job: others may only pass."""
    return _passable(home, "yards")


def _passable(home: Path, name: str) -> Path:
    folder = home / PENS / name
    if not folder.is_dir():
        for place in (home / PENS, folder):
            files.ensure_folder(place).chmod(0o711)
    return folder


def clear_rooms(home: Path) -> None:
    """Take away what the builds of a server that was killed have left there."""
    folder = home / PENS / "rooms"
    for left in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            take_away(left)
