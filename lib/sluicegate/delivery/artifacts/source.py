"""What a source checkout says of itself: commit, author, time."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sluicegate.delivery.book.state import CONFIG_FILE
from sluicegate.errors import UsageError
from sluicegate.tools.git.command import AS_IT_IS, git
from sluicegate.tools.git.place import work_tree

IDENTIFIES = re.compile(r"[A-Za-z_]*(id|number)=[0-9A-Za-z_.-]{1,40}", re.IGNORECASE)
"""A parameter that a build server needs to find a build; all others may be secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a version comes from: commit, its author and time, the build's source, its figures, its checkout.

    `address` is the author's for mail, as Git has it.
    """

    commit: str = ""
    author: str = ""
    address: str = ""
    committed: datetime | None = None
    build: str = ""
    build_started: datetime | None = None
    figures: Mapping[str, str] | None = None
    folder: Path | None = None


def checkout(source: Path | None) -> Path:
    """The source checkout: the one named, else WORKSPACE, else the current folder."""
    return source or Path(os.environ.get("WORKSPACE") or ".")


def plain(url: str) -> str:
    """An address without what may be secret in it: user, password, and parameters that do not name the build."""
    parts = re.fullmatch(r"([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/?#]*@)?([^?#]*)(?:\?([^#]*))?(#.*)?", url)
    if parts is None:
        return url
    kept = [word for word in (parts[3] or "").split("&") if IDENTIFIES.fullmatch(word)]
    return f"{parts[1]}{parts[2]}{'?' if kept else ''}{'&'.join(kept)}"


def doubt(source: Path | None) -> list[str]:
    """What speaks against the checkout that was taken because none was named: it is a delivery repo."""
    if source is not None or "WORKSPACE" in os.environ:
        return []
    top = work_tree(".")
    if top is None or not (top / CONFIG_FILE).is_file():
        return []
    return [f"the commit is that of the delivery repo {top}; --source names the checkout it was built from"]


def _without_commit(folder: Path, complaint: str) -> bool:
    """Whether Git says that a folder is no checkout, or one without a commit; all else is one that cannot be read."""
    nothing = any(words in complaint for words in ("not a git repository", "cannot change to"))
    return "does not have any commits yet" in complaint or (nothing and not os.path.lexists(folder / ".git"))


def read_origin(
    source: Path | None, *, build: str, build_started: datetime | None, figures: Mapping[str, str]
) -> Origin:
    """Read the commit of the checkout, where there is one."""
    folder, build = checkout(source), plain(build)
    format_ = "--format=%H%n%an%n%ae%n%cI"
    done = git("log", "-1", *AS_IT_IS, format_, folder=folder, check=False)
    if done.status != 0:
        if source is not None or not _without_commit(folder, done.error_text):
            raise UsageError(f"{folder} is not a Git checkout with a commit: {done.error_text}")
        return Origin(build=build, build_started=build_started, figures=figures)
    commit, author, address, committed = done.lines[:4]
    return Origin(
        commit=commit,
        author=author,
        address=address,
        committed=datetime.fromisoformat(committed),
        build=build,
        build_started=build_started,
        figures=figures,
        folder=folder,
    )
