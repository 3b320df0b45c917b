"""Swap: exchange the groups of staging and production at the balancer, and back.

Longer than a module should be: forward, back and undone share each step, and are read beside each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.pins import versions_of
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.sets import difference
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.moves import gating
from sluicegate.delivery.moves.pinning import refuse_edited, refuse_held
from sluicegate.delivery.moves.promote import is_lower, lowered, promoted, standing_pins
from sluicegate.delivery.moves.schema import refuse_below
from sluicegate.errors import (
    Conflict,
    GateRefused,
    NotFound,
    PartlyDone,
    RemoteUnavailable,
    SluicegateError,
    UsageError,
)
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Deployed, Intent, Pinned, Swapped, Unpinned
from sluicegate.model.values import Pin, set_name
from sluicegate.ports import Balancer
from sluicegate.tools.probe import spoken_version, wait_for_version

PROBE_SECONDS = 30.0
Saying = TypeVar("Saying", Intent, Swapped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """An exchange of groups: production goes from `live` to `to`, and from the versions `before` to `after`."""

    environment: str
    staging: str
    live: str
    to: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    back: bool

    @property
    def changes(self) -> dict[str, tuple[str, str]]:
        """What differs: component -> version before and after, '' for none."""
        names = sorted({*self.before, *self.after})
        pairs = {name: (self.before.get(name, ""), self.after.get(name, "")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


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


def begin(draft: Draft, exchange: Swap, why: str) -> Intent:
    """Write the intent of a swap."""
    intent = Intent(
        verb="swap", staging=exchange.staging, live=exchange.live, to=exchange.to, back=exchange.back, why=why
    )
    return intents.begin(draft, exchange.environment, _saying(draft.state, exchange, intent))


def _saying(state: State, exchange: Swap, record: Saying) -> Saying:
    """The record with the sets of the swap: as what changes upon the last swap, whole where that led elsewhere."""
    last = state.last_swap(state.config.environment(exchange.environment))
    if state.form == 1 or last is None or dict(last.pins) != dict(exchange.before):
        return replace(record, before=dict(exchange.before), pins=dict(exchange.after))
    changed, before = difference(exchange.before, exchange.after)
    return replace(record, base=last.id, changed=changed, before=before)


def from_intent(state: State, intent: Intent, environment: str) -> Swap:
    """The swap that an intent began."""
    before, after = state.sides(state.config.environment(environment), intent)
    return Swap(
        environment=environment,
        staging=intent.staging,
        live=intent.live,
        to=intent.to,
        before=before,
        after=after,
        back=intent.back,
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


def carry_out(repo: DeliveryRepo, exchange: Swap, intent: Intent, say: Say) -> None:
    """Switch the balancer, look through it, commit. What fails is switched back, and recorded."""
    state = repo.state()
    production = state.config.environment(exchange.environment)
    balancer = state.balancer(production)
    try:
        say(f"{exchange.environment}: new users go to {exchange.to}")
        balancer.switch(exchange.to, keep_sessions=production.keep_sessions is not None)
        for component, version in exchange.after.items():
            for address in balancer.addresses(component):
                wait_for_version(f"{address}{state.component(component).probe}", version, seconds=PROBE_SECONDS)
    except SluicegateError as problem:
        _switch_back(balancer, exchange, problem)
        say(f"{exchange.environment}: new users go to {exchange.live} again")
        give_up(repo, exchange, intent, problem.message)
        raise
    # What was promoted meanwhile is the next candidate, and no part of this swap.
    for component, pin in sorted(_promoted(state, exchange).items()):
        say(f"{exchange.staging}: {component}={pin.version} stays promoted")
    try:
        finish(repo, exchange, intent)
    except SluicegateError as problem:
        raise PartlyDone(
            f"new users go to {exchange.to}, and that could not be written down: {problem.message}",
            hint=f"{problem.hint}; then: sluicegate resume" if problem.hint else "mend that, then: sluicegate resume",
        ) from problem


def _switch_back(balancer: Balancer, exchange: Swap, first: SluicegateError) -> None:
    """What fails now does not hide what failed first; nobody knows then what is live, so the intent stays open."""
    try:
        balancer.switch(exchange.live, keep_sessions=False)
    except SluicegateError as second:
        raise first.saying(
            f"{first.message}; switching back to {exchange.live} failed: {second.message}",
            hint="once the balancer answers: sluicegate resume",
        ) from second


def give_up(repo: DeliveryRepo, exchange: Swap, intent: Intent, reason: str) -> None:
    """Record that nothing was swapped."""
    repo.change(
        lambda state, draft: intents.end(draft, exchange.environment, intent, failed=reason),
        f"swap {exchange.environment}: failed",
    )


def finish(repo: DeliveryRepo, exchange: Swap, intent: Intent) -> None:
    """One commit: pins of both, roles of the groups, evidence. What was promoted and does not go out stays promoted."""

    def decide(state: State, draft: Draft) -> None:
        later = state.annals.since(exchange.environment, intent)
        if any(isinstance(record, Swapped) and record.of == intent.id for record in later):
            return
        production = state.config.environment(exchange.environment)
        stays = set(_promoted(state, exchange))
        for environment in (exchange.environment, exchange.staging):
            pins = state.pins(environment)
            for component in {*pins, *exchange.after} - (stays if environment == exchange.staging else set()):
                version = exchange.after.get(component)
                hold = pins[component].hold if component in pins else None
                draft.pin(
                    environment, component, Pin(component=component, version=version, hold=hold) if version else None
                )
        draft.servers({**state.servers, exchange.environment: exchange.to, exchange.staging: exchange.live})
        _note(state, draft, exchange, intent, production)
        intents.end(draft, exchange.environment, intent)

    shown = " ".join(f"{name} {before or '-'}->{after or '-'}" for name, (before, after) in exchange.changes.items())
    repo.change(decide, f"swap {exchange.environment}: {exchange.live} -> {exchange.to}: {shown}")


def _promoted(state: State, exchange: Swap) -> dict[str, Pin]:
    """What was promoted to staging and does not go out now, as on a way back: that stays promoted, unless vetoed."""
    pins = promoted(state, state.config.environment(exchange.staging))
    return {
        name: pin
        for name, pin in pins.items()
        if exchange.after.get(name) != pin.version and not state.vetoed(name, pin.version, exchange.staging)
    }


def _note(state: State, draft: Draft, exchange: Swap, intent: Intent, production: Environment) -> None:
    manifests = {name: state.manifest(name, version) for name, version in exchange.after.items()}
    the_set = set_name({name: (version, manifests[name]) for name, version in exchange.after.items()})
    keep = production.keep_sessions
    swapped = Swapped(
        env=exchange.environment, live=exchange.to, idle=exchange.live, back=exchange.back, set=the_set, of=intent.id,
        why=intent.why, sessions_until=state.now + keep if keep else None,
    )  # fmt: skip
    draft.note_environment(exchange.environment, _saying(state, exchange, swapped))
    how = "swap back" if exchange.back else "swap"
    for component, (before, after) in exchange.changes.items():
        if not after:
            draft.note(component, before, Unpinned(env=exchange.environment, how=how))
            continue
        draft.note(component, after, Pinned(env=exchange.environment, how=how, before=before, of=intent.id))
        deployed = Deployed(
            env=exchange.environment, group=exchange.to, set=the_set, manifest=manifests[component], of=intent.id
        )
        draft.note(component, after, deployed)
