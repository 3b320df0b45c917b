"""Deploy: make an environment's hosts match its pins. Plan first, then intent, then apply, then evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sluicegate.delivery import gating, intents
from sluicegate.delivery.fetch import fetch
from sluicegate.delivery.pinning import refuse_edited
from sluicegate.delivery.pins import versions_of
from sluicegate.delivery.promote import standing_pins
from sluicegate.delivery.repo import DeliveryRepo, Draft
from sluicegate.delivery.state import State
from sluicegate.errors import Conflict, PartlyDone, SluicegateError, UsageError
from sluicegate.model.config import Environment
from sluicegate.model.ledger import stamp
from sluicegate.model.values import Json, Pin, Record, Release, newest, set_name
from sluicegate.tools import files

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of one host; `after` is '' when the component goes away."""

    host: str
    component: str
    before: str
    after: str

    def __str__(self) -> str:
        if not self.after:
            return f"{self.host}: remove {self.component} {self.before}"
        return f"{self.host}: {self.component} {self.before or '-'} -> {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a deploy would do to a group of hosts to reach `target`: component -> version."""

    environment: str
    group: str
    target: Mapping[str, str]
    steps: tuple[Step, ...]


def make_plan(state: State, environment: Environment, target: Mapping[str, str]) -> Plan:
    """Compare the hosts of the group that plays the environment now with the target. Raises when a host is down."""
    group = state.group(environment)
    if not group or environment.deploy is None:
        raise UsageError(f"{environment.name} has no 'hosts' and 'deploy', so nothing can be deployed there")
    deployer = state.drivers.deployer(state.config, environment)
    steps = []
    for host_name in state.config.groups[group]:
        host = state.drivers.host(state.config, host_name)
        for name in reversed(state.config.in_order(set(state.config.components) - set(target))):
            if found := deployer.installed(host, state.component(name)):
                steps.append(Step(host=host_name, component=name, before=found.version, after=""))
        for name in state.config.in_order(set(target)):
            found = deployer.installed(host, state.component(name))
            if found is None or found.manifest != state.manifest(name, target[name]):
                before = found.version if found else ""
                steps.append(Step(host=host_name, component=name, before=before, after=target[name]))
    return Plan(environment=environment.name, group=group, target=dict(target), steps=tuple(steps))


def deploy(
    repo: DeliveryRepo,
    name: str,
    *,
    target: Mapping[str, str] | None = None,
    ahead: Mapping[str, str] | None = None,
    end_sessions: bool = False,
    dry_run: bool = False,
    say: Say = silent,
    why: str = "",
    together: Callable[[State, Draft], None] | None = None,
) -> Plan:
    """Deploy the pins (or, for a rollback, `target`) to the environment's hosts. Raises before anything is changed
    when a gate refuses, a host is down or the environment is locked; PartlyDone when some hosts have changed.
    `ahead`, for a dry run, are pins that would be moved before.
    `together` is written in the one commit with the intent, so that no crash comes between them."""
    state = repo.state()
    environment = state.config.environment(name)
    more = dict(ahead or {})
    _refuse(state, environment, target, more, end_sessions)
    wanted = target if target is not None else versions_of(standing_pins(state, environment)) | more
    plan = make_plan(state, environment, wanted)
    if dry_run:
        return plan
    if together is None and _as_recorded(state, environment, plan):
        if target is None:
            _note_standing(repo, state, environment)
        return plan

    def decide(state: State, draft: Draft) -> Record:
        environment = state.config.environment(name)
        if together is not None:  # first: it knows best when somebody has moved what the plan was made of
            together(state, draft)
        _refuse(state, environment, target, {}, end_sessions)
        if target is None:
            if versions_of(standing_pins(state, environment)) != plan.target:
                raise Conflict(f"the pins of {name} were changed meanwhile", hint="run the command again")
            note_pins(state, draft, environment)
        gated = target is None
        return intents.begin(draft, name, "deploy", group=plan.group, target=dict(plan.target), gated=gated, why=why)

    intent = repo.change(decide, f"deploy {name}: begin", why=why)
    return carry_out(repo, plan, intent, say)


