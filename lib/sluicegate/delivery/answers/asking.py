"""Ask every host of an environment one thing, side by side; those that could not be asked are told, and stop nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from sluicegate.delivery.book.state import State
from sluicegate.errors import PartlyDone, RemoteUnavailable, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.outcomes import Outcome, of_hosts
from sluicegate.ports import Host
from sluicegate.tools.parallel import each

AT_ONCE = 20
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[Answer]):
    """What the hosts of a group said, in their order, and why the others said nothing."""

    group: str
    answers: Mapping[str, Answer]
    silent: Mapping[str, Outcome]

    @property
    def silent_lines(self) -> tuple[str, ...]:
        return tuple(f"{host}: {outcome.ending}: {outcome.why}" for host, outcome in self.silent.items())

    def refuse_silence(self, environment: str) -> None:
        """Raise RemoteUnavailable when no host answered."""
        if not self.answers:
            lines = [f"no host of {environment} could be asked", *self.silent_lines]
            raise RemoteUnavailable("\n  ".join(lines), hint="look at the network and at our key, then try again")


def ask(state: State, environment: Environment, question: Callable[[Host], Answer]) -> Asked[Answer]:
    """Put the question to every host of the group that plays the environment, hosts that are out too.

    Raises UsageError for an environment without hosts, and whatever is no failure of a host.
    """
    group = state.group(environment)
    if not group:
        raise UsageError(f"{environment.name} has no 'hosts' in sluicegate.yaml")
    hosts = state.config.groups[group]
    results = each(hosts, lambda name: question(state.drivers.host(state.config, name)), AT_ONCE, max_failed=len(hosts))
    silent = of_hosts(hosts, results.failed)
    return Asked(
        group=group, answers={name: results.done[name] for name in hosts if name in results.done}, silent=silent
    )


def partly(silent_lines: tuple[str, ...], differences: int) -> PartlyDone:
    """What to raise once all that was seen is told, and not everybody could be asked."""
    told = f"{differences} difference{'s' * (differences != 1)} among the others" if differences else "the others agree"
    lines = [f"{len(silent_lines)} host{'s' * (len(silent_lines) != 1)} could not be asked; {told}", *silent_lines]
    return PartlyDone("\n  ".join(lines), hint="mend that, then ask again")
