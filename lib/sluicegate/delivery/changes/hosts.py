"""Hosts that are to be left alone for a while: taken out, and brought in again with what they missed."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.applying import Say, carry_out, silent
from sluicegate.delivery.changes.planning import Plan, make_plan
from sluicegate.delivery.changes.recording import keep_table
from sluicegate.errors import Conflict, PartlyDone, SluicegateError, UnknownName
from sluicegate.model.config import Environment
from sluicegate.model.evidence import HostIn, HostOut, Intent
from sluicegate.model.settings import suggestion

VERB = "host in"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a host belongs: to a group that plays an environment, or may."""

    environment: str
    group: str


def take_out(repo: DeliveryRepo, host: str, why: str, *, dry_run: bool = False) -> tuple[Place, ...]:
    """Have deploys skip a host; a deploy that is under way already does not notice. Those where it was not out."""

    def decide(state: State, draft: Draft) -> tuple[Place, ...]:
        changed = tuple(place for place in _places(state, host) if not _out(state, host, place))
        for place in changed:
            draft.note_environment(place.environment, HostOut(host=host, group=place.group, why=why))
        return changed

    places = repo.change(decide, f"host {host}: out", why=why, dry_run=dry_run)
    if not dry_run:
        _lead_nobody_new(repo.state(), host, places)
    return places


def _lead_nobody_new(state: State, host: str, places: tuple[Place, ...]) -> None:
    """Drain the host where it is one of a pool; it is out already, whatever the balancer answers."""
    for environment in (state.config.environment(place.environment) for place in places):
        if environment.pool is None or host not in state.config.hosts:
            continue
        try:
            state.pool(environment).turn([host], "drain")
        except SluicegateError as problem:
            raise PartlyDone(
                f"{host} is out, and users of {environment.name} may still be led there: {problem.message}",
                hint=problem.hint or "drain it at the balancer",
            ) from problem


def bring_in(
    repo: DeliveryRepo, host: str, *, why: str = "", dry_run: bool = False, say: Say = silent
) -> tuple[Place, ...]:
    """Install what the host missed, have it answer, and only then let it count again. Those where it was out.

    Raises as a deploy does; the host is out until all went well.
    """
    state = repo.state()
    places = tuple(place for place in _places(state, host) if _out(state, host, place))
    for place in places:
        environment = state.config.environment(_player(state, place))
        plan = _plan(state, environment, place, host)
        if plan is None:
            if not dry_run:
                _note_in(repo, place, host, why)
            continue
        plan.refuse_unsafe()
        if dry_run:
            for step in plan.steps:
                say(f"would do: {step}")
            continue
        _install(repo, environment.name, place, plan, host, why, say)
    return places


def _plan(state: State, environment: Environment, place: Place, host: str) -> Plan | None:
    """What the host's group has by its evidence, for this host; None where the group has nothing yet."""
    intents.refuse_locked(state, environment)
    standing = state.group_state(environment, place.group)
    known = host in state.config.hosts
    if not known or standing is None or environment.deploy is None or state.group(environment) != place.group:
        return None
    return make_plan(state, environment, {name: here.version for name, here in standing.installed.items()}, only=host)


def _install(repo: DeliveryRepo, name: str, place: Place, plan: Plan, host: str, why: str, say: Say) -> None:
    def begin(state: State, draft: Draft) -> Intent:
        environment = state.config.environment(name)
        intents.refuse_locked(state, environment)
        standing = state.group_state(environment, place.group)
        if standing is None or {n: here.version for n, here in standing.installed.items()} != plan.target:
            raise Conflict(f"{name} was changed meanwhile", hint="run the command again")
        intent = Intent(verb=VERB, only=host, group=plan.group, target=dict(plan.target), why=why)
        return intents.begin(draft, name, intent)

    def record(state: State, draft: Draft, plan: Plan, intent: Intent) -> None:
        draft.note_environment(place.environment, HostIn(host=host, group=place.group, why=why))
        intents.end(draft, name, intent)
        keep_table(draft, plan, intent)

    carry_out(repo, plan, repo.change(begin, f"host in {name}: {host}", why=why), say, record)


def _note_in(repo: DeliveryRepo, place: Place, host: str, why: str) -> None:
    def decide(state: State, draft: Draft) -> None:
        draft.note_environment(place.environment, HostIn(host=host, group=place.group, why=why))

    repo.change(decide, f"host {host}: in", why=why)


def _player(state: State, place: Place) -> str:
    """The environment that the group plays now: of a pair one plays it today and the other one tomorrow."""
    pair = state.pair(state.config.environment(place.environment))
    return next((player.name for player in pair if state.group(player) == place.group), place.environment)


def _out(state: State, host: str, place: Place) -> bool:
    return host in state.hosts_out(state.config.environment(place.environment))


def _places(state: State, host: str) -> tuple[Place, ...]:
    """Where the host belongs by the configuration, and where it is out though it belongs there no more.

    Environments that swap tell one story, so that one of them is enough. Raises UnknownName for a host of none.
    """
    places: list[Place] = []
    paired: set[str] = set()
    for environment in state.config.environments.values():
        if environment.name in paired:
            continue
        paired |= {player.name for player in state.pair(environment)}
        group = next((group for group in environment.groups if host in state.config.groups[group]), "")
        record = state.hosts_out(environment).get(host)
        if group or record:
            places.append(Place(environment=environment.name, group=group or (record.group if record else "")))
    if not places:
        known = sorted({host for e in state.config.environments.values() for g in e.groups for host in _of(state, g)})
        raise UnknownName(f"no environment has a host called '{host}'.{suggestion(host, known)}")
    return tuple(places)


def _of(state: State, group: str) -> tuple[str, ...]:
    return state.config.groups[group]