def _note_standing(repo: DeliveryRepo, state: State, environment: Environment) -> None:
    """Write down pins that came by a commit where the hosts have their versions already."""
    trial = Draft(state, repo.actor)
    note_pins(state, trial, environment)
    if trial.files or trial.records:
        repo.change(
            lambda state, draft: note_pins(state, draft, environment), f"{environment.name}: pins that came by a commit"
        )


def _as_recorded(state: State, environment: Environment, plan: Plan) -> bool:
    """Whether there is nothing to do and nothing to write down."""
    standing = state.group_state(environment, plan.group)
    if plan.steps or standing is None or state.unsure(environment, plan.group):
        return False
    return {name: one.version for name, one in standing.installed.items()} == dict(plan.target)


def _refuse(
    state: State, environment: Environment, target: Mapping[str, str] | None, ahead: dict[str, str], end_sessions: bool
) -> None:
    intents.refuse_locked(state, environment)
    _refuse_sessions(state, environment, end_sessions)
    if target is None and environment.swaps_with:
        refuse_edited(state, environment)
    elif target is None:
        refuse_ungated(state, environment, versions_of(standing_pins(state, environment)) | ahead)


def refuse_ungated(
    state: State, environment: Environment, target: Mapping[str, str], *, past_gates: bool = False
) -> None:
    """What the target would change must pass the environment's gates, however it came to be; `past_gates`, as after
    a rollback, only a veto counts."""
    standing = state.effective(environment)
    installed = standing.installed if standing else {}
    partner = state.config.swap_partner(environment)
    proven = state.swapped_in(environment if environment.swaps_with else partner) if partner else {}
    changed = []
    for component, version in target.items():
        here = installed.get(component)
        if (here is None or here.manifest != state.manifest(component, version)) and proven.get(component) != version:
            changed.append(gating.candidate(state, component, version, environment))
    if past_gates:
        for one in changed:
            gating.refuse_vetoed(state, one.component, one.version, environment.name)
    elif changed:
        gating.require(state, tuple(changed), "deploying")


def _refuse_sessions(state: State, environment: Environment, end_sessions: bool) -> None:
    """Logged-in users may still be on the group that was swapped out."""
    swap = state.last_swap(environment)
    until = kept_until(state, environment, swap)
    if swap is not None and until and not end_sessions:
        raise intents.Occupied(
            f"logged-in users may stay on {swap.get('idle')} until {until}",
            hint=f"wait (sluicegate sync {environment.name} --wait), or --end-sessions",
        )


def kept_until(state: State, environment: Environment, swap: Record | None) -> str:
    """Until when users stay on the group that plays this environment, '' when nobody does."""
    if swap is None or swap.get("idle") != state.group(environment):
        return ""
    until = str(swap.get("sessions_until"))
    return until if until and until > stamp(state.now) else ""


def note_pins(state: State, draft: Draft, environment: Environment) -> None:
    """Record pins that came by a commit, and bring staging's file up to its candidate set."""
    for component, pin in standing_pins(state, environment).items():
        if state.pins(environment.name).get(component) != pin:
            draft.pin(environment.name, component, pin)
        if environment.swaps_with:
            continue
        last = newest(
            r for r in state.story(component, pin.version) if r.what == "pinned" and r.get("env") == environment.name
        )
        if last is None or _repinned(state, component, pin, environment, last):
            draft.note(component, pin.version, "pinned", env=environment.name, how="commit", commit=state.tips["main"])


def _repinned(state: State, component: str, pin: Pin, environment: Environment, last: Record) -> bool:
    """Whether another version was pinned after `last`, so that this pin came back by a commit."""
    return any(
        record.what in ("pinned", "unpinned") and record.get("env") == environment.name and record.at > last.at
        for version in state.recorded_versions(component)
        if version != pin.version
        for record in state.story(component, version)
    )


