"""Which confinement a server's builds get: another user where one is named, else a sandbox, else none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sluicegate.errors import UsageError
from sluicegate.runner.confinement import cgroups, sandbox
from sluicegate.runner.confinement.account import OtherUsers
from sluicegate.runner.confinement.pen import Confinement
from sluicegate.runner.confinement.unconfined import Unconfined

WAYS = ("auto", "user", "sandbox", "none")


def choose(
    home: Path,
    way: str,
    *,
    run_as: str,
    user_of: Callable[[str], str],
    writable: Sequence[Path] = (),
    private: Sequence[Path] = (),
) -> Confinement:
    """The confinement by its name, one of WAYS; `auto` takes the first that is possible.

    `run_as` is the user who builds, `user_of` names another one for some jobs; `private` are files outside the home
    that only the server is to read. Raises UsageError where the way that
    was asked for cannot be gone.
    """
    if run_as or way == "user":
        if way not in ("auto", "user"):
            raise UsageError(f"--run-as goes with --isolation user, not with {way}")
        if not run_as:
            raise UsageError("--isolation user needs to know whose: give --run-as USER")
        if os.geteuid() != 0:
            raise UsageError(
                f"only root may start builds as '{run_as}'", hint="start the server as root, or leave out --run-as"
            )
        return OtherUsers(home, run_as, user_of, cgroups.own())
    if way == "none":
        return Unconfined("--isolation none", cgroups.own())
    hindrance = sandbox.hindrance()
    if not hindrance:
        return sandbox.Sandbox(home, writable, private)
    if way == "sandbox":
        raise UsageError(hindrance, hint="apt install bubblewrap, where the kernel allows user namespaces")
    return Unconfined(hindrance, cgroups.own())
