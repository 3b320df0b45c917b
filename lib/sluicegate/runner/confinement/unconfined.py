"""No confinement: builds run as the server itself does, as those of `run` always do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sluicegate.runner.confinement.cgroups import Cgroup, Cgroups
from sluicegate.runner.confinement.pen import Start


class Unconfined:
    """`why` says why it is so."""

    holds = False

    def __init__(self, why: str = "", cgroups: Cgroups | None = None) -> None:
        self.why = why
        self.cgroups = cgroups

    def words(self) -> str:
        reason = f" ({self.why})" if self.why else ""
        return (
            f"Builds run as this user{reason}: whoever may change a job can read all that the server can, "
            "its secrets too"
        )

    def objection(self, job: str, place: Path) -> str:
        return ""

    def pen(self, job: str, workspace: Path) -> OpenPen:
        return OpenPen(self.cgroups.make(job) if self.cgroups is not None else None)

    def close(self) -> None:
        if self.cgroups is not None:
            self.cgroups.close()


class OpenPen:
    """The server's own user and view; a cgroup, where there is one, knows who belongs to the build."""

    same_user = True
    wrapped = False

    def __init__(self, cgroup: Cgroup | None) -> None:
        self.cgroup = cgroup

    def variables(self) -> Mapping[str, str]:
        return {}

    def show(self, folder: Path) -> None:
        """Nothing is hidden."""

    def outside(self, home: Path) -> Path | None:
        return home

    def give(self, descriptor: int) -> None:
        """It is the same user's."""

    @contextmanager
    def starting(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Iterator[Start]:
        if self.cgroup is None:
            yield Start(argv=argv, env=env)
            return
        with self.cgroup.entrance() as enter:
            yield Start(argv=argv, env=env, enter=enter)

    def members(self) -> set[int]:
        return self.cgroup.members() if self.cgroup is not None else set()

    def close(self) -> None:
        if self.cgroup is not None:
            self.cgroup.close()
