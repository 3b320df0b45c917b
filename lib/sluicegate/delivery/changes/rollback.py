"""Roll back: put the last known-good versions back, and veto the bad ones for this environment and all after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sluicegate.delivery.book import intents
from sluicegate.delivery.book.pins import versions_of
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes import swap, swapping
from sluicegate.delivery.changes.applying import Say, silent
from sluicegate.delivery.changes.deploy import deploy
from sluicegate.delivery.changes.planning import make_plan
from sluicegate.delivery.moves.schema import refuse_below
from sluicegate.errors import Conflict, GateRefused, NotFound
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Intent, Pinned, Tests, Veto
from sluicegate.model.story import newest
from sluicegate.model.values import Hold, Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """The versions that go (and are vetoed) and those that come back, by component; how it is done."""

    environment: str
    bad: Mapping[str, str]
    target: Mapping[str, str]
    how: str


def rollback(
    repo: DeliveryRepo, name: str, component: str = "", *, further: bool = False, why: str = "",
    end_sessions: bool = False, dry_run: bool = False, say: Say = silent,
) -> Rollback:  # fmt: skip
    """Take one component, or all that the last change brought, back to what ran before.

    Raises GateRefused where the last change was itself a way back, unless `further` says to go on from there.
    """
    state = repo.state()
    done = _done_before(state, name, component, repo.acting(state).actor.source)
    if done is not None and not dry_run:
        if done.how == "deploy":  # it may have died between the pins and the hosts
            deploy(repo, name, target=done.target, end_sessions=end_sessions, say=say, why=why)
        return done
    way_back = plan(state, name, component, further=further)
    if dry_run:
        return way_back

    def unchanged(state: State) -> None:
        """Raise Conflict when somebody else has moved what was looked at."""
        try:
            again = plan(state, name, component, further=further)
        except (NotFound, GateRefused):
            again = None
        if again != way_back:
            raise Conflict(f"{name} was changed meanwhile", hint="look at it and run the command again")

    if way_back.how == "deploy":
        _by_deploy(repo, way_back, unchanged, why, end_sessions, say)
    else:
        _by_swap(repo, way_back, unchanged, why, end_sessions, say)
    return way_back


def _done_before(state: State, name: str, component: str, source: str) -> Rollback | None:
    """What this very build has rolled back here already: a step that runs again must not go back further."""
    environment = state.config.environment(name)
    if not source.startswith("http"):
        return None
    now = versions_of(state.pins(name))
    bad = {
        member: version
        for member in ([component] if component else state.config.components)
        for version in state.versions(member)
        if any(veto.by.source == source for veto in state.story(member, version).of(Veto, env=name, of="rollback"))
    }
    if not bad or any(now.get(member) == version for member, version in bad.items()):
        return None
    return Rollback(environment=name, bad=bad, target=now, how="swap" if environment.swaps_with else "deploy")


def plan(state: State, name: str, component: str, *, further: bool) -> Rollback:
    """What would go and what would come back. Raises NotFound when there is nothing to go back to."""
    environment = state.config.environment(name)
    if component:
        state.config.component(component)
    intents.refuse_locked(state, environment)
    now = versions_of(state.pins(name))
    if not further:
        _refuse_twice(state, environment, component, now)
    for before in _befores(state, environment, now):
        names = [component] if component else sorted(member for member in now if before.get(member) != now[member])
        bad = {member: now[member] for member in names if member in now and before.get(member) != now[member]}
        back = {member: before[member] for member in bad if member in before}
        if not bad or any(state.vetoed(member, version, name) for member, version in back.items()):
            continue
        if any(version in state.pruned(member) for member, version in before.items()):
            continue
        # what came with the last change goes with it, but never alone, nor from under others
        lost = set(bad) - set(back)
        if component in lost or any(
            need in lost for member in set(now) - lost for need in state.component(member).needs
        ):
            continue
        target = {member: version for member, version in now.items() if member not in bad} | back
        if target:
            refuse_below(state, environment, target)
            return Rollback(
                environment=name, bad=bad, target=target, how="swap" if environment.swaps_with else "deploy"
            )
    raise NotFound(
        f"{name} has nothing to roll {component or 'any component'} back to", hint=f"sluicegate history {name}"
    )


def _refuse_twice(state: State, environment: Environment, component: str, now: Mapping[str, str]) -> None:
    """Two people who answer to one incident must not go back twice."""
    names = [component] if component in now else now
    last = newest(pin for name in names for pin in state.story(name, now[name]).of(Pinned, env=environment.name))
    if last is not None and last.how in ("rollback", "swap back"):
        again = " ".join(filter(None, ("sluicegate rollback", environment.name, component, "--further")))
        raise GateRefused(
            f"{environment.name} has gone back already: {last.how} by {last.by.user}"
            f" at {last.at:%Y-%m-%d %H:%M:%S} UTC, and nothing new has come since",
            hint=f"to go back further: {again}",
        )


def _befores(state: State, environment: Environment, now: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Sets that the environment had before what it has now, newest first; read as far as asked for."""
    if environment.swaps_with:
        return (dict(swap.before) for swap in state.swaps(environment) if not swap.back)
    return (versions for _, versions in state.sets(environment) if _known_good(state, environment, versions))


