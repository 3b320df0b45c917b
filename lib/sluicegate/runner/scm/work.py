"""One repository in a work tree: its git commands, in an environment that nobody else's settings leak into."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sluicegate.runner.build import Build, StepFailed
from sluicegate.runner.scm.model import PATIENCE
from sluicegate.runner.vault import Credential
from sluicegate.tools import process

SAFE = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh", "LC_ALL": "C.UTF-8"}
MINUTE = 60.0
ASKPASS = '#!/bin/sh\ncase "$1" in Username*) echo "$SG_USER" ;; *) echo "$SG_PASSWORD" ;; esac\n'


class Run(Protocol):
    """Runs a command that ends at once, with all of its environment; seconds. A status other than 0 is no error."""

    def __call__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: bytes | None, timeout: float
    ) -> process.Completed: ...


class Repository:
    """A folder with or for a repository, and the environment of git there; `run` starts it where it belongs."""

    def __init__(self, folder: Path, env: Mapping[str, str], run: Run) -> None:
        self.folder = folder
        self._run = run
        # A folder without a repository of its own must not be taken for a part of one around it.
        self.env = {**env, **SAFE, "GIT_CEILING_DIRECTORIES": str(folder.parent)}

    def ask(self, *words: str, stdin: bytes | None = None) -> process.Completed:
        """A question to git that ends at once; nothing of it is in the log."""
        return self._asked(["git", *words], self.env, stdin)

    def _asked(self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes | None = None) -> process.Completed:
        whole = {**process.plain_environment(), **env}
        return self._run(argv, cwd=self.folder, env=whole, stdin=stdin, timeout=MINUTE * PATIENCE)

    def answer(self, *words: str) -> str:
        """What git prints to a question, '' when it fails."""
        done = self.ask(*words)
        return done.text.strip() if done.status == 0 else ""

    def commit(self, name: str) -> str:
        """The commit that a name leads to, '' when there is none."""
        return self.answer("rev-parse", "--quiet", "--verify", "--end-of-options", f"{name}^{{commit}}")

    def obey_no_broken_settings(self) -> bool:
        """Leave the user's .gitconfig out when git cannot read it; whether that was so."""
        if self.ask("config", "--list").status == 0:
            return False
        healthy = {**self.env, "GIT_CONFIG_GLOBAL": os.devnull}
        if self._asked(["git", "config", "--list"], healthy).status:
            return False  # Then it is the repository's own that is broken.
        self.env = healthy
        return True


class WorkTree(Repository):
    """The repository of a build: its commands are in the log, and an abort or a time-out reaches them."""

    def __init__(self, build: Build, folder: Path, env: Mapping[str, str]) -> None:
        super().__init__(folder, {**build.env, **env}, build.ask)
        self.build = build

    def git(self, *words: str, minutes: int = PATIENCE) -> None:
        """Run git. Raises StepFailed when it fails or does not end in time."""
        self.build.say(f" > git {' '.join(words)} # timeout={minutes}")
        status = self.build.launch(["git", *words], cwd=self.folder, env=self.env, quiet=True, within=minutes * MINUTE)
        if status != 0:
            raise StepFailed(f"git {words[0]} failed")


LOGIN = ("GIT_ASKPASS", "GIT_SSH_COMMAND")
KINDS = ("user", "ssh")
"""The kinds of credentials that git can log in with."""


@contextmanager
def authentication(
    credential: Credential | None, private: Callable[[], AbstractContextManager[Path]], show: Callable[[Path], None]
) -> Iterator[dict[str, str]]:
    """Variables that let git log in: a helper that prints the words from the environment, or ssh with a key file.

    These lie in a `private` folder, and whoever runs git is to `show` it to the processes that need it.
    """
    if credential is None:
        yield {}
        return
    with private() as folder:
        helper = folder / "askpass"
        helper.touch(mode=stat.S_IRWXU)
        helper.write_text(ASKPASS)
        if credential.kind == "ssh":
            env = _with_key(credential, folder / "key", helper)
        else:
            env = {"GIT_ASKPASS": str(helper), "SG_USER": credential.user, "SG_PASSWORD": credential.secret}
        show(folder)
        yield env


def _with_key(credential: Credential, key: Path, helper: Path) -> dict[str, str]:
    """ssh with this key alone, and as its user where the address names none; known hosts are those of our own user."""
    key.touch(mode=stat.S_IRUSR | stat.S_IWUSR)
    key.write_text(f"{credential.secret.rstrip()}\n")
    words = ["ssh", "-i", str(key), "-o", "IdentitiesOnly=yes"]
    words += ["-o", f"User={credential.user}"] if credential.user else []
    env = {"GIT_SSH_COMMAND": shlex.join(words)}
    if credential.passphrase:
        env |= {"SSH_ASKPASS": str(helper), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":"}
        env |= {"SG_PASSWORD": credential.passphrase}
    return env
