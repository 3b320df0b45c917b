"""The one way to start Git: cleaned of what the caller's surroundings say of another repository, in Git's own words.

Whoever calls us may be a hook, a worktree or another Git command, whose variables beat `-C` and `--git-dir`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sluicegate.errors import SluicegateError, UsageError
from sluicegate.tools import process

QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
# `git rev-parse --local-env-vars`, without settings (CI gives credentials by GIT_CONFIG_COUNT), and what names more.
FOREIGN = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
# What a push has brought lies in quarantine until its hooks have agreed; only through these can a hook read it.
QUARANTINE = ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH")

BROKEN_SETTINGS = re.compile(
    r"(?:fatal|error): (bad (?:numeric |boolean )?config .*|unable to parse .*config.*|unable to access '/.*"
    r"|bad (?:zlib|pack) compression level .*|exceeded maximum include depth .*\n.*"
    r"|unknown error occurred while reading the configuration files)"
)
"""What Git says when it ends at a mistake in its settings."""
AS_IT_IS = ("--no-show-signature", "--encoding=UTF-8")
"""For `git log`: what the user's settings would put before a commit, or write it in."""


def surroundings(repository: Path | None) -> dict[str, str]:
    """The whole environment of a Git that works on `repository`, a Git folder; None where Git is to look for one."""
    environment = {name: value for name, value in os.environ.items() if name not in FOREIGN}
    if repository is not None:
        environment["GIT_DIR"] = str(repository)
        environment["GIT_NO_REPLACE_OBJECTS"] = "1"  # whoever may push refs could put other records in place of these
        environment["GIT_NO_LAZY_FETCH"] = "1"  # a repository's settings name the program that fetches what it lacks
        if _receiving(repository):
            environment |= {name: os.environ[name] for name in QUARANTINE if name in os.environ}
    return environment | QUIET


def _receiving(repository: Path) -> bool:
    """Whether we run in a hook of a push into this very repository."""
    quarantine = os.environ.get("GIT_QUARANTINE_PATH", "")
    return bool(quarantine) and Path(quarantine).resolve().is_relative_to(repository.resolve())


def git(
    *words: str | Path,
    repository: Path | None = None,
    folder: Path | str | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    timeout: float = 300.0,
) -> process.Completed:
    """Run Git on a Git folder (`repository`), or on what it finds from `folder` upwards; seconds.

    Raises UsageError where Git's configuration is broken, SluicegateError when `check` is set and Git failed.
    """
    place = ["-C", folder] if folder is not None else []
    done = process.run(
        ["git", *place, *words],
        env=surroundings(repository),
        inherit=False,
        stdin=stdin,
        check=False,
        timeout=timeout,
    )
    if done.status != 0:
        refuse_broken_settings(done.error_text)
        if check:
            raise SluicegateError(f"'git {words[0]}' ended with status {done.status}: {done.error_text or done.text}")
    return done


def refuse_broken_settings(error_text: str) -> None:
    """Raise UsageError when Git's own configuration cannot be read, so that it did nothing at all."""
    if complaint := BROKEN_SETTINGS.search(error_text):
        words = " ".join(complaint[1].split())
        raise UsageError(f"Git cannot read its configuration: {words}", hint="git config --list --show-origin")
