"""Sync: follow latest where told to, make the hosts what the pins say, start what the installation starts."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery.book import intents, resolving, versions
from sluicegate.delivery.book.pins import versions_of
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.after import Started, left_to_start, start, what_starts
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.planning import Plan
from sluicegate.delivery.changes.resume import take_over_deploy
from sluicegate.delivery.changes.swap import warm
from sluicegate.delivery.moves.promote import Move, standing_pins
from sluicegate.errors import PartlyDone, SluicegateError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Pinned
from sluicegate.model.values import Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a sync did: pins that followed, the plan that was carried out, and what it started that failed."""

    moves: tuple[Move, ...]
    plan: Plan
    failed: tuple[Started, ...]


def sync(
    repo: DeliveryRepo,
    name: str,
    *,
    end_sessions: bool = False,
    remove: bool = False,
    wait: float = 0.0,
    dry_run: bool = False,
    say: Say = silent,
    why: str = "",
) -> Synced:
    """One environment; `wait` is how many seconds to wait for one that is locked or has users on it."""
    # Follow: pins of the newest versions.
    moves = follow(repo, name, dry_run=dry_run)
    for move in moves:
        say(f"{name}: follows {move.component} {move.before or '-'} -> {move.after}")
    if not dry_run:
        take_over_deploy(repo, name, say)
    # A warm group is the way back: only a deploy by hand may end it.
    if keeps_warm(repo.state(), name):
        say(f"{name}: keeps what production had before the last swap; 'deploy {name}' would end the way back")
        return Synced(moves=moves, plan=Plan(environment=name, group="", target={}), failed=())
    # Deploy, after whoever has the environment now.
    ahead = {move.component: move.after for move in moves} if dry_run else {}
    plan = intents.until_free(
        lambda: deploy(
            repo, name, ahead=ahead, end_sessions=end_sessions, remove=remove, dry_run=dry_run, say=say, why=why
        ),
        wait,
    )
    # Start the tests and whatever else comes after an installation.
    failed: tuple[Started, ...] = ()
    if not dry_run:
        state = repo.state()
        to_start = what_starts(state, plan) if plan.steps else left_to_start(state, name)
        failed = start_all(repo, to_start, wait=wait > 0, say=say)
    return Synced(moves=moves, plan=plan, failed=failed)


def start_all(repo: DeliveryRepo, to_start: tuple[Started, ...], *, wait: bool, say: Say) -> tuple[Started, ...]:
    """Those that failed. What cannot be started keeps nothing else from being started; PartlyDone tells of it then."""
    failed, refused = [], []
    for consequence in to_start:
        try:
            if not start(repo, consequence, wait=wait, say=say):
                failed.append(consequence)
        except SluicegateError as problem:
            refused.append(f"  not started: {consequence}: {problem.message}")
    if refused:
        lines = ["everything is deployed", *refused, *(f"  failed: {consequence}" for consequence in failed)]
        raise PartlyDone("\n".join(lines), hint="mend that, then run the same again: it starts what is left")
    return tuple(failed)


def keeps_warm(state: State, name: str) -> bool:
    """Whether nothing was promoted to this staging since the swap, and its group still has the way back."""
    environment = state.config.environment(name)
    partner = state.config.swap_partner(environment)
    swap = state.last_swap(environment)
    if partner is None or environment.swaps_with or swap is None or not warm(state, partner, swap):
        return False
    return versions_of(standing_pins(state, environment)) == versions_of(state.pins(partner.name))


def follow(repo: DeliveryRepo, name: str, *, dry_run: bool = False) -> tuple[Move, ...]:
    """Pin the newest version of each component in an environment that follows; never a held or a vetoed one."""

    def decide(state: State, draft: Draft) -> tuple[Move, ...]:
        moves = _moves(state, name)
        for move in moves:
            draft.pin(name, move.component, Pin(component=move.component, version=move.after))
            draft.note(move.component, move.after, Pinned(env=name, how="follow", before=move.before))
        return moves

    preview = _moves(repo.state(), name)
    if dry_run or not preview:
        return preview
    return repo.change(decide, lambda moves: f"{name} follows " + " ".join(f"{m.component}={m.after}" for m in moves))


def _moves(state: State, name: str) -> tuple[Move, ...]:
    """The pins that would follow. Raises for another pin that cannot be deployed, before anything is written."""
    environment = state.config.environment(name)
    if environment.follow is None:
        return ()
    moves = []
    pins = [(component, pin.version) for component, pin in state.pins(name).items()]
    state.read_stories([*pins, *resolving.last_listed(state)])
    for component in state.config.in_order(set(state.config.components)):
        pin = state.pins(name).get(component)
        newest = _newest(state, environment, component)
        # Who has it already, or holds the pin, stays.
        if not newest or (pin and (pin.version == newest or pin.held(state.now))):
            continue
        before = pin.version if pin else ""
        # A following environment never goes back, but from a version that was vetoed.
        scheme = state.config.component(component).versions
        vetoed = before and state.vetoed(component, before, name)
        if before and not vetoed and versions.lower(scheme, newest, before):
            continue
        moves.append(Move(component=component, before=before, after=newest))
    # Pins that stay must be deployable too, or the deploy that follows would fail.
    if moves:
        for component in state.pins(name).keys() - {move.component for move in moves}:
            state.manifest(component, state.pins(name)[component].version)
    return tuple(moves)


def _newest(state: State, environment: Environment, component: str) -> str:
    """The newest published version within the range that is not vetoed here."""
    assert environment.follow is not None
    within = environment.follow.range
    return resolving.newest_within(
        state, component, within, lambda version: not state.vetoed(component, version, environment.name)
    )
