"""Ask every host of an environment one thing, side by side; those that could not be asked are told, and stop nobody."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sluicegate.delivery.book.state import State
from sluicegate.errors import PartlyDone, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.outcomes import Outcome, of_hosts
from sluicegate.model.printable import counted
from sluicegate.model.values import Installed
from sluicegate.ports import Engine, Host, Wanted
from sluicegate.tools.parallel import Results, each

AT_ONCE = 20
"""How many hosts are asked side by side; that changes nothing there."""
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

    def put(names: Sequence[str]) -> Results[str, Answer]:
        return each(
            names, lambda name: question(state.drivers.host(state.config, name)), AT_ONCE, max_failed=len(names)
        )

    return _asked(state, environment, put)


def ask_installed(state: State, environment: Environment) -> Asked[Mapping[str, Installed]]:
    """What every host has now, as `ask`."""
    return _asked(state, environment, lambda names: installed(state, environment, names))


def installed(state: State, environment: Environment, names: Sequence[str]) -> Results[str, Mapping[str, Installed]]:
    """What these hosts have now, by the environment's deployer: in one run where that works so."""
    deployer = state.drivers.deployer(state.config, environment)
    hosts = {name: state.drivers.host(state.config, name) for name in names}
    if isinstance(deployer, Engine):
        return _sorted(deployer.survey_all(list(hosts.values())))
    return each(names, lambda name: deployer.survey(hosts[name]), AT_ONCE, max_failed=len(names))


def refused(state: State, environment: Environment, wanted: Mapping[str, Wanted]) -> Results[str, tuple[str, ...]]:
    """What keeps hosts from being given what is wanted of each; asked as `installed` asks."""
    deployer = state.drivers.deployer(state.config, environment)
    hosts = {name: state.drivers.host(state.config, name) for name in wanted}
    if isinstance(deployer, Engine):
        return _sorted(
            deployer.refusals_all([(hosts[name], wanted_there) for name, wanted_there in wanted.items()])
            if wanted
            else {}
        )
    return each([*wanted], lambda name: deployer.refusals(hosts[name], wanted[name]), AT_ONCE, max_failed=len(wanted))


def _sorted(answers: Mapping[str, Answer | SluicegateError]) -> Results[str, Answer]:
    done = {name: answer for name, answer in answers.items() if not isinstance(answer, SluicegateError)}
    failed = {name: answer for name, answer in answers.items() if isinstance(answer, SluicegateError)}
    return Results(done=done, failed=failed, not_started=())


def _asked(
    state: State, environment: Environment, put: Callable[[Sequence[str]], Results[str, Answer]]
) -> Asked[Answer]:
    group = state.group(environment)
    if not group:
        raise UsageError(f"{environment.name} has no 'hosts' in sluicegate.yaml")
    hosts = state.config.groups[group]
    results = put(hosts)
    silent = of_hosts(hosts, results.failed)
    return Asked(
        group=group, answers={name: results.done[name] for name in hosts if name in results.done}, silent=silent
    )


def partly(silent_lines: tuple[str, ...], differences: int) -> PartlyDone:
    """What to raise once all that was seen is told, and not everybody could be asked."""
    differing = f"{counted(differences, 'difference', 'differences')} among the others"
    others = differing if differences else "the others agree"
    lines = [f"{counted(len(silent_lines), 'host', 'hosts')} could not be asked; {others}", *silent_lines]
    return PartlyDone("\n  ".join(lines), hint="mend that, then ask again")
