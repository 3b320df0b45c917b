"""What the server behind an environment's balancer needs to know: where each group's hosts are."""

from __future__ import annotations

from urllib.parse import urlsplit

from sluicegate.delivery.book.state import State
from sluicegate.errors import NotFound, UsageError


def configuration(state: State, name: str) -> str:
    """The configuration to start the balancer of an environment with, in the form of its driver."""
    environment = state.config.environment(name)
    if environment.balancer is None:
        having = [one.name for one in state.config.environments.values() if one.balancer]
        hint = f"sluicegate balancer {having[0]}" if having else "docs/reference/configuration.md has its keys"
        raise UsageError(f"{name} has no 'balancer' in sluicegate.yaml", hint=hint)
    return state.drivers.balancer(state.config, environment).configuration(upstreams(state, name))


def upstreams(state: State, name: str) -> dict[str, dict[str, list[str]]]:
    """Group -> component -> `host:port` of each host of the group that has a place for the component."""
    found: dict[str, dict[str, list[str]]] = {}
    for group in state.config.environment(name).groups:
        found[group] = {}
        for host_name in state.config.groups[group]:
            host = state.drivers.host(state.config, host_name)
            for component in state.config.components:
                try:
                    address = host.address(component)
                except NotFound:  # not every component runs on every host
                    continue
                found[group].setdefault(component, []).append(urlsplit(address).netloc)
    return found
