"""Plan a deploy: what it would change on the hosts of the group that plays an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sluicegate.delivery.book.state import State
from sluicegate.errors import UsageError
from sluicegate.model.config import Environment


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
class Plan:
    """What a deploy would do to a group of hosts to reach `target`: component -> version."""

    environment: str
    group: str
    target: Mapping[str, str]
    steps: tuple[Step, ...]


def make_plan(state: State, environment: Environment, target: Mapping[str, str]) -> Plan:
    """Compare the hosts of the group that plays the environment now with the target. Raises when a host is down."""
    group = state.group(environment)
    if not group or environment.deploy is None:
        raise UsageError(f"{environment.name} has no 'hosts' and 'deploy', so nothing can be deployed there")
    deployer = state.drivers.deployer(state.config, environment)
    steps = []
    for host_name in state.config.groups[group]:
        host = state.drivers.host(state.config, host_name)
        for name in reversed(state.config.in_order(set(state.config.components) - set(target))):
            if found := deployer.installed(host, state.component(name)):
                steps.append(Step(host=host_name, component=name, before=found.version, after=""))
        for name in state.config.in_order(set(target)):
            found = deployer.installed(host, state.component(name))
            if found is None or found.manifest != state.manifest(name, target[name]):
                before = found.version if found else ""
                steps.append(Step(host=host_name, component=name, before=before, after=target[name]))
    return Plan(environment=environment.name, group=group, target=dict(target), steps=tuple(steps))
