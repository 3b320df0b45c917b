"""The balancer apart from a swap: what its server is to be started with, and the preview."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.state import State
from sluicegate.errors import NotFound, UsageError
from sluicegate.ports import Balancer


def configuration(state: State, name: str, *, against: str | None = None) -> str:
    """The configuration to start the balancer of an environment with, in the form of its driver.

    With `against`, the text of an existing one, only what that lacks.
    """
    environment = state.config.environment(name)
    if environment.pool is not None:
        pool = state.drivers.pool(state.config, environment)
        return pool.configuration(_places(state, environment.groups[0]), against=against)
    return _balancer(state, name).configuration(upstreams(state, name), against=against)


def preview(state: State, name: str, on: bool) -> str:
    """Let testers reach the other group through the users' address, or no more; the group that they reach."""
    environment = state.config.environment(name)
    balancer = _balancer(state, name)
    intents.refuse_locked(state, environment)
    live = balancer.live()
    balancer.preview(on)
    return next((group for group in environment.groups if group != live), live)


def _balancer(state: State, name: str) -> Balancer:
    environment = state.config.environment(name)
    if environment.balancer is None:
        having = [one.name for one in state.config.environments.values() if one.balancer or one.pool]
        hint = f"{', '.join(having)} has one" if having else "docs/reference/configuration.md has its keys"
        raise UsageError(f"{name} has no 'balancer' in sluicegate.yaml", hint=hint)
    return state.drivers.balancer(state.config, environment)


def upstreams(state: State, name: str) -> dict[str, dict[str, list[str]]]:
    """Group -> component -> `host:port` of each host of the group that has a place for the component."""
    return {
        group: {component: [*places.values()] for component, places in _places(state, group).items()}
        for group in state.config.environment(name).groups
    }


def _places(state: State, group: str) -> dict[str, dict[str, str]]:
    """Component -> host -> `host:port`; not every component runs on every host."""
    found: dict[str, dict[str, str]] = {}
    for host_name in state.config.groups[group]:
        host = state.drivers.host(state.config, host_name)
        for component in state.config.components:
            with suppress(NotFound):
                found.setdefault(component, {})[host_name] = urlsplit(host.address(component)).netloc
    return {component: places for component, places in found.items() if places}
