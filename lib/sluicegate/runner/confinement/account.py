"""Builds as another user of this machine: the rights of the file system keep them from what is the server's."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sluicegate.errors import ConfigError, SluicegateError, UsageError
from sluicegate.runner.confinement.cgroups import Cgroup, Cgroups
from sluicegate.runner.confinement.pen import PENS, Account, Start
from sluicegate.tools import beneath, files

OPEN = ("workspace", "tools", PENS)
"""What of a home the users of builds may enter; all else is for the server alone."""
PATIENCE = 30.0


def account(name: str) -> Account:
    """A user of this machine by name. Raises UsageError when there is none, or it is root or the server's own."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as problem:
        raise UsageError(f"this machine has no user '{name}' for builds", hint=f"useradd --system {name}") from problem
    if entry.pw_uid in (0, os.geteuid()):
        raise UsageError(f"builds as '{name}' could read all that the server can: name another user")
    groups = tuple(os.getgrouplist(name, entry.pw_gid))
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid, groups=groups, home=entry.pw_dir)


class OtherUsers:
    """Makes pens of other users. `name_of` says which one builds a job, '' where nobody is named for it."""

    holds = True

    def __init__(self, home: Path, default: str, name_of: Callable[[str], str], cgroups: Cgroups | None) -> None:
        """Close the home to others. Raises UsageError when `default` cannot be, or cannot reach the workspaces."""
        self.home = home
        self.default = account(default)
        self.name_of = name_of
        self.cgroups = cgroups
        (home / "workspace").mkdir(exist_ok=True)
        close(home)
        _must_reach(self.default, home / "workspace")

    def words(self) -> str:
        return f"Builds run as the user {self.default.name}, who can read nothing that is the server's alone"

    def objection(self, job: str, place: Path) -> str:
        """The server, as root, reads there too: it has to be the user's, and no build may put another in its place."""
        user = self._user(job)
        try:
            if place.stat().st_uid != user.uid:
                return f"it is not the user {user.name}'s"
        except OSError as problem:
            return os.strerror(problem.errno or 0)
        for folder in place.parents:
            status = folder.stat()
            if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return f"others than the server may change {folder}"
        return ""

    def _user(self, job: str) -> Account:
        name = self.name_of(job)
        return account(name) if name else self.default

    def pen(self, job: str, workspace: Path) -> OtherUserPen:
        user = self._user(job)
        close(self.home)
        if workspace.is_relative_to(self.home):
            for folder in (workspace, files.ensure_folder(workspace.with_name(f"{workspace.name}@tmp"))):
                _own(folder, user)
        return OtherUserPen(user, self.cgroups.make(job) if self.cgroups is not None else None)

    def close(self) -> None:
        if self.cgroups is not None:
            self.cgroups.close()


class OtherUserPen:
    """Commands of one build, as another user."""

    same_user = False
    wrapped = False

    def __init__(self, user: Account, cgroup: Cgroup | None) -> None:
        self.user = user
        self.cgroup = cgroup

    def variables(self) -> Mapping[str, str]:
        return {"HOME": self.user.home, "USER": self.user.name, "LOGNAME": self.user.name}

    def show(self, folder: Path) -> None:
        """Give the folder away. It is ours and private until its last step, so nobody can put links into it."""
        for place, _, names in os.walk(folder, topdown=False):
            for name in names:
                os.lchown(Path(place, name), self.user.uid, self.user.gid)
            os.lchown(place, self.user.uid, self.user.gid)

    def outside(self, home: Path) -> Path | None:
        return None

    def give(self, descriptor: int) -> None:
        os.fchown(descriptor, self.user.uid, self.user.gid)

    @contextmanager
    def starting(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[Start]:
        if self.cgroup is None:
            yield Start(argv=argv, env=env, account=self.user)
            return
        with self.cgroup.entrance() as enter:
            yield Start(argv=argv, env=env, account=self.user, enter=enter)

    def members(self) -> set[int]:
        return self.cgroup.members() if self.cgroup is not None else set()

    def close(self) -> None:
        if self.cgroup is not None:
            self.cgroup.close()


def close(home: Path) -> None:
    """Keep others from all of a home but the way to the workspaces and the tools."""
    _mode(home, 0o711)
    with os.scandir(home) as entries:
        for entry in entries:
            if entry.name not in OPEN and not entry.is_symlink():
                with suppress(FileNotFoundError):
                    _mode(Path(entry.path), stat.S_IMODE(entry.stat().st_mode) & 0o700)


def _mode(path: Path, wanted: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) != wanted:
        path.chmod(wanted)


def _own(workspace: Path, user: Account) -> None:
    """Make a workspace the user's; what another user has left in it goes away."""
    here = beneath.open_folder(workspace)
    try:
        if os.fstat(here).st_uid != user.uid:
            beneath.empty(workspace)
            os.fchown(here, user.uid, user.gid)
        os.fchmod(here, 0o700)
    finally:
        os.close(here)


def _must_reach(user: Account, folder: Path) -> None:
    argv = ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]
    try:
        status = subprocess.run(
            argv, user=user.uid, group=user.gid, extra_groups=user.groups, capture_output=True, timeout=PATIENCE
        ).returncode
    except (OSError, subprocess.SubprocessError) as problem:
        raise SluicegateError(f"nothing can be started as the user {user.name}: {problem}") from problem
    if status:
        raise ConfigError([f"the user {user.name} cannot enter {folder}: give others the right x on each folder above"])