def carry_out(repo: DeliveryRepo, plan: Plan, intent: Record, say: Say) -> Plan:
    """Apply the plan under its intent, and record how it ended."""
    state = repo.state()
    environment = state.config.environment(plan.environment)
    done: list[Step] = []
    try:
        _release_sessions(state, environment)
        with files.scratch() as folder:
            releases = _fetched(state, plan, folder)
            for step in plan.steps:
                say(f"{plan.environment}: {step}")
                _apply(state, environment, step, releases)
                done.append(step)
    except SluicegateError as problem:
        _record_failure(repo, plan, intent, problem, done)
    try:
        repo.change(
            lambda state, draft: _record_deployed(state, draft, plan, intent), f"deploy {plan.environment}: done"
        )
    except SluicegateError as problem:
        raise PartlyDone(
            f"the hosts are as they shall be, and that could not be written down: {problem.message}{_listed(done)}",
            hint="mend that, then: sluicegate resume",
        ) from problem
    return plan


def _listed(done: list[Step]) -> str:
    return "".join(f"\n  done: {step}" for step in done)


def _fetched(state: State, plan: Plan, folder: Path) -> dict[tuple[str, str], Release]:
    """Everything that will be installed, checked before the first host is touched: a damaged file changes nothing."""
    wanted = dict.fromkeys((step.component, step.after) for step in plan.steps if step.after)
    return {(name, version): fetch(state, name, version, folder / f"{name}-{version}") for name, version in wanted}


def _apply(state: State, environment: Environment, step: Step, releases: Mapping[tuple[str, str], Release]) -> None:
    host = state.drivers.host(state.config, step.host)
    deployer = state.drivers.deployer(state.config, environment)
    component = state.component(step.component)
    if not step.after:
        deployer.remove(host, component)
        return
    deployer.install(host, component, releases[step.component, step.after])


def _release_sessions(state: State, environment: Environment) -> None:
    """Whoever still stays on the group that is about to change goes to the live one."""
    swap = state.last_swap(environment)
    if swap is None or swap.get("idle") != state.group(environment) or not swap.get("sessions_until"):
        return
    production = state.config.environment(str(swap.get("env")))
    state.drivers.balancer(state.config, production).release()


def _record_failure(repo: DeliveryRepo, plan: Plan, intent: Record, problem: SluicegateError, done: list[Step]) -> None:
    try:
        give_up(repo, plan.environment, intent, problem.message)
    except SluicegateError as second:  # it must not hide what failed first; the intent stays open
        said = f"{problem.message}; and that could not be written down: {second.message}"
        raise PartlyDone(f"{said}{_listed(done)}", hint="mend that, then: sluicegate resume") from problem
    if not done:
        raise problem
    raise PartlyDone(
        f"{problem.message}{_listed(done)}", hint=problem.hint or "mend the cause, then deploy again"
    ) from problem


def give_up(repo: DeliveryRepo, environment: str, intent: Record, reason: str) -> None:
    """Record that a deploy has ended before its end."""
    repo.change(
        lambda state, draft: intents.end(draft, environment, intent, failed=reason), f"deploy {environment}: failed"
    )


def _record_deployed(state: State, draft: Draft, plan: Plan, intent: Record) -> None:
    manifests = {name: state.manifest(name, version) for name, version in plan.target.items()}
    target_set = set_name({name: (version, manifests[name]) for name, version in plan.target.items()})
    components: dict[str, Json] = {
        name: {"version": version, "manifest": manifests[name]} for name, version in plan.target.items()
    }
    draft.note_environment(
        plan.environment, "deployed", group=plan.group, set=target_set, components=components, of=intent.id
    )
    changed = {step.component for step in plan.steps}
    for name, version in plan.target.items():
        # a version that came into this environment because its group changed roles counts as well
        known = any(r.what == "deployed" and r.get("env") == plan.environment for r in state.story(name, version))
        if name in changed or not known:
            draft.note(
                name, version, "deployed", env=plan.environment, group=plan.group, set=target_set,
                manifest=manifests[name], of=intent.id,
            )  # fmt: skip
    intents.end(draft, plan.environment, intent)
