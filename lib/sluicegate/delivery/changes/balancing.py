"""The balancer apart from a swap: what its server is to be started with, and the preview."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.errors import GateRefused, NotFound, UnknownName, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import BalancerIn, BalancerOut
from sluicegate.model.serving import WORST_FIRST
from sluicegate.model.settings import suggestion
from sluicegate.ports import Balancer


def configuration(state: State, name: str, *, against: str | None = None) -> str:
    """The configuration to start the balancer of an environment with, in the form of its driver.

    With `against`, the text of an existing one, only what that lacks.
    """
    environment = state.config.environment(name)
    if environment.pool is not None:
        pool = state.pool(environment)
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


def take_out(repo: DeliveryRepo, server: str, why: str, *, dry_run: bool = False) -> tuple[str, ...]:
    """Leave one of several servers of a balancer alone; the environments in which it was not out already.

    Raises GateRefused for the last one that is left.
    """

    def decide(state: State, draft: Draft) -> tuple[str, ...]:
        changed = []
        for environment in _served_by(state, server):
            intents.refuse_locked(state, environment)
            out = state.balancers_out(environment)
            if server in out:
                continue
            if not set(_servers(environment)) - {*out, server}:
                raise GateRefused(f"{server} is the last balancer of {environment.name} that is led along")
            draft.note_environment(environment.name, BalancerOut(name=server, why=why))
            changed.append(environment.name)
        return tuple(changed)

    return repo.change(decide, f"balancer {server}: out", why=why, dry_run=dry_run)


def bring_in(repo: DeliveryRepo, server: str, *, why: str = "", dry_run: bool = False) -> tuple[str, ...]:
    """Make a server equal to the others, then lead it along again; the environments in which it was out.

    A preview that is on ends.
    """
    state = repo.state()
    back = [environment for environment in _served_by(state, server) if server in state.balancers_out(environment)]
    for environment in back:
        intents.refuse_locked(state, environment)
        if not dry_run:
            _make_equal(state, environment, server)

    def decide(state: State, draft: Draft) -> tuple[str, ...]:
        for environment in back:
            intents.refuse_locked(state, environment)
            draft.note_environment(environment.name, BalancerIn(name=server, why=why))
        return tuple(environment.name for environment in back)

    return repo.change(decide, f"balancer {server}: in", why=why, dry_run=dry_run) if back else ()


def _make_equal(state: State, environment: Environment, server: str) -> None:
    alone = environment.without(name for name in _servers(environment) if name != server)
    if environment.pool is not None:
        survey = state.pool(environment).survey()
        for to in WORST_FIRST:
            hosts = [host for host, serving in survey.items() if serving.standing == to]
            state.drivers.pool(state.config, alone).turn(hosts, to)
        return
    others = state.balancer(environment)
    swap = state.last_swap(environment)
    stays = bool(swap and swap.sessions_until and swap.sessions_until > state.now)
    others.preview(False)
    state.drivers.balancer(state.config, alone).switch(others.live(), keep_sessions=stays)


def _served_by(state: State, server: str) -> tuple[Environment, ...]:
    """The environments with a balancer of that name. Raises UnknownName."""
    every = state.config.environments.values()
    served = tuple(environment for environment in every if server in _servers(environment))
    if not served:
        known = sorted({name for environment in every for name in _servers(environment)})
        raise UnknownName(
            f"no balancer is called '{server}'.{suggestion(server, known)}",
            hint="" if known else "several of them have names below 'at', in sluicegate.yaml",
        )
    return served


def _servers(environment: Environment) -> tuple[str, ...]:
    spec = environment.balancer or environment.pool
    at = spec.settings.values.get("at", {}) if spec else {}
    return tuple(at) if isinstance(at, dict) else ()


def _balancer(state: State, name: str) -> Balancer:
    environment = state.config.environment(name)
    if environment.balancer is None:
        having = [named.name for named in state.config.environments.values() if named.balancer or named.pool]
        hint = f"{', '.join(having)} has one" if having else "docs/reference/configuration.md has its keys"
        raise UsageError(f"{name} has no 'balancer' in sluicegate.yaml", hint=hint)
    return state.balancer(environment)


def upstreams(state: State, name: str) -> dict[str, dict[str, list[str]]]:
    """Group -> component -> `host:port` of each host of the group that has a place for the component."""
    return {
        group: {component: [*places.values()] for component, places in _places(state, group).items()}
        for group in state.config.environment(name).groups
    }


def _places(state: State, group: str) -> dict[str, dict[str, str]]:
    """Component -> host -> `host:port`; not every component runs on every host."""
    addresses: dict[str, dict[str, str]] = {}
    for host_name in state.config.groups[group]:
        host = state.drivers.host(state.config, host_name)
        for component in state.config.components:
            with suppress(NotFound):
                addresses.setdefault(component, {})[host_name] = urlsplit(host.address(component)).netloc
    return {component: places for component, places in addresses.items() if places}
