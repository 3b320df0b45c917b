"""Swap: what exchanging the groups of staging and production, or going back, would change, and what refuses it."""

from __future__ import annotations

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.pins import versions_of
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.changes.swapping import Swap, begin, carry_out
from sluicegate.delivery.moves import gating
from sluicegate.delivery.moves.pinning import refuse_edited, refuse_held
from sluicegate.delivery.moves.promote import is_lower, lowered, standing_pins
from sluicegate.delivery.moves.schema import refuse_below
from sluicegate.errors import Conflict, GateRefused, NotFound, RemoteUnavailable, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Intent, Pinned, Swapped
from sluicegate.tools.probe import spoken_version


def swap(
    repo: DeliveryRepo, name: str, *, back: bool = False, why: str = "", dry_run: bool = False, say: Say = silent
) -> Swap:
    """Swap production with its staging. Raises GateRefused; when nothing differs, nothing is done."""

    def decide(state: State, draft: Draft) -> tuple[Swap, Intent | None]:
        exchange = plan_back(state, name) if back else plan_forward(state, name)
        if not exchange.changes:
            return exchange, None
        _refuse_strays(state, exchange)
        _refuse_unready_balancer(state, exchange)
        return exchange, begin(draft, exchange, why)

    exchange, intent = repo.change(decide, f"swap {name}: begin", why=why, dry_run=dry_run)
    if not dry_run and intent is not None:
        carry_out(repo, exchange, intent, say)
    return exchange


def _refuse_strays(state: State, exchange: Swap) -> None:
    """Raise GateRefused for a host that is out, of the group that users are to reach, and answers as another version.

    Nothing was installed on it, and the balancer knows nothing of that.
    """
    out = state.hosts_out(state.config.environment(exchange.environment))
    for name in (name for name in state.config.groups[exchange.to] if name in out):
        host = state.drivers.host(state.config, name)
        for component, version in exchange.after.items():
            try:
                url = host.address(component) + state.component(component).probe
            except NotFound:
                continue
            spoken = spoken_version(url)
            if spoken not in (None, version):
                raise GateRefused(
                    f"{name} is out and answers as {component} {spoken}: users of {exchange.to} would meet it",
                    hint=f"bring it in (sluicegate host in {name}), or stop what answers there",
                )


def _refuse_unready_balancer(state: State, exchange: Swap) -> None:
    """Raise before anything is written: Conflict for users who are led elsewhere, RemoteUnavailable for silence."""
    balancer = state.balancer(state.config.environment(exchange.environment))
    if (reached := balancer.live()) != exchange.live:
        raise Conflict(
            f"users reach {reached}, and servers.yaml says that {exchange.environment} is played by {exchange.live}",
            hint=f"lead users back to {exchange.live} at the balancer, then run the same again",
        )
    for name in exchange.before:  # what users have now; before the first swap nobody could answer
        for address in balancer.addresses(name):
            if spoken_version(url := f"{address}{state.component(name).probe}") is None:
                raise _silent(exchange, url)


def _silent(exchange: Swap, url: str) -> RemoteUnavailable:
    return RemoteUnavailable(
        f"the balancer of {exchange.environment} does not answer at {url}; nothing was changed",
        hint=f"start it, or look at its log; then: sluicegate swap {exchange.environment}{' --back' * exchange.back}",
    )


def sides(state: State, name: str) -> tuple[Environment, Environment]:
    """Production and the staging that it swaps with. Raises UsageError, and Conflict when one of them is locked."""
    environment = state.config.environment(name)
    if not environment.swaps_with:
        raise UsageError(f"{name} does not swap with anything", hint="'swaps-with' in sluicegate.yaml says what swaps")
    intents.refuse_locked(state, environment)
    refuse_edited(state, environment)
    state.store.refuse_changed()  # or it would come out once the users have moved
    return environment, state.config.environment(environment.swaps_with)


def plan_forward(state: State, name: str) -> Swap:
    """Production becomes what staging has, once every gate of every component that differs has passed."""
    production, staging = sides(state, name)
    candidate = standing_pins(state, staging)
    exchange = Swap(
        environment=name,
        staging=staging.name,
        live=state.group(production),
        to=state.group(staging),
        before=versions_of(state.pins(name)),
        after=versions_of(candidate),
        back=False,
    )
    if not exchange.changes:
        return exchange
    # What can be seen without asking anybody comes before the gates.
    _refuse_undeployed(state, staging, exchange)
    for component, (_, after) in exchange.changes.items():
        refuse_held(state.pins(name).get(component), state, name)
        _refuse_lowering(state, staging, component, after)
    _refuse_lost(exchange)
    candidates = tuple(
        gating.candidate(state, component, after, production) for component, (_, after) in exchange.changes.items()
    )
    gating.require(state, candidates, "swapping", ask=True)
    return exchange


def _refuse_undeployed(state: State, staging: Environment, exchange: Swap) -> None:
    standing = state.effective(staging)
    installed = {component: here.version for component, here in standing.installed.items()} if standing else {}
    if installed != exchange.after or state.unsure(staging, state.group(staging)):
        wanted = ", ".join(f"{c}={v}" for c, v in sorted(exchange.after.items()) if installed.get(c) != v)
        missing = (
            "the last deploy there failed" if installed == exchange.after else wanted or "something is to be removed"
        )
        raise GateRefused(
            f"{staging.name} does not have its candidate yet: {missing}",
            hint=f"sluicegate sync {staging.name}",
        )


def _refuse_lowering(state: State, staging: Environment, component: str, version: str) -> None:
    """A version below production's goes out only where the promotion said so openly."""
    production = state.config.swap_partner(staging)
    assert production is not None
    if not version or not is_lower(state, component, version, state.pins(production.name)):
        return
    pinned = state.story(component, version).latest(Pinned, env=staging.name)
    if pinned is None or not pinned.downgrade:
        now = state.pins(production.name)[component].version
        raise lowered(component, version, now, production.name, staging.name)


def _refuse_lost(exchange: Swap) -> None:
    lost = [component for component, (_, after) in exchange.changes.items() if not after]
    if lost:
        raise GateRefused(f"{exchange.environment} would lose {', '.join(lost)}")


def plan_back(state: State, name: str) -> Swap:
    """Production becomes what it was before the last swap; possible until something is deployed to that group."""
    production, staging = sides(state, name)
    last = state.last_swap(production)
    if last is None or last.back:
        raise NotFound(f"{name} has no swap to take back", hint=f"sluicegate history {name}")
    if not warm(state, production, last):
        raise GateRefused(
            f"{last.idle} does not have its old versions any more, so there is no way back by a swap",
            hint=f"sluicegate rollback {name}",
        )
    exchange = Swap(
        environment=name,
        staging=staging.name,
        live=state.group(production),
        to=state.group(staging),
        before=versions_of(state.pins(name)),
        after=last.before,
        back=True,
    )
    # The versions have served before, so no gate is asked; a veto counts all the same.
    refuse_vetoed(state, exchange)
    refuse_below(state, production, exchange.after)
    if not exchange.after:
        raise NotFound(f"before the last swap {name} had nothing to go back to")
    return exchange


def warm(state: State, production: Environment, last: Swapped) -> bool:
    """Whether the group that was swapped out still has what it had: no deploy to it has even begun since."""
    deploy = state.last_deploy(production, last.idle)
    return deploy is None or deploy.at <= last.at


def refuse_vetoed(state: State, exchange: Swap) -> None:
    """A way back goes past the gates, but never to a vetoed version."""
    for component, (_, after) in exchange.changes.items():
        if after:
            gating.refuse_vetoed(state, component, after, exchange.environment)