def _known_good(state: State, environment: Environment, versions: Mapping[str, str]) -> bool:
    """Whether no suite failed on the versions of a set in this environment."""
    for component, version in versions.items():
        last = {run.suite: run for run in state.story(component, version).of(Tests, env=environment.name)}
        if any(run.failed != 0 for run in last.values()):
            return False
    return True


def _veto(draft: Draft, way_back: Rollback, why: str) -> None:
    for component, version in way_back.bad.items():
        draft.note(component, version, Veto(env=way_back.environment, why=why or "rolled back", of="rollback"))


def _by_deploy(
    repo: DeliveryRepo, way_back: Rollback, unchanged: Callable[[State], None], why: str, end_sessions: bool, say: Say
) -> None:
    """Veto, pin and deploy in place; a pin is held only where the environment follows latest."""

    def decide(state: State, draft: Draft) -> None:
        environment = state.config.environment(way_back.environment)
        unchanged(state)
        _veto(draft, way_back, why)
        for component, bad in way_back.bad.items():
            version = way_back.target.get(component)
            hold = Hold(by=draft.by.user, why=f"{bad} rolled back" + (f": {why}" if why else ""))
            pin = Pin(component=component, version=version or "", hold=hold if environment.follow else None)
            draft.pin(way_back.environment, component, pin if version else None)
            if version:
                pinned = Pinned(env=way_back.environment, how="rollback", before=bad, why=why)
                draft.note(component, version, pinned)

    deploy(
        repo, way_back.environment, target=way_back.target, end_sessions=end_sessions, say=say, why=why, together=decide
    )


def _by_swap(
    repo: DeliveryRepo, way_back: Rollback, unchanged: Callable[[State], None], why: str, end_sessions: bool, say: Say
) -> None:
    """Veto; make the idle group what shall come back where it is not so already; swap past the gates."""
    state = repo.state()
    production, staging = swap.sides(state, way_back.environment)
    last = state.last_swap(production)
    still_warm = last is not None and swap.warm(state, production, last) and dict(last.before) == dict(way_back.target)
    # Where the idle group has changed since, what comes back is deployed there first, with the veto.
    plan = make_plan(state, staging, way_back.target)
    if not still_warm and (plan.steps or plan.down):

        def first(state: State, draft: Draft) -> None:
            unchanged(state)
            _veto(draft, way_back, why)

        deploy(
            repo, staging.name, target=way_back.target, end_sessions=end_sessions, say=say, why=why, together=first
        )  # fmt: skip

    def decide(state: State, draft: Draft) -> tuple[swapping.Swap, Intent]:
        unchanged(state)
        production, staging = swap.sides(state, way_back.environment)
        way = swapping.Swap(
            environment=production.name,
            staging=staging.name,
            live=state.group(production),
            to=state.group(staging),
            before=versions_of(state.pins(production.name)),
            after=way_back.target,
            back=True,
        )
        swap.refuse_vetoed(state, way)
        _veto(draft, way_back, why)
        return way, swapping.begin(draft, way, why or "rollback")

    # No gate is asked: what comes back ran here before.
    way, intent = repo.change(decide, f"rollback {way_back.environment}: begin", why=why)
    swapping.carry_out(repo, way, intent, say)
