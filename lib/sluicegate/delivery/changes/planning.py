"""Plan a deploy: what it would change on the hosts of the group that plays an environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sluicegate.delivery.book.state import State
from sluicegate.errors import SluicegateError, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.outcomes import Outcome
from sluicegate.model.values import Installed
from sluicegate.tools.parallel import each

AT_ONCE = 10
"""How many hosts are worked on side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of one host; `after` is '' when the component goes away."""

    host: str
    component: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.after:
            return f"{self.host}: remove {self.component} {self.before}"
        return f"{self.host}: {self.component} {self.before or '-'} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """The steps of one host, which are made together and in this order."""

    host: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a deploy would do to a group of hosts to reach `target`: component -> version.

    A batch is begun when the one before it has ended well; its hosts are worked on side by side. `down`: the hosts that
    could not be asked, and why.
    """

    environment: str
    group: str
    target: Mapping[str, str]
    batches: tuple[tuple[Transaction, ...], ...] = ()
    down: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(step for batch in self.batches for transaction in batch for step in transaction.steps)

    def refuse_unsafe(self) -> None:
        """Raise what keeps a host from being asked, all of it at once: nobody knows what it has."""
        problems = {host: outcome.problem for host, outcome in self.down.items() if outcome.problem}
        if not problems:
            return
        first = next(iter(problems.values()))
        lines = [problem.message for problem in problems.values()]
        raise first.saying("\n".join(lines)) if len(lines) > 1 else first


def make_plan(state: State, environment: Environment, target: Mapping[str, str]) -> Plan:
    """Compare the hosts of the group that plays the environment now with the target."""
    group = state.group(environment)
    if not group or environment.deploy is None:
        raise UsageError(f"{environment.name} has no 'hosts' and 'deploy', so nothing can be deployed there")
    deployer = state.drivers.deployer(state.config, environment)
    hosts = state.config.groups[group]

    def survey(host_name: str) -> Mapping[str, Installed]:
        return deployer.survey(state.drivers.host(state.config, host_name))

    answers = each(hosts, survey, AT_ONCE, max_failed=len(hosts))
    down = {}
    for name in hosts:
        problem = answers.failed.get(name)
        if isinstance(problem, SluicegateError):
            down[name] = Outcome.of(problem)
        elif problem is not None:
            raise problem
    transactions = [
        Transaction(host=name, steps=steps)
        for name in hosts
        if name in answers.done and (steps := tuple(_steps(state, name, answers.done[name], target)))
    ]
    return Plan(
        environment=environment.name, group=group, target=dict(target), batches=batched(transactions), down=down
    )


def batched(transactions: list[Transaction]) -> tuple[tuple[Transaction, ...], ...]:
    """The first host alone: what breaks it breaks no other one. Then all others."""
    return tuple(filter(None, (tuple(transactions[:1]), tuple(transactions[1:]))))


def _steps(state: State, host: str, found: Mapping[str, Installed], target: Mapping[str, str]) -> Iterable[Step]:
    """What goes away, dependents first; then what comes or changes, each after what it needs."""
    for name in reversed(state.config.in_order(set(found) - set(target))):
        yield Step(host=host, component=name, before=found[name].version, after="")
    for name in state.config.in_order(set(target)):
        here = found.get(name)
        if here is None or not here.is_version(target[name], state.manifest(name, target[name])):
            yield Step(host=host, component=name, before=here.version if here else "", after=target[name])
