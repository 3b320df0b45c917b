"""Prune: remove old versions' files by a rule that keeps all that runs, shall run, or may come back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sluicegate.delivery.artifacts.fetch import recorded_manifest
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.moves.promote import standing_pins
from sluicegate.errors import PartlyDone, RemoteUnavailable, SluicegateError, UsageError
from sluicegate.model.config import Component, Environment
from sluicegate.model.evidence import Pruned, Removed
from sluicegate.model.prereleases import prerelease
from sluicegate.model.printable import counted
from sluicegate.ports import Repository

Stays = Callable[[object, str], None]
"""Notes why a version stays."""

WINDOW = 10
"""How many of an environment's last deployed sets a rollback shall be able to reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """The rule's answer: what goes, oldest first, and why each of the others stays.

    `left` went before, and its files are still there: a prune had broken off.
    """

    component: str
    goes: tuple[str, ...]
    stays: Mapping[str, tuple[str, ...]]
    left: tuple[str, ...] = ()


def prune(
    repo: DeliveryRepo, component: str, keep: int, *, window: int = WINDOW, why: str = "", dry_run: bool = False
) -> Retention:
    """Record the versions as pruned, then delete their files. What broke off before is finished by the next call.

    The newest version's manifest is read first: of a repository that is not there, or that has lost even that, nothing
    is pruned. Once it is recorded nobody resolves, pins or publishes such a version again. Copies elsewhere stay.
    Raises PartlyDone when it is recorded, and not all files could be deleted.
    """

    def decide(state: State, draft: Draft) -> Retention:
        rule = retention(state, component, keep=keep, window=window)
        for version in rule.goes:
            manifest = state.manifest(component, version)
            draft.note_pruned(component, Pruned(version=version, manifest=manifest, keep=keep, why=why))
        return rule

    state = repo.state()
    if known := state.versions(component):  # of a repository that is not there nothing could be deleted
        recorded_manifest(state, component, known[-1])
    rule = repo.change(decide, f"prune {component}: keep {keep}", why=why, dry_run=dry_run)
    if not dry_run:
        _remove(repo, component)
    return rule


def _remove(repo: DeliveryRepo, component: str) -> None:
    """Delete the files of every version that is pruned and not yet removed."""
    state = repo.state()
    spec = state.component(component)
    todo = _unremoved(state, component)
    if not todo:
        return
    repository = state.drivers.repository(state.config, spec.repository)
    removed: list[str] = []
    problem: SluicegateError | None = None
    try:  # before the files go: a list must not name what is missing
        repository.announce(spec, state.versions(component))
    except SluicegateError as refused:
        problem = refused
    else:
        removed, problem = _remove_files(repository, spec, todo)

    def decide(state: State, draft: Draft) -> None:
        for version in removed:
            draft.note_pruned(component, Removed(version=version))

    if removed:
        repo.change(decide, f"prune {component}: {counted(len(removed), 'version', 'versions')} removed")
    if problem is not None:
        gone = [f"  removed: {version}" for version in removed]
        left = [f"  pruned, and its files are left: {version}" for version in todo if version not in removed]
        raise PartlyDone(
            "\n".join([problem.message, *gone, *left]), hint="the next prune of the component deletes them"
        ) from problem


def _unremoved(state: State, component: str) -> list[str]:
    done = {record.version for record in state.prunings(component).of(Removed)}
    return [version for version in state.pruned(component) if version not in done]


def _remove_files(repository: Repository, spec: Component, todo: list[str]) -> tuple[list[str], SluicegateError | None]:
    removed: list[str] = []
    for version in todo:
        try:
            repository.remove(spec, version)
            if left := repository.names(spec, version):
                raise RemoteUnavailable(f"{spec.name}={version} still has files: {', '.join(left)}")
        except SluicegateError as problem:
            return removed, problem
        removed.append(version)
    return removed, None


def retention(state: State, component: str, *, keep: int, window: int = WINDOW) -> Retention:
    """The newest `keep` versions stay (and as many prereleases), and all that an environment has, had or waits for."""
    if keep < 1 or window < 1:
        raise UsageError("keep at least 1 version, and a rollback window of at least 1 set")
    known = state.versions(component)
    reasons: dict[str, list[str]] = {version: [] for version in known}

    def stays(version: object, reason: str) -> None:
        listed = reasons.get(str(version))
        if listed is not None and reason not in listed:
            listed.append(reason)

    # The newest of both kinds: a row of prereleases must not push out the last finished version.
    scheme = state.config.component(component).versions
    finished = [version for version in known if not prerelease(scheme, version)]
    early = [version for version in known if prerelease(scheme, version)]
    for version in (*finished[-keep:], *early[-keep:]):
        stays(version, f"one of the newest {keep}")
    # And what some environment has, shall have, or may go back to.
    for environment in state.config.environments.values():
        _pinned(state, component, environment, stays)
        _standing(state, component, environment, stays)
        _window(state, component, environment, window, stays)
    return Retention(
        component=component,
        goes=tuple(version for version in known if not reasons[version]),
        stays={version: tuple(listed) for version, listed in reasons.items() if listed},
        left=tuple(_unremoved(state, component)),
    )


def _pinned(state: State, component: str, environment: Environment, stays: Stays) -> None:
    for pins in (state.pins(environment.name), standing_pins(state, environment)):
        if pin := pins.get(component):
            stays(pin.version, f"{'held' if pin.held(state.now) else 'pinned'} in {environment.name}")


def _standing(state: State, component: str, environment: Environment, stays: Stays) -> None:
    """What the hosts have: the group that plays the environment, and the one that was swapped out and is warm."""
    for group in environment.groups:
        standing = state.group_state(environment, group)
        if standing and component in standing.installed:
            stays(standing.installed[component].version, f"runs on {group}")
    if swap := state.last_swap(environment):
        stays(swap.before.get(component), f"in {swap.env} before the last swap")
    for intent in state.open_intents(environment):
        for versions_by_name in (intent.record.target, intent.record.changed, intent.record.before, intent.record.pins):
            stays(versions_by_name.get(component), f"part of what goes on in {intent.environment}")


def _window(state: State, component: str, environment: Environment, window: int, stays: Stays) -> None:
    """What the environment had within its last sets, deployed or swapped in."""
    sets = islice(state.sets(environment), window)
    changes: list[tuple[datetime, Sequence[Mapping[str, str]]]] = [(at.at, (versions,)) for at, versions in sets]
    changes += [(swap.at, (swap.before, swap.pins)) for swap in islice(state.swaps(environment), window)]
    for _, had in sorted(changes, key=lambda change: change[0])[-window:]:
        for pins in had:
            stays(pins.get(component), f"in the last {window} sets of {environment.name}")
