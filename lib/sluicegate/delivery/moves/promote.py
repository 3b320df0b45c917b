"""Promote: move versions into the next environment's pins once its gates pass. It commits; it does not deploy."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from sluicegate.delivery.book import resolving, versions
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.moves import gating
from sluicegate.delivery.moves.pinning import refuse_held, refuse_swapping
from sluicegate.errors import GateRefused, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Pinned
from sluicegate.model.frozen import frozen
from sluicegate.model.values import Pin


@frozen
class Move:
    """One pin's way: from the version before ('' when there was none) to the version now."""

    component: str
    before: str
    after: str


def promote(
    repo: DeliveryRepo,
    wanted: Mapping[str, str],
    environment: str,
    *,
    downgrade: Collection[str] = (),
    why: str = "",
    dry_run: bool = False,
) -> tuple[Move, ...]:
    """Pin versions ('' means: what the environment before has) or raise GateRefused with every reason."""

    def decide(state: State, draft: Draft) -> tuple[Move, ...]:
        # Which versions are meant.
        target = state.config.environment(environment)
        refuse_swapping(state, target, "promote")
        for name in downgrade:
            state.config.component(name)
        if not target.origin:
            raise UsageError(f"nothing flows into {environment}: it has no 'from'; use sync or pin")
        chosen = {
            name: resolving.publication(state, name, version) if version else _origin_version(state, name, target)
            for name, version in wanted.items()
        }
        pins = standing_pins(state, target)
        # Refuse a held pin, and a lower version that nobody asked for, here or in the group that swaps.
        partner = state.config.swap_partner(target)
        standing = {environment: pins} | ({partner.name: _swapped_pins(state, partner)} if partner else {})
        lowering = set()
        for name, version in chosen.items():
            refuse_held(state.pins(environment).get(name), state, environment)
            for place, higher in standing.items():
                if is_lower(state, name, version, higher):
                    lowering.add(name)
                    if name not in downgrade:
                        raise lowered(name, version, higher[name].version, place, environment)
        # Ask every gate, so that one refusal has all reasons.
        candidates = tuple(gating.candidate(state, name, version, target) for name, version in chosen.items())
        answers = gating.require(state, candidates, "promoting", ask=True)
        # Move the pins; what stands on record already is not written twice.
        moves = []
        for name, version in chosen.items():
            before = pins[name].version if name in pins else ""
            moves.append(Move(component=name, before=before, after=version))
            draft.pin(environment, name, Pin(component=name, version=version))
            if (environment, name) not in draft.moved and _on_record(
                state, name, version, environment, name in lowering
            ):
                continue
            promotion = Pinned(
                env=environment, how="promote", before=before, why=why, downgrade=name in lowering,
                verdicts=answers[name],
            )  # fmt: skip
            draft.note(name, version, promotion)
        return tuple(moves)

    names = " ".join(f"{name}={version}" if version else name for name, version in wanted.items())
    return repo.change(decide, f"promote {names} to {environment}", why=why, dry_run=dry_run)


def _origin_version(state: State, component: str, target: Environment) -> str:
    """The version that the environment before has by evidence."""
    state.config.component(component)
    origin = state.config.environment(target.origin)
    standing = state.effective(origin)
    if standing is None or component not in standing.installed:
        raise UsageError(f"{component} is not deployed in {origin.name}", hint=f"sluicegate sync {origin.name}")
    return standing.installed[component].version


def is_lower(state: State, component: str, version: str, pins: Mapping[str, Pin]) -> bool:
    """Whether the version is lower than the pin."""
    if component not in pins:
        return False
    return versions.lower(state.config.component(component).versions, version, pins[component].version)


def _on_record(state: State, component: str, version: str, environment: str, lowering: bool) -> bool:
    """Whether this pin was promoted already, and said so: a retried job step."""
    last = state.story(component, version).latest(Pinned, env=environment)
    return last is not None and last.how == "promote" and (last.downgrade or not lowering)


def lowered(component: str, version: str, now: str, place: str, environment: str) -> GateRefused:
    """The refusal of a version below that of `place`, which only a promotion to `environment` may say openly."""
    return GateRefused(
        f"{component}={version} is lower than {now}, which {place} has",
        hint=f"if that is meant: sluicegate promote {component}={version} --to {environment} --downgrade {component}",
    )


def promoted(state: State, staging: Environment) -> dict[str, Pin]:
    """The pins of a staging that swaps which production does not have: promoted since the last swap."""
    production = state.config.swap_partner(staging)
    base = state.swapped_in(production) if production else {}
    return {name: pin for name, pin in state.pins(staging.name).items() if base.get(name) != pin.version}


def standing_pins(state: State, environment: Environment) -> dict[str, Pin]:
    """The pins of an environment; for a staging that swaps: production's, overlaid by what was promoted since."""
    pins = dict(state.pins(environment.name))
    partner = state.config.swap_partner(environment)
    if partner is None or environment.swaps_with:
        return pins
    base = _swapped_pins(state, partner)
    candidate = base | promoted(state, environment)
    return {name: replace(pin, hold=pins[name].hold if name in pins else None) for name, pin in candidate.items()}


def _swapped_pins(state: State, production: Environment) -> dict[str, Pin]:
    """What the last swap put into production, whatever its file says."""
    return {name: Pin(component=name, version=version) for name, version in state.swapped_in(production).items()}
