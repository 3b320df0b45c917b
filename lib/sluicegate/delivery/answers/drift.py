"""Drift: what the hosts of an environment really have, against its pins and against what was deployed there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from sluicegate.delivery.answers.asking import Asked, ask_installed
from sluicegate.delivery.book.heard import Word, differing
from sluicegate.delivery.book.pins import versions_of
from sluicegate.delivery.book.state import State
from sluicegate.delivery.moves.promote import standing_pins
from sluicegate.errors import UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Pinned, Unpinned
from sluicegate.model.values import Installed

Cause = Literal[
    "not deployed yet",
    "changed by hand",
    "installed by hand",
    "taken away by hand",
    "host is out",
    "behind",
    "the last deploy failed",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A component of one host that is not as pinned; '' is no version. `since` is when that began at the earliest."""

    host: str
    component: str
    pinned: str
    deployed: str
    installed: str
    cause: Cause
    since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """All that differs, host by host, and the hosts that could not be asked.

    `reported`: the hosts that say of themselves, in reports that nobody asked for, that they are not as assigned.
    """

    environment: str
    group: str
    hosts: tuple[str, ...]
    drifted: tuple[Drifted, ...]
    survey: Asked[Mapping[str, Installed]]
    reported: Mapping[str, Word] = field(default_factory=dict)

    @property
    def differs(self) -> int:
        """How many differences there are."""
        return len(self.drifted) + len(self.reported)


def drift(state: State, name: str) -> Drift:
    """Ask every host now. Raises RemoteUnavailable when none answered."""
    environment = state.config.environment(name)
    if environment.deploy is None:
        raise UsageError(f"{name} has no 'deploy', so nobody could say what its hosts have")
    survey = ask_installed(state, environment)
    survey.refuse_silence(name)
    comparison = _Comparison(state, environment)
    drifted = tuple(row for host, installed in survey.answers.items() for row in comparison.of_host(host, installed))
    return Drift(
        environment=name, group=survey.group, hosts=tuple(survey.answers), drifted=drifted, survey=survey,
        reported=differing(state, environment, survey.group),
    )  # fmt: skip


class _Comparison:
    """What every host of the environment is compared with."""

    def __init__(self, state: State, environment: Environment) -> None:
        self.state = state
        self.environment = environment
        self.pins = versions_of(standing_pins(state, environment))
        self.standing = state.effective(environment)
        self.out = state.hosts_out(environment)
        self.failed = state.unsure(environment, state.group(environment)) if self.standing else None

    def of_host(self, host: str, has: Mapping[str, Installed]) -> Iterator[Drifted]:
        deployed = self.standing.installed if self.standing else {}
        for component in self.state.config.in_order({*self.pins, *has, *deployed}):
            pinned, here = self.pins.get(component, ""), has.get(component)
            if pinned and here and here.is_version(pinned, self.state.manifest(component, pinned)):
                continue
            if not pinned and not here:
                continue
            before = deployed[component].version if component in deployed else ""
            installed = here.version if here else ""
            as_deployed = bool(here and component in deployed and here.is_version(before, deployed[component].manifest))
            cause = self._cause(host, before, installed, as_deployed=as_deployed or (not here and not before))
            yield Drifted(host=host, component=component, pinned=pinned, deployed=before, installed=installed,
                          cause=cause, since=self._since(host, component, pinned, cause))  # fmt: skip

    def _cause(self, host: str, deployed: str, installed: str, *, as_deployed: bool) -> Cause:
        if host in self.out:
            return "host is out"
        if as_deployed:
            return "not deployed yet"
        if self.failed is not None:
            return "the last deploy failed"
        if self.standing and host in self.standing.behind:
            return "behind"
        if not installed:
            return "taken away by hand"
        return "changed by hand" if deployed else "installed by hand"

    def _since(self, host: str, component: str, pinned: str, cause: Cause) -> datetime | None:
        """When the pin came, when the host went out; by hand at some time since the last deploy."""
        if cause == "host is out":
            return self.out[host].at
        if cause == "the last deploy failed" and self.failed is not None:
            return self.failed.at
        if cause != "not deployed yet":
            return self.standing.record.at if self.standing else None
        versions = [pinned] if pinned else self.state.recorded_versions(component)
        events = [event.at for version in versions for event in self.state.story(component, version)
                  .of(*((Pinned,) if pinned else (Unpinned,)), env=self.environment.name)]  # fmt: skip
        return max(events, default=None)
