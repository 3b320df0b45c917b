"""Sync: follow latest where told to, make the hosts what the pins say, start what the installation starts."""

from __future__ import annotations

from dataclasses import dataclass

from sluicegate.delivery import intents, versions
from sluicegate.delivery.deploy import Plan, Say, deploy, silent
from sluicegate.delivery.promote import Move
from sluicegate.delivery.repo import DeliveryRepo, Draft
from sluicegate.delivery.state import State
from sluicegate.model.config import Environment
from sluicegate.model.values import Pin


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Something that the installation starts for one component: a job, or a command with its environment."""

    name: str
    component: str
    version: str
    job: str
    command: tuple[str, ...]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """What a sync did: pins that followed, the plan that was carried out, what is to be started."""

    moves: tuple[Move, ...]
    plan: Plan
    started: tuple[Started, ...]


def sync(
    repo: DeliveryRepo,
    name: str,
    *,
    end_sessions: bool = False,
    wait: float = 0.0,
    dry_run: bool = False,
    say: Say = silent,
    why: str = "",
) -> Synced:
    """One environment; `wait` is how many seconds to wait for one that is locked or has users on it."""
    moves = follow(repo, name, dry_run=dry_run)
    for move in moves:
        say(f"{name}: follows {move.component} {move.before or '-'} -> {move.after}")
    plan = intents.until_free(
        lambda: deploy(repo, name, end_sessions=end_sessions, dry_run=dry_run, say=say, why=why), wait
    )
    started: tuple[Started, ...] = ()
    if plan.steps and not dry_run:
        started = _start(repo, name, plan)
    return Synced(moves=moves, plan=plan, started=started)


def follow(repo: DeliveryRepo, name: str, *, dry_run: bool = False) -> tuple[Move, ...]:
    """Pin the newest version of each component in an environment that follows; never a held or a vetoed one."""

    def decide(state: State, draft: Draft) -> tuple[Move, ...]:
        environment = state.config.environment(name)
        if environment.follow is None:
            return ()
        moves = []
        for component in state.config.in_order(set(state.config.components)):
            pin = state.pins(name).get(component)
            newest = _newest(state, environment, component)
            if newest is None or (pin and (pin.version == newest or pin.held(state.now))):
                continue
            before = pin.version if pin else ""
            scheme = state.config.component(component).versions
            vetoed = before and state.vetoed(component, before, name)
            if before and not vetoed and versions.lower(scheme, newest, before):
                continue
            draft.pin(name, component, Pin(component=component, version=newest))
            draft.note(component, newest, "pinned", env=name, how="follow", before=before)
            moves.append(Move(component=component, before=before, after=newest))
        return tuple(moves)

    state = repo.state()
    preview = decide(state, Draft(state, repo.acting(state).actor))
    if dry_run or not preview:
        return preview
    return repo.change(decide, lambda moves: f"{name} follows " + " ".join(f"{m.component}={m.after}" for m in moves))


def _newest(state: State, environment: Environment, component: str) -> str | None:
    """The newest published version within the range that is not vetoed here."""
    assert environment.follow is not None
    scheme = state.config.component(component).versions
    known = versions.matching(scheme, state.versions(component), environment.follow.range)
    for version in reversed(known):
        built = any(record.what == "built" for record in state.story(component, version))
        if built and not state.vetoed(component, version, environment.name):
            return version
    return None


def _start(repo: DeliveryRepo, name: str, plan: Plan) -> tuple[Started, ...]:
    """Note what the installation starts: for what changed, and for what still differs from the next environment."""

    def decide(state: State, draft: Draft) -> tuple[Started, ...]:
        environment = state.config.environment(name)
        changed = {step.component for step in plan.steps if step.after} | _unproven(state, environment, plan)
        found = []
        for after in environment.after:
            for component in state.config.in_order(changed):
                started = Started(
                    name=after.name,
                    component=component,
                    version=plan.target[component],
                    job=after.job.replace("{component}", component),
                    command=tuple(word.replace("{component}", component) for word in after.command),
                    variables=_variables(state, environment, plan, component),
                )
                what = started.job or " ".join(started.command)
                facts = {"suite": after.name, "set": _set(state, plan), "run": what}
                draft.note(component, started.version, "started", env=name, **facts)
                found.append(started)
        return tuple(found)

    return repo.change(decide, f"{name}: start what the installation starts")


def _set(state: State, plan: Plan) -> str:
    standing = state.group_state(state.config.environment(plan.environment), plan.group)
    return standing.set_name if standing else ""


def _unproven(state: State, environment: Environment, plan: Plan) -> set[str]:
    """Components that differ from the environments after this one: together with what changed they are a new set."""
    found: set[str] = set()
    for after in state.config.environments.values():
        if after.origin == environment.name and after.swaps_with:
            pins = state.pins(after.name)
            found |= {name for name, v in plan.target.items() if name not in pins or pins[name].version != v}
    return found


def _variables(state: State, environment: Environment, plan: Plan, component: str) -> dict[str, str]:
    """What a started command is told: component, version, environment, and where everything answers."""
    first = state.config.groups[plan.group][0]
    host = state.drivers.host(state.config, first)
    found = {
        "SLUICEGATE_COMPONENT": component,
        "SLUICEGATE_VERSION": plan.target[component],
        "SLUICEGATE_ENVIRONMENT": environment.name,
        "SLUICEGATE_REPO": state.store.location,
    }
    for name in plan.target:
        found[f"{name.upper().replace('-', '_').replace('.', '_')}_URL"] = host.address(name)
    return found
