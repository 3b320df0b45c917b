"""A place where everything that was started, mounted and connected ends with one process.

What runs inside has its own process numbers, mounts and network: when its first process ends, however that is, the
kernel ends all others and takes mounts and networks away. Only files and the names of control groups are left to us.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 60.0
"""Seconds for processes to end that the kernel has killed."""


class Inside:
    """A command in namespaces of its own, with its files below `folder`. A context manager: it ends with it.

    `kept`: it goes on when we end; then `enter` and `end` in the folder are scripts for whoever looks around.
    """

    def __init__(self, folder: Path, argv: Sequence[str | Path], *, kept: bool, env: dict[str, str]) -> None:
        self.folder = folder
        words: list[str | Path] = [] if kept else ["setpriv", "--pdeathsig", "KILL"]
        words += ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "--mount-proc", *argv]
        # A session of its own: Ctrl-C is for us, who then take everything away.
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, env=env, start_new_session=True)

    def tell(self, line: str) -> None:
        """One line for its standard input."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: that is seen by who waits for it
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()

    def first(self) -> int:
        """The number, out here, of its first process."""
        while self.process.poll() is None:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.01)
        raise ChildProcessError("it has ended already")

    def scripts(self, **variables: str) -> None:
        """Write `enter` (a shell or a command inside) and `end` (take everything away)."""
        assignments = " ".join(f"{name}='{value}'" for name, value in variables.items())
        enter = f'exec nsenter --target {self.first()} --mount --pid --net env {assignments} "${{@:-bash}}"'
        (self.folder / "enter").write_text(f"#!/bin/bash\n{enter}\n")
        end = [
            f"kill -KILL {self.process.pid}",
            # Ended, though perhaps not yet waited for: whoever takes up orphans here may never do that.
            f"while grep -qs '^State:[[:space:]]*[^ZX[:space:]]' /proc/{self.first()}/status; do sleep 0.1; done",
            f"find {CGROUPS} -depth -type d -path '*/{self.folder.name}*' -exec rmdir '{{}}' + 2>/dev/null",
            f"rm -r {self.folder}",
        ]
        (self.folder / "end").write_text("#!/bin/bash\n" + "\n".join(end) + "\n")
        for name in ("enter", "end"):
            (self.folder / name).chmod(0o755)

    def end(self) -> None:
        """End it and all that it started, and take its files away. Raises OSError for what cannot be taken away."""
        first = None
        with suppress(OSError):
            first = os.pidfd_open(self.first())
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        self.process.kill()  # its first process is killed with it, and the kernel ends the rest
        self.process.wait()
        if (
            first is not None
        ):  # mounts go when the last process has, which takes a while where much memory is given back
            select.select([first], [], [], PATIENCE)
            os.close(first)
        take_away_cgroups(self.folder.name)
        shutil.rmtree(self.folder)


def join_cgroup(name: str) -> str:
    """Shell that moves itself into control groups called `name`, one for each hierarchy that systemd uses.

    systemd takes the group that it is started in for the root of all: two in one would end each other's services.
    """
    places = [CGROUPS / part for part in ("systemd", "unified") if (CGROUPS / part).is_dir()] or [CGROUPS]
    return " && ".join(f"mkdir -p {place / name} && echo $$ > {place / name}/cgroup.procs" for place in places)


def take_away_cgroups(name: str) -> None:
    """Remove the control groups that were made below `name`; they are empty by now, or nearly so."""
    for place in (CGROUPS, *CGROUPS.glob("*/")):
        top = place / name
        deadline = time.monotonic() + PATIENCE
        while top.is_dir() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    os.rmdir(folder)
            if top.is_dir():
                time.sleep(0.1)
