"""The exchange of a swap: its intent, the balancer, and what is recorded of it; forward, back and undone alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeVar

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.sets import difference
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.applying import Say
from sluicegate.delivery.moves.promote import promoted
from sluicegate.errors import PartlyDone, SluicegateError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Deployed, Intent, Pinned, Swapped, Unpinned
from sluicegate.model.values import Pin, set_name
from sluicegate.ports import Balancer
from sluicegate.tools.probe import wait_for_version

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
