"""Carry out the plan of a deploy under its intent: fetch and check all, change host after host, record the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sluicegate.delivery.artifacts.fetch import fetch
from sluicegate.delivery.book import intents
from sluicegate.delivery.book.repo import DeliveryRepo, Draft
from sluicegate.delivery.book.state import State
from sluicegate.delivery.changes.planning import Plan, Step
from sluicegate.errors import PartlyDone, SluicegateError
from sluicegate.model.config import Environment
from sluicegate.model.evidence import Deployed, Intent
from sluicegate.model.values import Installed, Release, set_name
from sluicegate.tools.scratch import scratch

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Progress that nobody watches."""


def carry_out(repo: DeliveryRepo, plan: Plan, intent: Intent, say: Say) -> Plan:
    """Apply the plan under its intent, and record how it ended."""
    state = repo.state()
    environment = state.config.environment(plan.environment)
    done: list[Step] = []
    try:
        _release_sessions(state, environment)
        with scratch() as folder:
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
    if swap is None or swap.idle != state.group(environment) or not swap.sessions_until:
        return
    production = state.config.environment(swap.env)
    state.drivers.balancer(state.config, production).release()


def _record_failure(repo: DeliveryRepo, plan: Plan, intent: Intent, problem: SluicegateError, done: list[Step]) -> None:
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


def give_up(repo: DeliveryRepo, environment: str, intent: Intent, reason: str) -> None:
    """Record that a deploy has ended before its end."""
    repo.change(
        lambda state, draft: intents.end(draft, environment, intent, failed=reason), f"deploy {environment}: failed"
    )


def _record_deployed(state: State, draft: Draft, plan: Plan, intent: Intent) -> None:
    manifests = {name: state.manifest(name, version) for name, version in plan.target.items()}
    target_set = set_name({name: (version, manifests[name]) for name, version in plan.target.items()})
    components = {n: Installed(version=version, manifest=manifests[n]) for n, version in plan.target.items()}
    whole = Deployed(group=plan.group, set=target_set, components=components, of=intent.id)
    draft.note_environment(plan.environment, whole)
    changed = {step.component for step in plan.steps}
    for name, version in plan.target.items():
        # a version that came into this environment because its group changed roles counts as well
        if name in changed or not state.story(name, version).has(Deployed, env=plan.environment):
            one = Deployed(
                env=plan.environment, group=plan.group, set=target_set, manifest=manifests[name], of=intent.id
            )
            draft.note(name, version, one)
    intents.end(draft, plan.environment, intent)
