"""Pins moved by hand: pin, unpin, hold, unhold."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from sluicegate.delivery.book import intents, resolving, versions
from sluicegate.delivery.book.pins import pins_path, versions_of
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.errors import GateRefused, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Held, Pinned, Unheld, Unpinned
from sluicegate.model.values import Actor, Hold, Pin


def refuse_held(pin: Pin | None, state: State, environment: str) -> None:
    """Raise GateRefused when the pin is held."""
    if pin is not None and pin.hold is not None and pin.held(state.now):
        until = f" until {pin.hold.until}" if pin.hold.until else ""
        why = f": {pin.hold.why}" if pin.hold.why else ""
        raise GateRefused(
            f"{pin.component} is held at {pin.version} in {environment}{until} by {pin.hold.by or 'someone'}{why}",
            hint=f"sluicegate unhold {pin.component} --in {environment}",
        )


def refuse_swapping(state: State, environment: Environment, verb: str) -> None:
    """Production of a swapping pair is not moved directly: its pins change by a swap.

    While one is open staging's pins do not move either: its last commit makes them equal to production's.
    """
    if environment.swaps_with:
        raise UsageError(
            f"{verb}: {environment.name} swaps with {environment.swaps_with}, so its pins change by a swap only",
            hint=f"promote to {environment.swaps_with}, then: sluicegate swap {environment.name}",
        )
    intents.refuse_swap_at_work(state, environment)


def is_recorded(state: State, pin: Pin, environment: str) -> bool:
    """Whether the ledger knows this pin. One that was edited by hand is known from the next deploy on."""
    return state.story(pin.component, pin.version).has(Pinned, env=environment)


def edited_pins(state: State, production: Environment) -> str:
    """How the pins of a production that swaps differ from what its last swap made them, as a sentence; '' if equal."""
    wanted = state.swapped_in(production)
    now = versions_of(state.pins(production.name))
    edited = [name for name in sorted({*now, *wanted}) if now.get(name) != wanted.get(name)]
    names = ", ".join(f"{name}={now[name]}" if name in now else f"no {name}" for name in edited)
    return f"{production.name} swaps with {production.swaps_with}; its pins were edited to {names}" if edited else ""


def refuse_edited(state: State, production: Environment) -> None:
    """Raise UsageError where somebody edited the pins of a production that swaps: only a swap moves them."""
    if edited := edited_pins(state, production):
        hint = f"set {pins_path(production.name)} back; promote to {production.swaps_with} and swap instead"
        raise UsageError(edited, hint=hint)


def pin(repo: DeliveryRepo, component: str, version: str, environment: str, *, why: str, dry_run: bool = False) -> str:
    """Set a pin and say to which version: a SNAPSHOT is pinned as its newest publication.

    Going back where the environment follows latest holds the pin, or the next sync would undo it.
    """

    def decide(state: State, draft: Draft) -> str:
        place = state.config.environment(environment)
        refuse_swapping(state, place, "pin")
        exact = resolving.publication(state, component, version)
        state.known_story(component, exact)
        now = state.pins(environment).get(component)
        if now is not None and now.version == exact and is_recorded(state, now, environment):
            return exact
        refuse_held(now, state, environment)
        scheme = state.config.component(component).versions
        back = now is not None and versions.lower(scheme, exact, now.version)
        hold = Hold(by=draft.by.user, why=why or "set back by hand") if back and place.follow else None
        draft.pin(environment, component, Pin(component=component, version=exact, hold=hold))
        draft.note(component, exact, Pinned(env=environment, how="pin", downgrade=back, why=why))
        return exact

    return repo.change(decide, f"pin {component}={version} in {environment}", why=why, dry_run=dry_run)


def unpin(repo: DeliveryRepo, component: str, environment: str, *, why: str, dry_run: bool = False) -> str:
    """Take a component out of an environment's pins; the next deploy removes it from the hosts.

    A staging that swaps goes back to the version that production has, and says so; '' where there is none.
    """

    def decide(state: State, draft: Draft) -> str:
        place = state.config.environment(environment)
        refuse_swapping(state, place, "unpin")
        now = _standing(state, component, environment)
        refuse_held(now, state, environment)
        partner = state.config.swap_partner(place)
        live = state.swapped_in(partner).get(component, "") if partner else ""
        if partner and live == now.version:
            raise UsageError(
                f"{partner.name} has {component}={live}, and so has {environment}, which swaps with it",
                hint=f"sluicegate rollback {partner.name} {component}, or promote another version",
            )
        draft.pin(environment, component, Pin(component=component, version=live) if live else None)
        draft.note(component, now.version, Unpinned(env=environment, why=why))
        if live:
            draft.note(component, live, Pinned(env=environment, how="unpin", before=now.version, why=why))
        return live

    return repo.change(decide, f"unpin {component} in {environment}", why=why, dry_run=dry_run)


def hold(
    repo: DeliveryRepo, component: str, environment: str, *, until: date | None, why: str, dry_run: bool = False
) -> None:
    """Keep a pin where it is, until the end of a day or for good."""

    def decide(state: State, draft: Draft) -> None:
        draft.by = repo.said_by(state, "hold")
        now = _standing(state, component, environment)
        if until is not None and until < state.now.date():
            raise UsageError(f"--until {until} is in the past")
        _refuse_replacing(repo, state, now, environment, draft.by)
        draft.pin(environment, component, replace(now, hold=Hold(by=draft.by.user, why=why, until=until)))
        held = Held(env=environment, why=why, until=until.isoformat() if until else "")
        draft.note(component, now.version, held)

    repo.change(decide, f"hold {component} in {environment}", why=why, dry_run=dry_run)


def unhold(repo: DeliveryRepo, component: str, environment: str, *, why: str, dry_run: bool = False) -> None:
    """Let a held pin move again."""

    def decide(state: State, draft: Draft) -> None:
        now = _standing(state, component, environment)
        holder = _holder(state, now, environment)
        draft.by = repo.said_by(state, "unhold", against=[holder] if holder else [])
        if now.hold is None:
            raise UsageError(f"{component} is not held in {environment}")
        draft.pin(environment, component, replace(now, hold=None))
        draft.note(component, now.version, Unheld(env=environment, why=why))

    repo.change(decide, f"unhold {component} in {environment}", why=why, dry_run=dry_run)


def _refuse_replacing(repo: DeliveryRepo, state: State, pin: Pin, environment: str, by: Actor) -> None:
    """Raise GateRefused where somebody else's hold stands that `by` may not lift: theirs would take its place."""
    holder = _holder(state, pin, environment) if pin.held(state.now) else None
    if holder is None or (holder.user == by.user and by.verified >= holder.verified):
        return
    try:
        repo.said_by(state, "unhold", against=[holder])
    except GateRefused as problem:
        raise GateRefused(
            f"{pin.component} is held in {environment} by {holder.user}, and another hold would take the place of that",
            reasons=problem.reasons,
        ) from problem


def _holder(state: State, pin: Pin, environment: str) -> Actor | None:
    """Who holds a pin: as the record says, else by the name in its line."""
    held = state.story(pin.component, pin.version).latest(Held, env=environment)
    if pin.hold is None or (held and held.by.user == pin.hold.by):
        return held.by if pin.hold and held else None
    return Actor(user=pin.hold.by, source="")


def _standing(state: State, component: str, environment: str) -> Pin:
    state.config.component(component)
    state.config.environment(environment)
    pins = state.pins(environment)
    if component not in pins:
        raise UsageError(f"{component} has no pin in {environment}")
    return pins[component]
